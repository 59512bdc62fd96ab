"""A snapshot in the columns that the table has now."""

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
    """A snapshot with the event columns as they are now: it may be older than a column or a type.

    Iceberg reads a snapshot in the columns of its own time.
    """
    frame = spark.read.option("versionAsOf", str(snapshot_id)).table(table)
    had = frame.columns
    nothing = F.lit(None)
    told = [
        (named(field.name) if field.name in had else nothing).cast(field.dataType).alias(field.name)
        for field in events.fields
    ]
    others = [named(name) for name in had if name not in events.fieldNames()]
    frame = frame.select(*told, *others)
    if settings.observed_since is None:
        return frame
    return frame.withColumn(settings.sequence, F.expr(sequence_sql(settings)))


def sequence_sql(settings: HistorySettings, of: str = "") -> str:
    """The SQL of a stored row's sequence, for columns of the relation `of`.

    A row from before the table was read as it is now was seen at its stamp. One whose stamp lies
    ahead of that was seen within the second before the first read, in the order of the stamps.
    """
    sequence = f"{of}{quoted(settings.sequence)}"
    if settings.observed_since is None or settings.stamp is None:
        return sequence
    since = int(settings.observed_since.timestamp() * 1_000_000)
    stamp = f"{of}{quoted(settings.stamp)}"
    ahead = f"ln(1 + (unix_micros({stamp}) - {since}) / 1e6)"
    within = f"{since} + 1 + CAST(999998 * (1 - 1 / (1 + {ahead})) AS BIGINT)"
    placed = f"IF({stamp} > timestamp_micros({since}), timestamp_micros({within}), {stamp})"
    return f"coalesce({sequence}, {placed}, timestamp_micros({since}))"
