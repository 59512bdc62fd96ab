"""The quarantine table: refused rows with reasons and time, each refused row once.

One table serves every history. `row` is the event as JSON, with the values it was loaded with: a
pipeline that protects columns before it calls the engine has them protected here too.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.history_table import exists
from history.model.history_settings import HistorySettings
from history.planning.event_validation import REASONS
from history.spark.column_quoting_and_comparison import as_json, comparable, named, quoted

_REASON = T.StructType(
    [T.StructField("check", T.StringType()), T.StructField("column", T.StringType())]
)
QUARANTINE_SCHEMA = T.StructType(
    [
        T.StructField("target_table", T.StringType()),
        T.StructField("batch_id", T.StringType()),
        T.StructField("source_table", T.StringType()),
        T.StructField("row_digest", T.StringType()),
        T.StructField("record_key", T.StringType()),
        T.StructField("reasons", T.ArrayType(_REASON)),
        T.StructField("row", T.StringType()),
        T.StructField("refused_at", T.TimestampType()),
        T.StructField("released_at", T.TimestampType()),
    ]
)


def refused_rows(
    refused: DataFrame,
    settings: HistorySettings,
    columns: tuple[str, ...],
    *,
    table: str,
    batch_id: str,
    source: str,
    refused_at: datetime,
) -> DataFrame:
    """Refused events (event columns, `__op` and `__reasons`) in the quarantine's columns."""
    # The digest excludes the carried columns: they differ when the source sends an event again.
    names = {*settings.key, *settings.tie_breaker, *settings.compared(columns)}
    names |= {*settings.overwritten(columns), *settings.dated_by}
    if settings.stamp is None:
        # A row that each read refuses is the same row.
        names.add(settings.sequence)
    schema = refused.schema
    digested = [
        comparable(named(name), schema[name].dataType).alias(name)
        for name in columns
        if name in names
    ]
    operation = [F.col("__op").alias(settings.operation)] if settings.operation else []
    return refused.select(
        F.lit(table).alias("target_table"),
        F.lit(batch_id).alias("batch_id"),
        F.lit(source).alias("source_table"),
        F.sha2(as_json([*digested, *operation]), 256).alias("row_digest"),
        F.to_json(F.struct(*[named(name) for name in settings.key])).alias("record_key"),
        F.col(REASONS).alias("reasons"),
        as_json([*(named(name) for name in columns), *operation]).alias("row"),
        F.lit(refused_at).cast("timestamp").alias("refused_at"),
        F.lit(None).cast("timestamp").alias("released_at"),
    )


def append_to_quarantine(spark: SparkSession, rows: DataFrame, name: str) -> None:
    """Append the rows that are not in the quarantine yet; creates the table if need be."""
    if not exists(spark, name):
        empty = spark.createDataFrame([], QUARANTINE_SCHEMA)
        empty.writeTo(name).using("iceberg").tableProperty("format-version", "3").create()
    quarantined = spark.table(name).where(F.col("released_at").isNull())
    distinct = rows.dropDuplicates(["target_table", "row_digest"])
    new = distinct.join(quarantined, ["target_table", "row_digest"], "left_anti")
    columns = [F.col(quoted(field.name)) for field in QUARANTINE_SCHEMA.fields]
    new.select(*columns).writeTo(name).append()
