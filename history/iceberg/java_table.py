"""Iceberg's own table object, where Spark's JVM is this process's.

Promise: whoever asks has another way, in SQL, for sessions of Spark Connect, which have no JVM to
call. Both ways give the same; this one needs no Spark job.

A table that was loaded is kept and asked again: its metadata file is then read only if another one
is current, which the catalog says in one call. Each thread keeps its own, as they are not made for
two at once. Tables of other catalogs than those that a lakehouse may have are loaded each time:
Hadoop's counts the metadata files of each table from 1, so that one that was created anew may look
like the one before, and one in memory does not say that a table is gone (Iceberg 1.12).

Iceberg 1.12, "Java API": a `Table` shows the metadata as of the moment it was loaded or refreshed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from history.spark.session_kind import over_connect

__all__ = ["java_table", "metadata_document", "refreshed_table", "schema_of_table"]

_SLICE = 4_000
"""So many characters are one answer of the JVM. One of more than 8 KiB waits for 40 ms, until its
beginning was acknowledged (`findings/pyspark_answers_over_8_kib.sh`)."""

_MOST_KEPT = 50
_SAY_WHAT_IS_CURRENT = frozenset(
    f"org.apache.iceberg.{name}TableOperations"
    for name in ("jdbc.Jdbc", "aws.glue.Glue", "hive.Hive", "rest.REST")
)


class _Kept(threading.local):
    """The tables that this thread has loaded, by session and name, and their metadata files."""

    def __init__(self) -> None:
        self.tables: WeakKeyDictionary[SparkSession, dict[str, Any]] = WeakKeyDictionary()
        self.documents: dict[str, tuple[tuple[str, str], Mapping[str, Any]]] = {}


_KEPT = _Kept()


def java_table(spark: SparkSession, table: str) -> Any | None:
    """An `org.apache.iceberg.Table` as it is now; None over Spark Connect.

    Raises:
        AnalysisException: There is no such table.
    """
    if over_connect(spark):
        return None
    kept = refreshed_table(spark, table)
    if kept is not None:
        return kept
    iceberg = spark._jvm.org.apache.iceberg  # type: ignore[union-attr]  # noqa: SLF001
    loaded = iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)  # noqa: SLF001
    if loaded.operations().getClass().getName() in _SAY_WHAT_IS_CURRENT:
        _keep(_KEPT.tables.setdefault(spark, {}), table, loaded)
    return loaded


def refreshed_table(spark: SparkSession, table: str) -> Any | None:
    """The table as it is now, if this thread has loaded it before and it is still that table."""
    tables = _KEPT.tables.get(spark, {})
    kept = tables.get(table)
    if kept is not None:
        # Dropped, or created anew: to load it says which, with the error that callers know.
        with suppress(Py4JJavaError, PySparkException):
            kept.refresh()
            return kept
        del tables[table]
    return None


def metadata_document(spark: SparkSession, table: str) -> Mapping[str, Any] | None:
    """The table's metadata as their file has them now; None over Spark Connect. Not to be changed.

    Iceberg, "Table Spec", "Table Metadata Fields".

    Raises:
        AnalysisException: There is no such table.
    """
    loaded = java_table(spark, table)
    if loaded is None:
        return None
    current = loaded.operations().current()
    # The metadata file of a table is written once and never changed. A catalog may keep none.
    file = (current.uuid(), current.metadataFileLocation())
    read, document = _KEPT.documents.get(table, (None, {}))
    if None in file or read != file:
        document = json.loads(_json_of(spark, current))
        _keep(_KEPT.documents, table, (file, document))
    return document


def schema_of_table(spark: SparkSession, table: str) -> T.StructType:
    """The table's columns as Spark has them.

    Raises:
        AnalysisException: There is no such table.
    """
    loaded = java_table(spark, table)
    if loaded is None:
        return spark.table(table).schema
    converter = spark._jvm.org.apache.iceberg.spark.SparkSchemaUtil  # type: ignore[union-attr]  # noqa: SLF001
    return T.StructType.fromJson(json.loads(converter.convert(loaded.schema()).json()))


def _keep(kept: dict[str, Any], table: str, value: Any) -> None:
    while len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
    kept[table] = value


def _json_of(spark: SparkSession, metadata: Any) -> str:
    jvm: Any = spark._jvm  # noqa: SLF001
    written = jvm.java.io.StringWriter()
    iceberg = jvm.org.apache.iceberg
    generator = iceberg.util.JsonUtil.factory().createGenerator(written)
    iceberg.TableMetadataParser.toJson(metadata, generator)
    generator.flush()
    text = written.getBuffer()
    length = text.length()
    return "".join(
        text.substring(begin, min(begin + _SLICE, length)) for begin in range(0, length, _SLICE)
    )
