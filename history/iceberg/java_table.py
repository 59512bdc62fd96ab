"""Iceberg's own table object, where Spark's JVM is this process's.

Promise: whoever asks has another way, in SQL, for sessions of Spark Connect, which have no JVM to
call. Both ways give the same; this one needs no Spark job.

Iceberg 1.12, "Java API": a `Table` shows the metadata as of the moment it was loaded.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from history.spark.session_kind import over_connect

__all__ = ["java_table", "json_of_metadata"]


def java_table(spark: SparkSession, table: str) -> Any | None:
    """An `org.apache.iceberg.Table`, loaded from the catalog now; None over Spark Connect.

    Raises:
        AnalysisException: There is no such table.
    """
    if over_connect(spark):
        return None
    iceberg = spark._jvm.org.apache.iceberg  # type: ignore[union-attr]  # noqa: SLF001
    return iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)  # noqa: SLF001


def json_of_metadata(spark: SparkSession, loaded: Any) -> str:
    """The metadata of a loaded table as its file has them (Iceberg, "Table Metadata Fields")."""
    iceberg = spark._jvm.org.apache.iceberg  # type: ignore[union-attr]  # noqa: SLF001
    return str(iceberg.TableMetadataParser.toJson(loaded.operations().current()))
