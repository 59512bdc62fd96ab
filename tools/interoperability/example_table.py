"""A small history of many column types, after a first load and two batches that replace rows."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from blocks.spark.fetch_maven_jars import fetching
from blocks.spark.java_installation import ensure_java
from history import HistorySettings, load_changes
from history.iceberg.java_table import java_table

__all__ = [
    "AS_OF", "BRANCH", "QUESTIONS", "TAG", "Example", "expected_answers",
    "load_example", "spark_below",
]  # fmt: skip

BRANCH, TAG = "trial", "month_end"
AS_OF = datetime(2024, 5, 2, 12, tzinfo=UTC)
QUESTIONS = {
    "all": "every version, all columns",
    "current": "rows with `is_current`",
    "as_of": "rows as of an instant",
    "snapshot": "an earlier snapshot",
    "branch": "a branch",
    "tag": "a tag",
}
"""What each reader is asked, and how the documentation calls it."""

_PACKAGES = (
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
    "org.xerial:sqlite-jdbc:3.50.3.0",
)
_ROWS = 400
_FIRST = datetime(2024, 5, 1, tzinfo=UTC)
_FIELDS = (
    ("number", T.IntegerType()),
    ("changed_at", T.TimestampType()),
    ("name", T.StringType()),
    ("balance", T.DecimalType(18, 2)),
    ("counter", T.LongType()),
    ("ratio", T.DoubleType()),
    ("measured", T.FloatType()),
    ("active", T.BooleanType()),
    ("born", T.DateType()),
    ("local_time", T.TimestampNTZType()),
    ("photo", T.BinaryType()),
    ("tags", T.ArrayType(T.StringType())),
    ("place", T.StructType().add("street", T.StringType()).add("zip", T.IntegerType())),
    ("op", T.StringType()),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A loaded table.

    Attributes:
        name: `catalog.namespace.table`.
        metadata: The path of its newest metadata file.
        earlier: The snapshot that the first load published.
        deletes: The formats of its delete files: PUFFIN are deletion vectors.
    """

    name: str
    metadata: Path
    earlier: int
    deletes: tuple[str, ...]


def spark_below(directory: Path) -> SparkSession:
    """A small Spark with an Iceberg catalog `lake`, which SQLite keeps in the directory."""
    ensure_java()
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    catalog = "spark.sql.catalog.lake"
    settings = {
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.jars.packages": ",".join(_PACKAGES),
        "spark.local.dir": str(directory / "spark"),
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(directory / "spark-warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "jdbc",
        f"{catalog}.uri": f"jdbc:sqlite:{directory / 'catalog.db'}",
        f"{catalog}.jdbc.schema-version": "V1",
        f"{catalog}.warehouse": (directory / "warehouse").as_uri(),
        f"{catalog}.cache-enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("strandline-interoperability")
    for name, text in settings.items():
        builder = builder.config(name, text)
    with fetching(_PACKAGES):
        return builder.getOrCreate()


def load_example(spark: SparkSession, table: str, *, format_version: int) -> Example:
    """Load a first batch and two more into a new table, with a branch and a tag at the second.

    The batches change, delete and bring back rows; the last one brings a column more.
    """
    batches = (_batch(spark, day) for day in range(3))
    snapshots = []
    settings = HistorySettings(
        key=("number",), sequence="changed_at", operation="op", format_version=format_version
    )
    for day, changes in enumerate(batches):
        at = _FIRST + timedelta(days=day)
        load_changes(spark, changes, table, settings, batch_id=f"day {day + 1}", batch_time=at)
        loaded = java_table(spark, table)
        snapshots.append(int(loaded.currentSnapshot().snapshotId()))  # type: ignore[union-attr]
        if day == 1:
            for kind, name in (("BRANCH", BRANCH), ("TAG", TAG)):
                spark.sql(f"ALTER TABLE {table} CREATE {kind} {name}")
    deletes = spark.table(f"{table}.delete_files").select("file_format").collect()
    location = str(java_table(spark, table).operations().current().metadataFileLocation())  # type: ignore[union-attr]
    return Example(
        table,
        Path(location.removeprefix("file:")),
        snapshots[0],
        tuple(sorted(row.file_format for row in deletes)),
    )


def expected_answers(spark: SparkSession, example: Example) -> dict[str, pa.Table]:
    """Spark's answers to the questions."""
    table = spark.table(example.name)
    narrow = ("number", "name", "valid_from", "valid_to", "is_current")

    def version(named: str | int) -> DataFrame:
        return spark.sql(f"SELECT * FROM {example.name} VERSION AS OF {named!r}").select(*narrow)  # noqa: S608 - names of our own

    at = F.lit(AS_OF)
    holds = (F.col("valid_from") <= at) & (F.col("is_current") | (at < F.col("valid_to")))
    frames = {
        "all": table,
        "current": table.where("is_current").select(*narrow),
        "as_of": table.where(holds).select(*narrow),
        "snapshot": version(example.earlier),
        "branch": version(BRANCH),
        "tag": version(TAG),
    }
    return {question: frame.toArrow() for question, frame in frames.items()}


def _batch(spark: SparkSession, day: int) -> DataFrame:
    """The events of a day: all rows on the first, then changes, deletes and returns."""
    chosen = {0: range(_ROWS), 1: range(0, _ROWS, 3), 2: range(0, _ROWS, 4)}[day]
    rows = [_event(number, day) for number in chosen]
    schema = T.StructType([T.StructField(name, kind) for name, kind in _FIELDS])
    changes = spark.createDataFrame(rows, schema)
    return changes.withColumn("added", F.concat(F.lit("a"), "number")) if day == 2 else changes  # noqa: PLR2004 - the third


def _event(number: int, day: int) -> tuple[Any, ...]:
    at = _FIRST + timedelta(days=day, microseconds=number)
    empty = number % 7 == 0
    return (
        number,
        at,
        f"Zoë {number}\nday {day} 🐟",
        None if empty else Decimal(number * 100 + day) / 100 - 2,
        None if empty else (number - 200) * 10**12,
        None if empty else number / 7,
        None if empty else float(number) / 4,
        None if empty else number % 2 == 0,
        None if empty else date(1900, 1, 1) + timedelta(days=number * 80),
        None if empty else datetime(1950, 1, 1) + timedelta(days=number * 30, microseconds=1),  # noqa: DTZ001 - a local time
        None if empty else bytes([number % 256, 0, 255]),
        None if empty else [f"t{n}" for n in range(number % 3)],
        None if empty else (f"Kai {number}", None if number % 5 == 0 else number),
        "delete" if day == 1 and number % 5 == 0 else "upsert",
    )
