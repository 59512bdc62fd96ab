"""The key range of a batch, by which files are left out: from its least to its greatest key.

Files of the table are sorted by the key, so those outside the range are not read. Where keys change
all over the table these are few; where they lie together these are nearly all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.java_table import java_table
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named

_WHOLE_NUMBERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_ORDERED = (*_WHOLE_NUMBERS, T.StringType, T.DateType, T.DecimalType)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A range of the first key column.

    `least` and `greatest` are both None where there are no bounds: every key is in the range.
    """

    column: str
    least: Any = None
    greatest: Any = None

    @property
    def is_bounded(self) -> bool:
        """Whether some keys are outside the range."""
        return self.least is not None

    def contains(self, key: Column) -> Column:
        """Whether a key is in the range, as a filter that Iceberg compares with file bounds."""
        if not self.is_bounded:
            return F.lit(True)
        return (key >= F.lit(self.least)) & (key <= F.lit(self.greatest))

    def filter(self, frame: DataFrame) -> DataFrame:
        """The rows of a table with keys in the range."""
        return frame.where(self.contains(named(self.column))) if self.is_bounded else frame


def key_bounds(
    settings: HistorySettings, schema: T.StructType, accepted: Column
) -> dict[str, Column]:
    """The aggregates over a batch that `key_range` is made of; none where no range can help."""
    first = settings.key[0]
    if not settings.key_ranges or not isinstance(schema[first].dataType, _ORDERED):
        return {}
    key = F.when(accepted, named(first))
    return {"least": F.min(key), "greatest": F.max(key)}


def key_range(settings: HistorySettings, counts: Mapping[str, Any]) -> KeyRange:
    """The key range of the batch, from the aggregates of `key_bounds`; see `_on_grid`."""
    least, greatest = _on_grid(counts.get("least"), counts.get("greatest"))
    return KeyRange(settings.key[0], least, greatest)


def _on_grid(least: Any, greatest: Any) -> tuple[Any, Any]:
    """Bounds that are whole numbers, each moved outwards to a multiple of a power of two.

    Spark writes numbers into the code that it makes of a scan, so that each new pair of bounds is a
    class compiled anew, which runs slowly at first. Batches from all over a table have the same
    bounds on such a grid. A bound moves by at most an eighth of the range, within the keys' type.
    """
    if not isinstance(least, int) or not isinstance(greatest, int):
        return least, greatest
    grid = 1 << max((greatest - least).bit_length() - 4, 0)
    below, above = least // grid * grid, -(-greatest // grid) * grid
    return max(below, -_limit(least)), min(above, _limit(greatest) - 1)


def _limit(number: int) -> int:
    """How many numbers that are not negative the smallest type of Spark has that has this one."""
    return next(1 << bits for bits in (7, 15, 31, 63) if -(1 << bits) <= number < 1 << bits)


def files_in_range(
    spark: SparkSession, table: str, snapshot_id: int, keys: KeyRange, settings: HistorySettings
) -> tuple[int, int]:
    """How many data files with open versions a batch can't rule out, and their bytes."""
    loaded = java_table(spark, table)
    if loaded is not None:
        return _planned(spark._jvm, loaded, snapshot_id, keys, settings)  # noqa: SLF001
    files = spark.read.option("versionAsOf", str(snapshot_id)).table(f"{table}.data_files")
    condition = F.lit(True)
    kind = files.schema["partition"].dataType if "partition" in files.columns else None
    if isinstance(kind, T.StructType) and settings.is_current in kind.fieldNames():
        # It is null for files written while the table was not partitioned like this.
        condition = ~F.col("partition").getField(settings.is_current).eqNullSafe(F.lit(False))
    if keys.is_bounded:
        bounds = F.col("readable_metrics").getField(keys.column)
        low, high = bounds.getField("lower_bound"), bounds.getField("upper_bound")
        outside = (low > F.lit(keys.greatest)) | (high < F.lit(keys.least))
        condition = condition & ~F.coalesce(outside, F.lit(False))
    size = F.coalesce(F.sum("file_size_in_bytes"), F.lit(0))
    totals = files.where(condition).agg(F.count(F.lit(1)).alias("files"), size.alias("size"))
    row = totals.collect()[0]
    return int(row.files), int(row["size"])


def _planned(
    jvm: Any, loaded: Any, snapshot_id: int, keys: KeyRange, settings: HistorySettings
) -> tuple[int, int]:
    """The same as Iceberg plans a scan: what it says of that needs no job."""
    iceberg = jvm.org.apache.iceberg
    of = iceberg.expressions.Expressions
    condition = of.equal(settings.is_current, True)
    if keys.is_bounded:
        for bound in (
            of.greaterThanOrEqual(keys.column, _literal(keys.least)),
            of.lessThanOrEqual(keys.column, _literal(keys.greatest)),
        ):
            condition = getattr(of, "and")(condition, bound)
    reporter = iceberg.metrics.InMemoryMetricsReporter()
    scan = loaded.newScan().useSnapshot(snapshot_id).metricsReporter(reporter).filter(condition)
    tasks = scan.planFiles()
    iceberg.relocated.com.google.common.collect.Iterables.size(tasks)
    tasks.close()
    metrics = reporter.scanReport().scanMetrics()
    return int(metrics.resultDataFiles().value()), int(metrics.totalFileSizeInBytes().value())


def _literal(value: object) -> object:
    """A key as Iceberg reads it from text, where Java has no such object of Python's."""
    return value if isinstance(value, int | str) else str(value)
