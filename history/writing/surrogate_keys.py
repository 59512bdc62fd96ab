"""Surrogate keys of new versions: consecutive numbers after the table's greatest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named

_MOST_SORTED = 100_000

_PLACE_BITS = 33
"""How many of the lower bits of Spark's `monotonically_increasing_id` count within a partition."""


@dataclass(frozen=True, slots=True)
class NumberedPlan:
    """A plan whose new versions have their surrogate keys, and the greatest of them."""

    plan: DataFrame
    high_water: int

    @classmethod
    def of(
        cls, plan: DataFrame, settings: HistorySettings, high_water: int, count: int
    ) -> NumberedPlan:
        """Number the `count` versions that open, without gaps.

        Those of small batches are in the order of key and sequence. Large ones are numbered as
        they lie, which needs no task that sorts them all.

        Args:
            plan: Held rows: numbers by their place would not outlast computing them anew.
            settings: How the table is kept.
            high_water: The greatest number in use.
            count: How many versions open.
        """
        opening = F.col("__version_action").isin("add", "replace")
        if count > _MOST_SORTED:
            numbered = _numbered_in_place(plan, opening, high_water)
        else:
            order = [named(name) for name in (*settings.key, settings.sequence)]
            rank = F.row_number().over(Window.partitionBy("__opening").orderBy(*order))
            numbered = plan.withColumn("__opening", opening.eqNullSafe(F.lit(True))).withColumn(
                "__number", F.when(F.col("__opening"), F.lit(high_water) + rank.cast("bigint"))
            )
        return cls(numbered, high_water + count)


def _numbered_in_place(plan: DataFrame, opening: Column, high_water: int) -> DataFrame:
    """The plan with `__number`: consecutive in each partition, one partition after the other."""
    part = F.spark_partition_id()
    sizes = plan.where(opening).groupBy(part.alias("part")).agg(F.count(F.lit(1)).alias("rows"))
    found = {row.part: row.rows for row in sizes.collect()}
    rows = [found.get(at, 0) for at in range(max(found) + 1)]
    before = list(accumulate(rows, initial=high_water))
    place = F.monotonically_increasing_id() % F.lit(1 << _PLACE_BITS)
    number = F.get(F.lit(before), part) + place + 1
    others = plan.where(~F.coalesce(opening, F.lit(False)))
    return (
        plan.where(opening)
        .withColumn("__number", number)
        .unionByName(others.withColumn("__number", F.lit(None).cast("bigint")))
    )
