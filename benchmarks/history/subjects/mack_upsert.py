"""mack: `type_2_scd_upsert` on a Delta table with Delta's default properties."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mack
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.history.cases import ATTRIBUTES, KEY, TIME, Batch, Outcome, outcome_query
from benchmarks.history.subjects.delta_recipe import SETTINGS
from benchmarks.history.subjects.spark_session import start_spark


class MackUpsert:
    """The table is written sorted by key; mack prescribes the names of its interval and flag."""

    def __init__(self, directory: Path, jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.jars = jars
        self.path = str(directory / "customers")
        self.spark: SparkSession

    def prepare(self, initial: Path) -> None:
        """Write the table."""
        self.spark = start_spark(self.directory, self.jars, SETTINGS)
        rows = self.spark.read.parquet(str(initial)).select(
            KEY,
            *ATTRIBUTES,
            F.lit(True).alias("is_current"),
            F.col(TIME).alias("effective_time"),
            F.lit(None).cast("timestamp").alias("end_time"),
        )
        rows.write.format("delta").save(self.path)

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Call mack."""
        changes = self.spark.read.parquet(str(batch.path))
        mack.type_2_scd_upsert(
            DeltaTable.forPath(self.spark, self.path),
            changes.select(KEY, *ATTRIBUTES, F.col(TIME).alias("effective_time")),
            KEY,
            list(ATTRIBUTES),
        )
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        query = outcome_query(
            f"delta.`{self.path}`", key=KEY, time="effective_time", current="is_current",
            end="end_time", micros="unix_micros",
        )  # fmt: skip
        return Outcome(**self.spark.sql(query).collect()[0].asDict())

    def close(self) -> None:
        """Stop Spark."""
        self.spark.stop()
