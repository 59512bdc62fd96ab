"""Iceberg with one MERGE: format 3, merge-on-read, partitioned by the flag of current versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.history.cases import Batch, Outcome
from benchmarks.history.subjects.merge_text import initial_rows, merge_text
from benchmarks.history.subjects.spark_session import iceberg_catalog, outcome, start_spark

_TABLE = "lake.bench.customers"


class IcebergMerge:
    """The table is written sorted by key, in one CREATE TABLE AS SELECT."""

    def __init__(self, directory: Path, jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.jars = jars
        self.spark: SparkSession

    def prepare(self, initial: Path) -> None:
        """Write the table."""
        self.spark = start_spark(self.directory, self.jars, iceberg_catalog(self.directory))
        self.spark.sql("CREATE NAMESPACE lake.bench")
        self.spark.read.parquet(str(initial)).createOrReplaceTempView("initial")
        self.spark.sql(
            f"""
            CREATE TABLE {_TABLE} USING iceberg PARTITIONED BY (is_current) TBLPROPERTIES (
                'format-version' = '3',
                'write.merge.mode' = 'merge-on-read',
                'write.parquet.compression-codec' = 'zstd',
                'write.distribution-mode' = 'none'
            ) AS {initial_rows("initial")}
            """
        )

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Run the MERGE."""
        self.spark.read.parquet(str(batch.path)).createOrReplaceTempView("changes")
        self.spark.sql(merge_text(_TABLE, "changes", match=" AND t.is_current"))
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        return outcome(self.spark, _TABLE)

    def close(self) -> None:
        """Stop Spark."""
        self.spark.stop()
