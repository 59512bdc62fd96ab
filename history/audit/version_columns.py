"""What the rules about versions ask of their columns."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named


def sums_of_halves(digest: Column) -> list[Column]:
    """The sums `low` and `high` of both halves of 64-bit hashes, which can't overflow."""
    halves = {
        "low": digest.bitwiseAND(F.lit(0xFFFFFFFF)),
        "high": F.shiftrightunsigned(digest, 32),
    }
    return [F.sum(each).alias(name) for name, each in halves.items()]


def with_types_of(schema: T.StructType, planned: DataFrame, names: Iterable[str]) -> DataFrame:
    """The plan with the types of the versions: equal numbers of two types have two hashes."""
    # Their text is without what may be null in them.
    differing = {
        name: named(name).cast(schema[name].dataType)
        for name in names
        if schema[name].dataType.simpleString() != planned.schema[name].dataType.simpleString()
    }
    return planned.withColumns(differing) if differing else planned


def is_open(end: Column, settings: HistorySettings) -> Column:
    """Whether a version with this end is open."""
    if settings.open_end is None:
        return end.isNull()
    return end.eqNullSafe(F.lit(settings.open_end))
