"""Reading a snapshot: as it was, or with the columns that the table has now."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named, quoted


def read_in_current_columns(
    spark: SparkSession,
    table: str,
    snapshot_id: int,
    events: T.StructType,
    settings: HistorySettings,
) -> DataFrame:
    """A snapshot with the current event columns: it may be older than a column or a type.

    Iceberg reads a snapshot with the columns that the table had then.
    """
    frame = rows_at(spark, table, snapshot_id)
    stored = frame.columns
    null = F.lit(None)
    event_columns = [
        (named(field.name) if field.name in stored else null).cast(field.dataType).alias(field.name)
        for field in events.fields
    ]
    others = [named(name) for name in stored if name not in events.fieldNames()]
    frame = frame.select(*event_columns, *others)
    if settings.observed_since is None:
        return frame
    return frame.withColumn(settings.sequence, F.expr(sequence_sql(settings)))


def rows_at(spark: SparkSession, table: str, snapshot_id: int) -> DataFrame:
    """A snapshot with the columns that the table had then."""
    return spark.read.option("versionAsOf", str(snapshot_id)).table(table)


def sequence_sql(settings: HistorySettings, prefix: str = "") -> str:
    """The SQL of a stored row's sequence, with `prefix` before each column name.

    A row without a sequence is older than the first read; its sequence is its stamp. A stamp after
    `observed_since` becomes an instant in the second before the first read, in stamp order.
    """
    sequence = f"{prefix}{quoted(settings.sequence)}"
    if settings.observed_since is None or settings.stamp is None:
        return sequence
    since = int(settings.observed_since.timestamp() * 1_000_000)
    stamp = f"{prefix}{quoted(settings.stamp)}"
    log_seconds = f"ln(1 + (unix_micros({stamp}) - {since}) / 1e6)"
    micros = f"{since} + 1 + CAST(999998 * (1 - 1 / (1 + {log_seconds})) AS BIGINT)"
    observed = f"IF({stamp} > timestamp_micros({since}), timestamp_micros({micros}), {stamp})"
    return f"coalesce({sequence}, {observed}, timestamp_micros({since}))"
