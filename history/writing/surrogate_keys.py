"""Surrogate keys of new versions: numbers after the table's greatest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named
from history.spark.few_rows import in_one_partition_if_few

_MAX_SORTED = 100_000

_ROW_INDEX_BITS = 33
"""How many of the lower bits of Spark's `monotonically_increasing_id` count within a partition."""


@dataclass(frozen=True, slots=True)
class NewNumbers:
    """The numbers that a batch gives to its new versions.

    Strand s of `strands` has the numbers `first` + s, `first` + s + strands, and so on: an unbroken
    run. With one strand they are consecutive.
    """

    first: int
    count: int
    strands: int = 1


@dataclass(frozen=True, slots=True)
class NumberedPlan:
    """A plan with the surrogate keys of its new versions, and the greatest key."""

    plan: DataFrame
    high_water: int

    @classmethod
    def of(
        cls, plan: DataFrame, settings: HistorySettings, high_water: int, count: int
    ) -> NumberedPlan:
        """Number the `count` new versions, without gaps.

        Small batches are numbered by key and sequence. Large ones are numbered by partition and
        row, which needs no task that sorts them all.

        Args:
            plan: Checkpointed rows: computing them anew could change their partition and row.
            settings: How the table is kept.
            high_water: The greatest number in use.
            count: The number of new versions.
        """
        opening = F.col("__version_action").isin("add", "replace")
        if count > _MAX_SORTED:
            numbered = _numbered_by_partition(plan, opening, high_water)
        else:
            order = [named(name) for name in (*settings.key, settings.sequence)]
            rank = F.row_number().over(Window.partitionBy("__opening").orderBy(*order))
            rows = in_one_partition_if_few(plan, count)
            # Spark writes a whole number into the code it makes, which each batch would compile
            # anew; a decimal it refers to.
            before = F.lit(Decimal(high_water))
            numbered = rows.withColumn("__opening", opening.eqNullSafe(F.lit(True))).withColumn(
                "__number", F.when(F.col("__opening"), (before + rank).cast("bigint"))
            )
        return cls(numbered, high_water + count)


def _numbered_by_partition(plan: DataFrame, opening: Column, high_water: int) -> DataFrame:
    """The plan with `__number`: consecutive in each partition, one partition after the other."""
    partition = F.spark_partition_id()
    sizes = (
        plan.where(opening).groupBy(partition.alias("part")).agg(F.count(F.lit(1)).alias("rows"))
    )
    row_counts = {row.part: row.rows for row in sizes.collect()}
    counts = [row_counts.get(at, 0) for at in range(max(row_counts) + 1)]
    offsets = list(accumulate(counts, initial=high_water))
    number = F.get(F.lit(offsets), partition) + _row_index() + 1
    others = plan.where(~F.coalesce(opening, F.lit(False)))
    return (
        plan.where(opening)
        .withColumn("__number", number)
        .unionByName(others.withColumn("__number", F.lit(None).cast("bigint")))
    )


def number_by_strand(high_water: int, partitions: int) -> Column:
    """A number for each row of a frame, in the order in which they lie in its partitions.

    Each partition has a strand of its own, so that no row has to be counted first: there are gaps
    where partitions differ in size. The frame has to be written as it is, by one job.
    """
    strand = F.spark_partition_id().cast("bigint")
    return _row_index() * F.lit(partitions) + strand + F.lit(high_water + 1).cast("bigint")


def _row_index() -> Column:
    """The place of a row in its partition, from 0."""
    return F.monotonically_increasing_id() % F.lit(1 << _ROW_INDEX_BITS)
