"""The SCD2 recipe of the Delta docs: one MERGE whose source has each change twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pyspark.sql import SparkSession

from benchmarks.history.cases import Batch, Outcome
from benchmarks.history.subjects.merge_text import initial_rows, merge_text
from benchmarks.history.subjects.spark_session import outcome, start_spark

SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


class DeltaRecipe:
    """As the docs write it, on a table with Delta's default properties.

    The table is written sorted by key, in one CREATE TABLE AS SELECT.
    """

    properties: ClassVar[str] = ""

    def __init__(self, directory: Path, jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.jars = jars
        self.table = f"delta.`{directory / 'customers'}`"
        self.spark: SparkSession

    def prepare(self, initial: Path) -> None:
        """Write the table."""
        self.spark = start_spark(self.directory, self.jars, SETTINGS)
        self.spark.read.parquet(str(initial)).createOrReplaceTempView("initial")
        rows = initial_rows("initial")
        self.spark.sql(f"CREATE TABLE {self.table} USING delta {self.properties} AS {rows}")

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Run the MERGE."""
        self.spark.read.parquet(str(batch.path)).createOrReplaceTempView("changes")
        self.spark.sql(merge_text(self.table, "changes", match=""))
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        return outcome(self.spark, self.table)

    def close(self) -> None:
        """Stop Spark."""
        self.spark.stop()


class DeltaRecipeWithVectors(DeltaRecipe):
    """The same with deletion vectors, so that a MERGE need not rewrite whole files."""

    properties = "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
