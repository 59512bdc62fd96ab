"""Whether a reader's rows are those of Spark, value by value and type by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an answer compares with the expected one.

    Attributes:
        word: 'right'; 'other types', if the rows are the same once columns are cast; or 'wrong'.
        detail: What is not as expected, in a few words without values.
    """

    word: str
    detail: str = ""


def compare(expected: pa.Table, found: pa.Table) -> Comparison:
    """Compare two answers as bags of rows.

    The order of rows and of columns doesn't matter, nor how wide an integer or a text is stored.
    Instants with a time zone and times without one are different values.
    """
    columns = sorted(expected.column_names)
    missing = [name for name in columns if name not in found.column_names]
    if missing:
        return Comparison("wrong", f"without {', '.join(missing)}")
    if len(expected) != len(found):
        return Comparison("wrong", f"{len(found)} rows of {len(expected)}")
    ours = _rows(expected, columns)
    if ours == _rows(found, columns):
        return Comparison("right")
    differing = [name for name in columns if _rows(expected, [name]) != _rows(found, [name])]
    kinds = ", ".join(f"{name} as {found.schema.field(name).type}" for name in differing)
    cast = _cast(found, expected.schema, differing)
    if differing and ours == _rows(cast, columns):
        return Comparison("other types", kinds)
    lost = [name for name in differing if _rows(expected, [name]) != _rows(cast, [name])]
    if lost:
        return Comparison("wrong", f"other values in {', '.join(lost)} ({kinds})")
    return Comparison("wrong", "values in other rows")


def _rows(table: pa.Table, columns: Iterable[str]) -> Counter[Any]:
    values = (_values(table.column(name)) for name in columns)
    return Counter(tuple(_comparable(value) for value in row) for row in zip(*values, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        octets = column.cast(pa.binary()).to_pylist()
        return [each if each is None else ("octets called a text", each) for each in octets]


def _cast(table: pa.Table, schema: pa.Schema, columns: Iterable[str]) -> pa.Table:
    """The columns in the types of a schema, where Arrow knows how."""
    for name in columns:
        try:
            column = table.column(name).cast(schema.field(name).type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _comparable(value: Any) -> Any:
    """A hashable that equals another exactly where both are one value of one kind."""
    match value:
        case datetime():
            zone = value.tzinfo is not None
            return ("instant" if zone else "local", value.astimezone(UTC) if zone else value)
        case dict():
            return ("struct", *sorted((name, _comparable(each)) for name, each in value.items()))
        case list():
            return ("list", *(_comparable(each) for each in value))
        case Decimal():
            return ("decimal", value.normalize())
        case _:
            return (type(value).__name__, value)
