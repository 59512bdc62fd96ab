"""The Spark that every Spark subject runs on, with the same settings for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.history.cases import Outcome, outcome_query

MASTER = "local[2]"
DRIVER_MEMORY = "4g"
SESSION = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
}
"""The session settings of `blocks.spark_runtime`; a test compares the two."""


def start_spark(
    directory: Path, jars: tuple[str, ...], settings: Mapping[str, str]
) -> SparkSession:
    """A session of this process's own.

    Args:
        directory: For Spark's temporary files.
        jars: Maven coordinates.
        settings: The subject's own: extensions and catalogs.
    """
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    everything = {
        "spark.driver.memory": DRIVER_MEMORY,
        # As blocks.spark_runtime starts every Spark; all subjects are faster with it.
        "spark.sql.codegen.cache.maxEntries": "2000",
        "spark.jars.packages": ",".join(jars),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(directory / "spark-local"),
        "spark.sql.warehouse.dir": str(directory / "spark-warehouse"),
        **SESSION,
        **settings,
    }
    builder = SparkSession.builder.master(MASTER).appName("strandline-benchmark")
    for name, text in everything.items():
        builder = builder.config(name, text)
    return builder.getOrCreate()


def iceberg_catalog(directory: Path) -> dict[str, str]:
    """An Iceberg catalog named `lake` in the directory, kept in SQLite."""
    return {
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "jdbc",
        "spark.sql.catalog.lake.uri": f"jdbc:sqlite:{directory / 'catalog.db'}",
        "spark.sql.catalog.lake.jdbc.schema-version": "V1",
        "spark.sql.catalog.lake.warehouse": (directory / "warehouse").as_uri(),
        "spark.sql.catalog.lake.cache-enabled": "false",
    }


def outcome(spark: SparkSession, table: str) -> Outcome:
    """Count the versions of a table of ours with `valid_to` and `is_current`."""
    query = outcome_query(
        table, key="customer_id", time="changed_at", current="is_current", end="valid_to",
        micros="unix_micros",
    )  # fmt: skip
    return Outcome(**spark.sql(query).collect()[0].asDict())
