"""The quarantine table: refused rows with reasons and time, each refused row once.

One table serves every history. `row` is the event as JSON, with the values it was loaded with: a
pipeline that protects columns before it calls the engine has them protected here too.

A row is kept until it is settled: released into the history, discarded by a person, mended at its
source, or gone from there. A row that was released or discarded is recognised when it comes again;
one that was mended and is broken again is another case, and is kept again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.history_table import exists
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning.event_validation import CONFLICT, CONTESTED, REASONS, VALIDATION_REASONS
from history.planning.hard_deletes import MASS_CLOSING
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
        T.StructField("form", T.StringType()),
        T.StructField("event_position", T.StringType()),
        T.StructField("read_at", T.TimestampType()),
        T.StructField("decision_id", T.StringType()),
        T.StructField("settled_at", T.TimestampType()),
        T.StructField("settled_how", T.StringType()),
    ]
)

SOURCE_FORM, EVENT_FORM = "source", "event"
"""What `row` is: a row of the source, as checks refuse it, or an event, as the history does."""

_HISTORY_REASONS = (CONFLICT, CONTESTED, MASS_CLOSING, *VALIDATION_REASONS)

RELEASED, DISCARDED = "released", "discarded"
MENDED, GONE, REPLACED, UNDONE = "mended", "gone", "replaced", "undone"
"""How a row was settled: into the history; by a person; its source row was mended, or is gone; the
history refused it in its turn, and keeps it in its own form."""


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
        *quarantine_columns(
            {
                "target_table": F.lit(table),
                "batch_id": F.lit(batch_id),
                "source_table": F.lit(source),
                "row_digest": F.sha2(as_json([*digested, *operation]), 256),
                "record_key": record_key(settings.key),
                "reasons": F.col(REASONS),
                "row": as_json([*(named(name) for name in columns), *operation]),
                "refused_at": F.lit(refused_at),
                "form": F.lit(EVENT_FORM),
                "event_position": event_position(settings),
                "read_at": named(settings.sequence) if settings.stamp else F.lit(None),
            }
        )
    )


def quarantine_columns(values: Mapping[str, Column]) -> list[Column]:
    """All columns of the quarantine from the values of some; the others are null."""
    return [
        values.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
        for field in QUARANTINE_SCHEMA.fields
    ]


def record_key(key: tuple[str, ...]) -> Column:
    """The business key as the quarantine keeps it: a JSON object without nulls."""
    return F.to_json(F.struct(*[named(name) for name in key]))


def event_position(settings: HistorySettings) -> Column:
    """What tells a change event from the others of its key, as JSON; null of a state's rows.

    It is the sequence with the tie-breakers, and null without a sequence.
    """
    if settings.stamp is not None:
        return F.lit(None).cast("string")
    parts = [named(name) for name in (settings.sequence, *settings.tie_breaker)]
    return F.when(named(settings.sequence).isNotNull(), as_json(parts))


def is_unsettled(quarantine: DataFrame) -> Column:
    """Whether a row of the quarantine, also of one that an earlier release made, is still kept."""
    unsettled = F.col("released_at").isNull()
    if "settled_at" in quarantine.columns:
        unsettled = unsettled & F.col("settled_at").isNull()
    return unsettled


def _is_recognised() -> Column:
    """Whether a settled row is not kept again when it comes again."""
    return F.col("settled_how").isin(RELEASED, DISCARDED)


def _of_history() -> Column:
    """Whether the history itself refused the event, and no check."""
    return F.exists("reasons", lambda reason: reason["check"].isin(*_HISTORY_REASONS))


def append_to_quarantine(spark: SparkSession, rows: DataFrame, name: str) -> None:
    """Append the rows that are not in the quarantine yet; creates the table if need be.

    A row of a state is new where its key was last refused for another row, even if it was refused
    for this one before: each time it stands for the time since its own read.
    """
    if not exists(spark, name):
        empty = spark.createDataFrame([], QUARANTINE_SCHEMA)
        empty.writeTo(name).using("iceberg").tableProperty("format-version", "3").create()
    _add_missing_columns(spark, name)
    table = spark.table(name)
    distinct = rows.dropDuplicates(["target_table", "row_digest"])
    keys = distinct.select("target_table", "record_key").distinct()
    known = table.where(is_unsettled(table) | _is_recognised())
    known = known.join(keys, ["target_table", "record_key"], "left_semi")
    newest = Window.partitionBy("target_table", "record_key").orderBy(F.col("read_at").desc())
    is_last = F.col("read_at").isNull() | (F.col("record_key") == "{}") | (F.col("__rank") == 1)
    last = known.withColumn("__rank", F.rank().over(newest)).where(is_last)
    # An event that was released, and that the history refuses now, is in no version any more.
    was_event = (F.col("settled_how") == RELEASED) & (F.col("form") == EVENT_FORM)
    known_rows = last.select(
        "target_table", "row_digest", F.coalesce(was_event, F.lit(False)).alias("__was_event")
    )
    refused_by_history = F.coalesce(_of_history(), F.lit(False))
    new_rows = distinct.withColumn("__by_history", refused_by_history).alias("n")
    same_row = (F.col("n.target_table") == F.col("k.target_table")) & (
        F.col("n.row_digest") == F.col("k.row_digest")
    )
    stands = ~(F.col("n.__by_history") & F.col("k.__was_event"))
    new = new_rows.join(known_rows.alias("k"), same_row & stands, "left_anti")
    columns = [F.col(quoted(field.name)) for field in QUARANTINE_SCHEMA.fields]
    new.select(*columns).writeTo(name).append()


def _add_missing_columns(spark: SparkSession, name: str) -> None:
    """Add what the quarantine of an earlier release lacks."""
    existing = {*spark.table(name).columns}
    missing = [field for field in QUARANTINE_SCHEMA.fields if field.name not in existing]
    if missing:
        added = ", ".join(f"{each.name} {each.dataType.simpleString()}" for each in missing)
        spark.sql(f"ALTER TABLE {name} ADD COLUMNS ({added})")


def quarantine_events(
    spark: SparkSession, batch: Batch, refused: DataFrame, columns: tuple[str, ...]
) -> None:
    """Append events with `__op` and `__reasons` to the batch's quarantine, each once."""
    rows = refused_rows(
        refused,
        batch.settings,
        columns,
        table=batch.table,
        batch_id=batch.id,
        source=batch.source,
        refused_at=batch.time,
    )
    append_to_quarantine(spark, rows, batch.quarantine)
