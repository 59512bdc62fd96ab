"""Whether a frame has the columns and types that it was promised to have, checked by Pandera.

Promise: no row is read for it, and no Pandera message about rows is repeated: it quotes the first
row where a column is missing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from contracts.errors import SchemaDriftError

if TYPE_CHECKING:
    from pandera.pyspark import DataFrameSchema

_IMPORTING = threading.Lock()


def pandera_schema(promised: T.StructType) -> DataFrameSchema:
    """The promised columns as a Pandera schema: these and no others, in any order.

    Args:
        promised: Every column a frame should have, with its exact type. Nulls are not looked at.
    """
    pandera = _imported("pandera.pyspark")
    # Pandera's annotations do not cover Spark's own types.
    kinds: dict[str, Any] = {field.name: field.dataType for field in promised.fields}
    columns = {name: pandera.Column(kind, nullable=True) for name, kind in kinds.items()}
    schema: DataFrameSchema = pandera.DataFrameSchema(columns, strict=True)
    return schema


def schema_mismatches(frame: DataFrame, promised: T.StructType) -> tuple[str, ...]:
    """How a frame departs from its promised schema; one sentence each, empty if it does not.

    Args:
        frame: Any frame. Its columns may be in any order and may have nulls.
        promised: Every column the frame should have, with its exact type.
    """
    config = _imported("pandera.config")
    with config.config_context(validation_depth=config.ValidationDepth.SCHEMA_ONLY):
        # Pandera's annotations do not cover its accessor.
        validated: Any = pandera_schema(promised).validate(frame.limit(0), lazy=True)
    actual = {field.name: field.dataType for field in frame.schema.fields}
    return tuple(
        sorted(set(_messages(validated.pandera.errors.get("SCHEMA", {}), actual, promised)))
    )


def _imported(name: str) -> ModuleType:
    """A module of Pandera, imported when it is needed: it brings Spark's pandas interface along.

    By one thread at a time. Tables are loaded side by side, and Pandera's modules import each other
    in a circle, in which threads wait for each other (`findings/pandera_import_threads.sh`).
    """
    with _IMPORTING:
        import_module("pandera.pyspark")
        return import_module(name)


def refuse_mismatches(frame: DataFrame, promised: T.StructType, *, where: str, cause: str) -> None:
    """Refuse a frame that departs from its promised schema.

    Args:
        frame: What a step is about to read, or to hand on.
        promised: Every column the frame should have, with its exact type.
        where: The contract and the rows, for the error.
        cause: What most likely made it differ, as a sentence for the error.

    Raises:
        SchemaDriftError: A column is missing, is not promised, or has another type.
    """
    mismatches = schema_mismatches(frame, promised)
    if mismatches:
        raise SchemaDriftError(
            where=where,
            expected="the columns and types that the contract promises",
            found="; ".join(mismatches),
            next_step=f"Nothing was published. {cause}",
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
