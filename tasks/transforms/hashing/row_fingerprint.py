"""A keyed fingerprint of a row: it changes exactly when one of the row's values does.

Promise: two rows have one fingerprint if and only if Spark treats their values as equal, column by
column (null equals null). Without the key it reveals nothing about the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import named
from tasks.transforms.hashing import hash_input_encoding
from tasks.transforms.hashing.hmac_sha256 import HashKey, hashed

DOMAIN = "strandline fingerprint 1\n"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a fingerprint is made of: named values, and the condition under which a row has one.

    Where `only` is not true the fingerprint is null, and nothing is computed.
    """

    values: Mapping[str, Column]
    only: Column | None = None


def fingerprints(
    frame: DataFrame,
    wanted: Mapping[str, Fingerprint],
    key: bytes | HashKey,
    *,
    messages: Mapping[str, Column] | None = None,
) -> DataFrame:
    """The frame with a column per fingerprint: HMAC-SHA-256 in 64 lower-case hex digits.

    The message is `DOMAIN` and the row of `tasks.transforms.hashing.hash_input_encoding` (spec 4.1,
    5). Equal numbers have equal fingerprints whatever their type: 1.10 = 1.1, 1 = 1.0 among exact
    numbers, -0.0 = 0.0 and NaN = NaN among floats. The order of the values does not matter, their
    names do.

    Args:
        frame: The rows.
        wanted: The fingerprints by the name of their column.
        key: The fingerprint key.
        messages: Further messages to be hashed with the same key, as they are; the key enters the
            plan once for all of them.
    """
    # Columns of their own, so that Spark computes each value once and not per mention.
    tagged: dict[str, Column] = {}
    hashable = dict(messages or {})
    for name, each in wanted.items():
        schema = frame.select(*[v.alias(label) for label, v in each.values.items()]).schema
        temporary = {label: f"__{name}_{position}" for position, label in enumerate(each.values)}
        for (label, value), field in zip(each.values.items(), schema.fields, strict=True):
            tagged[temporary[label]] = hash_input_encoding.tagged(value, field.dataType)
        row = hash_input_encoding.row({label: named(column) for label, column in temporary.items()})
        message = F.concat(F.lit(DOMAIN), row)
        hashable[name] = message if each.only is None else F.when(each.only, message)
    return hashed(frame.withColumns(tagged), hashable, key).drop(*tagged)
