"""Whether a frame has the columns and types that it was promised to have, judged by Pandera.

Promise: no row is read to find out, and nothing is repeated that Pandera says of rows: it quotes
the first one where a column is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import types as T


def schema_mismatches(frame: DataFrame, promised: T.StructType) -> tuple[str, ...]:
    """How a frame departs from its promised schema; one sentence each, empty if it does not.

    Args:
        frame: Any frame. Its columns may stand in any order and may hold nulls.
        promised: Every column the frame should have, with its exact type.
    """
    # Imported where it is needed: Pandera brings pandas and Spark's pandas interface along.
    from pandera.config import ValidationDepth, config_context  # noqa: PLC0415
    from pandera.pyspark import Column, DataFrameSchema  # noqa: PLC0415

    # Pandera's annotations know neither Spark's own types nor its accessor.
    kinds: dict[str, Any] = {field.name: field.dataType for field in promised.fields}
    columns = {name: Column(kind, nullable=True) for name, kind in kinds.items()}
    schema = DataFrameSchema(columns, strict=True)
    with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY):
        judged: Any = schema.validate(frame.limit(0), lazy=True)
    have = {field.name: field.dataType for field in frame.schema.fields}
    return tuple(sorted(set(_told(judged.pandera.errors.get("SCHEMA", {}), have, promised))))


def _told(
    errors: Mapping[str, list[Mapping[str, str]]],
    have: Mapping[str, T.DataType],
    promised: T.StructType,
) -> Iterator[str]:
    wanted = {field.name: field.dataType for field in promised.fields}
    for reason, found in errors.items():
        if reason == "COLUMN_NOT_IN_SCHEMA":
            # Pandera names the schema here, and the column only in its sentence.
            yield from (f"column {name} is not promised" for name in have if name not in wanted)
            continue
        for name in (error["column"] for error in found):
            if name not in have:
                yield f"column {name} is not there"
            elif reason == "WRONG_DATATYPE":
                was, now = wanted[name].simpleString(), have[name].simpleString()
                yield f"column {name} is {now} instead of {was}"
            else:
                yield f"column {name} breaks the rule {reason.lower()}"
