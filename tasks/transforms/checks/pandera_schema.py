"""Whether a frame has the columns and types that it was promised to have, checked by Pandera.

Promise: no row is read for it, and no Pandera message about rows is repeated: it quotes the first
row where a column is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import types as T


def schema_mismatches(frame: DataFrame, promised: T.StructType) -> tuple[str, ...]:
    """How a frame departs from its promised schema; one sentence each, empty if it does not.

    Args:
        frame: Any frame. Its columns may be in any order and may have nulls.
        promised: Every column the frame should have, with its exact type.
    """
    # Imported where it is needed: Pandera brings pandas and Spark's pandas interface along.
    from pandera.config import ValidationDepth, config_context  # noqa: PLC0415
    from pandera.pyspark import Column, DataFrameSchema  # noqa: PLC0415

    # Pandera's annotations cover neither Spark's own types nor its accessor.
    kinds: dict[str, Any] = {field.name: field.dataType for field in promised.fields}
    columns = {name: Column(kind, nullable=True) for name, kind in kinds.items()}
    schema = DataFrameSchema(columns, strict=True)
    with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY):
        validated: Any = schema.validate(frame.limit(0), lazy=True)
    actual = {field.name: field.dataType for field in frame.schema.fields}
    return tuple(
        sorted(set(_messages(validated.pandera.errors.get("SCHEMA", {}), actual, promised)))
    )


def _messages(
    errors: Mapping[str, list[Mapping[str, str]]],
    actual: Mapping[str, T.DataType],
    promised: T.StructType,
) -> Iterator[str]:
    expected = {field.name: field.dataType for field in promised.fields}
    for reason, failures in errors.items():
        if reason == "COLUMN_NOT_IN_SCHEMA":
            # Pandera names the schema here, and the column only in its sentence.
            yield from (f"column {name} is not promised" for name in actual if name not in expected)
            continue
        for name in (error["column"] for error in failures):
            if name not in actual:
                yield f"column {name} is not there"
            elif reason == "WRONG_DATATYPE":
                want, got = expected[name].simpleString(), actual[name].simpleString()
                yield f"column {name} is {got} instead of {want}"
            else:
                yield f"column {name} breaks the rule {reason.lower()}"
