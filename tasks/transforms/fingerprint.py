"""A keyed fingerprint of a row: it changes exactly when one of the row's values does.

Promise: two rows have one fingerprint if and only if Spark calls their values equal, column by
column (null equals null). Without the key it says nothing about the row.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.columns import named
from tasks.transforms import encoding
from tasks.transforms.keyed_hash import hashed

DOMAIN = "strandline fingerprint 1\n"


def fingerprint(
    frame: DataFrame,
    values: Mapping[str, Column],
    key: bytes,
    *,
    name: str,
    only: Column | None = None,
) -> DataFrame:
    """The frame with `name`: HMAC-SHA-256 of the values, 64 lower-case hex digits (spec 4.1, 5).

    The message is `DOMAIN` and the row of `tasks.transforms.encoding`. Equal numbers have equal
    fingerprints whatever their type: 1.10 = 1.1, 1 = 1.0 among exact numbers, -0.0 = 0.0 and NaN =
    NaN among floats. The order of the mapping does not matter, the names do. Where `only` is not
    true the fingerprint is null, and nothing is computed.
    """
    schema = frame.select(*[value.alias(label) for label, value in values.items()]).schema
    # Columns of their own, so that Spark computes each value once and not per mention.
    places = {label: f"__{name}_{position}" for position, label in enumerate(values)}
    tagged = {
        places[label]: encoding.tagged(value, field.dataType)
        for (label, value), field in zip(values.items(), schema.fields, strict=True)
    }
    message = encoding.row({label: named(place) for label, place in places.items()})
    prepared = frame.withColumns(tagged)
    whole = F.concat(F.lit(DOMAIN), message)
    keyed = hashed(prepared, {name: whole if only is None else F.when(only, whole)}, key)
    return keyed.drop(*places.values())
