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

_SLICE = 4_000
"""So many characters are one answer of the JVM. One of more than 8 KiB waits for 40 ms, until its
beginning was acknowledged (`findings/pyspark_answers_over_8_kib.sh`)."""


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
    jvm: Any = spark._jvm  # noqa: SLF001
    written = jvm.java.io.StringWriter()
    iceberg = jvm.org.apache.iceberg
    generator = iceberg.util.JsonUtil.factory().createGenerator(written)
    iceberg.TableMetadataParser.toJson(loaded.operations().current(), generator)
    generator.flush()
    text = written.getBuffer()
    length = text.length()
    return "".join(
        text.substring(begin, min(begin + _SLICE, length)) for begin in range(0, length, _SLICE)
    )
