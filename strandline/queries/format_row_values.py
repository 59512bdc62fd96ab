"""Values of rows on their way from Spark to the screen, also outside the range of Python's types.

Spark's and Iceberg's days and moments have a wider range than Python's, and would be converted to
this machine's time zone: they come as numbers instead.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.spark.column_quoting_and_comparison import wall_clock_in_utc
from strandline.queries.dates_beyond_python_range import day_of, moment_at

__all__ = ["printable", "readable"]


def readable(column: Column, kind: T.DataType) -> Column:
    """The column in types that Python can hold: days and moments as numbers, nested ones too."""
    match kind:
        case T.TimestampType():
            return F.unix_micros(column)
        case T.TimestampNTZType():
            return F.unix_micros(wall_clock_in_utc(column))
        case T.DateType():
            return F.unix_date(column)
        case T.ArrayType():
            return F.transform(column, lambda each: readable(each, kind.elementType))
        case T.StructType():
            parts = [readable(column[each.name], each.dataType).alias(each.name) for each in kind]
            return F.when(column.isNotNull(), F.struct(*parts))
    return column


def printable(value: Any, kind: T.DataType) -> object:
    """A value of `readable` with its days and moments restored, and rows as mappings."""
    if value is None:
        return None
    match kind:
        case T.TimestampType() | T.TimestampNTZType():
            return moment_at(value)
        case T.DateType():
            return day_of(value)
        case T.ArrayType():
            return [printable(each, kind.elementType) for each in value]
        case T.StructType():
            named = zip(kind, value, strict=True)
            return {each.name: printable(part, each.dataType) for each, part in named}
    return value
