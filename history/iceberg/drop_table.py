"""Dropping a table together with its files.

SQL's `DROP TABLE ... PURGE` lists the files by Spark jobs, four of them for a table of one file.
The catalog does it by itself.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from history.spark.session_kind import over_connect

__all__ = ["drop_with_files"]


def drop_with_files(spark: SparkSession, table: str) -> None:
    """Drop a table and delete all files of its snapshots; nothing where there is none."""
    if over_connect(spark):
        spark.sql(f"DROP TABLE IF EXISTS {table} PURGE")
        return
    of = spark._jvm.org.apache.iceberg.spark.Spark3Util  # type: ignore[union-attr]  # noqa: SLF001
    named = of.catalogAndIdentifier(spark._jsparkSession, table)  # noqa: SLF001
    catalog = of.loadIcebergCatalog(spark._jsparkSession, named.catalog().name())  # noqa: SLF001
    identifier = of.identifierToTableIdentifier(named.identifier())
    purge = True
    catalog.dropTable(identifier, purge)
