"""The events of one batch in a history, and what stood at their instants before or beside them.

An event is of the batch that brought it first: what comes again is known and not stored. Its name
is in a column of the events that a version keeps from the one that opened it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.current_snapshot import BATCH_ID, CurrentState, state_of_snapshot
from history.iceberg.history_table import exists
from history.iceberg.table_metadata import table_metadata
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT
from history.model.recorded_source_reads import READ, Read
from history.planning.event_validation import (
    CONTESTED,
    DELETE,
    REASONS_TYPE,
    UPSERT,
    conflict_reason,
)
from history.planning.late_source_reads import add_unchanged_observations
from history.planning.scd2_versions import NEW
from history.planning.versions_of_batch_keys import StoredVersions
from history.reading.published_snapshots import published_states, state_before, state_named
from history.spark.column_quoting_and_comparison import EXACT_JSON, named, same
from history.writing.quarantine_table import DISCARDED, EVENT_FORM, UNDONE


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsOfBatch:
    """Which events are those of a batch.

    Attributes:
        id: The batch.
        column: The carried column that names the batch of each event.
        read_at: Of a state source: the instant of the batch's read. The absence of a key from a
            full read has no values, and so no batch.
    """

    id: str
    column: str
    read_at: datetime | None = None

    def include(self, settings: HistorySettings) -> Column:
        """Whether a row of the event columns and `__op` is one of them; never null."""
        own = named(self.column).eqNullSafe(F.lit(self.id))
        if self.read_at is None:
            return own
        at_read = named(settings.sequence).eqNullSafe(F.lit(self.read_at).cast("timestamp"))
        absent = named(self.column).isNull() & (F.col("__op") == DELETE) & at_read
        return own | F.coalesce(absent, F.lit(False))


def state_before_batch(spark: SparkSession, table: str, batch_id: str) -> CurrentState | None:
    """What readers saw before a batch was published; None: that has expired, or there is none."""
    states = published_states(spark, table)
    own = state_named(states, batch_id)
    before = None if own is None else state_before(states, own)
    return None if before is None else state_of_snapshot(spark, table, before.snapshot_id)


def read_of_batch(spark: SparkSession, table: str, batch_id: str) -> Read | None:
    """The read that a batch recorded; None: there was none, or its snapshot has expired."""
    own = state_named(published_states(spark, table), batch_id)
    if own is None:
        return None
    text = state_of_snapshot(spark, table, own.snapshot_id).properties.get(READ)
    return None if text is None else Read.from_json(text)


def known_again_since(spark: SparkSession, table: str, batch_id: str) -> int:
    """How many events later batches brought that the table had already, or that lost to others.

    By the counts of their snapshots, as far as they are there.
    """
    states = published_states(spark, table)
    own = state_named(states, batch_id)
    batches = {
        each.batch_id for each in states if own is None or each.published_at > own.published_at
    }
    found: dict[str, int] = {}
    for snapshot in table_metadata(spark, table).snapshots.values():
        name, report = snapshot.summary.get(BATCH_ID), snapshot.summary.get(REPORT)
        if name is not None and report is not None:
            counts = json.loads(report)
            found[name] = counts.get("repeated", 0) + counts.get("superseded", 0)
    return sum(rows for batch, rows in found.items() if batch in batches - {batch_id})


def contesting_events(
    spark: SparkSession, batch: Batch, own: EventsOfBatch, schema: T.StructType
) -> DataFrame | None:
    """The refused events that contradicted others of their instants; None: there are none.

    Args:
        spark: The session to read with.
        batch: Whose table and quarantine are meant.
        own: The batch that is undone.
        schema: The event columns in the table's types.

    Returns:
        The event columns, `__op` and `__own`: it is one of the batch's, whatever became of it. Of
        the others those that nobody gave up. What does not fit its type any more is left out.
    """
    if not exists(spark, batch.quarantine):
        return None
    ledger = spark.table(batch.quarantine)
    if not {"form", "settled_how"} <= {*ledger.columns}:
        return None
    settings, reason = batch.settings, conflict_reason(batch.settings)
    operation = settings.operation
    given = [] if operation is None else [T.StructField(operation, T.StringType())]
    parsed = ledger.where(
        (F.col("target_table") == batch.table)
        & (F.col("form") == EVENT_FORM)
        & F.exists(F.col("reasons").cast(REASONS_TYPE), lambda each: each["check"] == reason)
    ).select(
        F.from_json("row", T.StructType([*schema.fields, *given]), EXACT_JSON).alias("__event"),
        F.from_json("row", "map<string,string>").alias("__texts"),
        F.coalesce("settled_how", F.lit("")).alias("__how"),
    )
    fits = F.lit(True)
    for field in schema.fields:
        lost = F.col("__event").getField(field.name).isNull()
        fits = fits & ~(lost & F.col("__texts")[field.name].isNotNull())
    upsert = F.lit(UPSERT)
    said = upsert if operation is None else F.col("__event").getField(operation)
    events = parsed.where(fits).select(
        *[F.col("__event").getField(field.name).alias(field.name) for field in schema.fields],
        F.coalesce(said, upsert).alias("__op"),
        "__how",
    )
    marked = events.withColumn("__own", own.include(settings))
    stands = F.col("__own") | ~F.col("__how").isin(DISCARDED, UNDONE)
    return marked.where(stands).drop("__how")


def displaced_events(
    before: StoredVersions, instants: DataFrame, settings: HistorySettings, own: EventsOfBatch
) -> DataFrame:
    """What a state of the table had at the instants: its event columns and `__op`.

    Args:
        before: The state before the batch.
        instants: Keys and sequences of the batch's events.
        settings: How the table is kept.
        own: The batch, whose own events are left out.
    """
    columns = [name for name in before.main.columns if not name.startswith("__")]
    shape = [*map(named, columns), F.col("__op")]
    at = (*settings.key, settings.sequence)

    def there(frame: DataFrame, how: str, right: DataFrame) -> DataFrame:
        return frame.alias("f").join(right.alias("k"), same("f", "k", at), how)

    events = there(before.main, "left_semi", instants).select(*shape)
    if before.kept is not None:
        # Of one instant the kept event counts: its version may show a later event's values.
        kept = there(before.kept, "left_semi", instants).select(*shape)
        events = there(events, "left_anti", kept.select(*map(named, at))).unionByName(kept)
    return events.where((F.col("__op") != CONTESTED) & ~own.include(settings))


def observed_again(
    leaving: DataFrame,
    staying: DataFrame,
    settings: HistorySettings,
    reads: tuple[Read, ...],
    batches: DataFrame,
    own: EventsOfBatch,
) -> DataFrame:
    """What the batch's read found, as the next read that found it again observed it.

    A later read that found a key as this one had left it stored nothing. Without this one it would
    have.

    Args:
        leaving: The stored rows that leave: event columns, `__op`, `__origin`, `__version`.
        staying: The other rows of their keys.
        settings: How the table is kept.
        reads: The other reads that were loaded.
        batches: The batch of each read (`batches_of_reads`).
        own: The batch.

    Returns:
        Rows in the columns of `leaving`, new ones, each with the batch of its read.
    """
    at = (*settings.key, settings.sequence)
    # Each is put where it was once more, as if it had come now: so what follows it is looked for.
    asked = leaving.where(F.col("__op") != CONTESTED).dropDuplicates([*at])
    no_version = F.lit(None).cast(leaving.schema["__version"].dataType)
    asked = asked.withColumns({"__origin": F.lit(NEW), "__version": no_version})
    timeline = staying.unionByName(leaving).unionByName(asked)
    found = add_unchanged_observations(timeline, settings, reads).where(F.col("__origin") == NEW)
    again = found.alias("f").join(
        asked.select(*map(named, at)).alias("k"), same("f", "k", at), "left_anti"
    )
    joined = again.join(F.broadcast(batches), F.col("__at") == named(settings.sequence), "left")
    batch = F.coalesce("__batch", named(own.column))
    values = {own.column: F.when(F.col("__op") == UPSERT, batch)}
    return joined.select(*[values.get(name, named(name)).alias(name) for name in leaving.columns])


def batches_of_reads(spark: SparkSession, table: str) -> DataFrame:
    """`__at` and `__batch` of the reads whose snapshots are there; a batch may have none."""
    summary = F.col("summary")
    rows = spark.table(f"{table}.snapshots").where(summary[READ].isNotNull())
    told = rows.select(
        F.get_json_object(summary[READ], "$.at").cast("timestamp").alias("__at"),
        summary[BATCH_ID].alias("batch"),
        "committed_at",
    )
    # Upkeep repeats the entries of the newest batch in its own snapshots.
    return told.groupBy("__at").agg(F.min_by("batch", "committed_at").alias("__batch"))
