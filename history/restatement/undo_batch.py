"""Taking a batch back: the history as if its events had never come.

The history is a function of its events, so it is computed anew for the batch's keys without them,
and with what they had displaced. That is planned, written on a branch, audited and published like
a load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import NotFoundError
from history.iceberg.current_snapshot import (
    UNDONE,
    UNDONE_READ,
    WATERMARK,
    CurrentState,
    current_state,
    is_strandline_property,
)
from history.iceberg.history_table import ensure_table, kept_events
from history.iceberg.read_snapshot import rows_at
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import LoadReport
from history.model.recorded_source_reads import Read
from history.planning.event_timeline import EventTimeline, checkpoint_timeline
from history.planning.event_validation import conflict_reason
from history.planning.merge_plan import MergePlan, plan_timeline, undecided_events
from history.planning.scd2_versions import KEPT, MAIN, NEW, mark_unique_instants
from history.planning.versions_of_batch_keys import (
    stored_versions,
)
from history.restatement.events_of_batch import (
    EventsOfBatch,
    batches_of_reads,
    displaced_events,
    known_again_since,
    observed_again,
    read_of_batch,
    state_before_batch,
)
from history.restatement.keys_of_batch import KeysOfBatch
from history.restatement.rebuild_from_events import (
    BATCH_ENTRIES,
    batch_of,
    checkpointed_plan,
    event_columns,
    with_key_and_sequence,
)
from history.restatement.rebuild_from_events import (
    PREFIX as REBUILD_PREFIX,
)
from history.restatement.repair_broken_versions import (
    with_repairs,
)
from history.schema_evolution.evolve_table import settings_for_rebuild
from history.spark.checkpoint import Checkpoint, checkpoint, unpersisting
from history.spark.column_quoting_and_comparison import named, same
from history.write_audit_publish import (
    audit_changes,
    publish_changes,
    write_plan_to_branch,
)
from history.writing.quarantine_table import quarantine_events
from history.writing.write_result import WriteResult

PREFIX = "undo-"
"""How the batch ids of undos begin."""

_UNDONE_OP = "undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoReport:
    """What taking a batch back did to a history, or would do as long as it is not published.

    Attributes:
        batch_id: Names the undo in the snapshot's summary.
        undone: The batch that is taken back.
        snapshot_id: The published snapshot; before publishing the one to publish.
        keys: Keys that the batch had events of.
        events: Its events that leave, deletes included.
        deletes: Those of them that are deletes.
        returned: Events that it had displaced, or that contradicted its own, and that come back.
        observed_again: Of a state source: what later reads had found as the batch's had left it.
        added: Versions that come back.
        changed: Versions with another interval or value.
        removed: Versions that leave.
        kept: Changes of the kept events.
        refused: Returned events that contradict each other and are quarantined, by reason.
        repeated_since: Events that later batches brought although the table had them, from all
            batches before. Those of them that the undone batch had brought first leave with it.
        state_before: Whether the state before the batch could be read: if not, what its events
            had displaced is not known.
        surrogate_high_water: The greatest surrogate key in use afterwards.
    """

    batch_id: str
    undone: str
    snapshot_id: int | None
    keys: int = 0
    events: int = 0
    deletes: int = 0
    returned: int = 0
    observed_again: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    kept: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    repeated_since: int = 0
    state_before: bool = True
    surrogate_high_water: int = 0


@dataclass(frozen=True, slots=True)
class UndoResult:
    """An undo on its branch, ready for `audit_changes` and `publish_undo`.

    `leaving` has the events that leave, in the event columns and `__op`; `undecided` the events
    that come back and contradict each other, with their reasons; both checkpointed.
    """

    written: WriteResult
    report: UndoReport
    leaving: DataFrame
    undecided: DataFrame


def undo(
    spark: SparkSession,
    table: str,
    settings: HistorySettings,
    *,
    undone: str,
    batch_column: str,
    time: datetime,
    quarantine: str | None = None,
    watermark: str | None = None,
) -> UndoReport:
    """Take a batch back from the history `table` and publish that, in one atomic change.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name`.
        settings: How the table is kept.
        undone: The batch.
        batch_column: A carried column that names the batch of each event.
        time: When it is undone; timezone-aware.
        quarantine: The table with the refused rows; default `<table>__quarantine`.
        watermark: How far the source has been read, as the next load is to see it; None: not.

    Raises:
        NotFoundError: There is no such table, it has no such batch, or the batch was undone.
        SettingsError: The table tracks other columns.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Another writer published first; nothing was published.
    """
    batch = undo_batch_of(table, settings, time=time, quarantine=quarantine, watermark=watermark)
    result = write_undo(spark, batch, undone=undone, batch_column=batch_column)
    audit_changes(spark, batch, result.written)
    return replace(result.report, snapshot_id=publish_undo(spark, batch, result))


def publish_undo(spark: SparkSession, batch: Batch, result: UndoResult) -> int | None:
    """Publish a written undo; returns the snapshot.

    Events that contradict each other without the batch are quarantined before.

    Raises:
        CommitConflictError: Another writer published first; write the undo anew.
    """
    if result.report.refused:
        columns, _ = event_columns(spark, batch)
        quarantine_events(spark, batch, result.undecided, columns)
    return publish_changes(spark, batch, result.written).snapshot_id


def undo_batch_of(
    table: str,
    settings: HistorySettings,
    *,
    time: datetime,
    quarantine: str | None = None,
    watermark: str | None = None,
) -> Batch:
    """The batch of an undo, named by its time. For arguments see `undo`."""
    batch = batch_of(table, settings, time=time, quarantine=quarantine)
    name = PREFIX + batch.id.removeprefix(REBUILD_PREFIX)
    return replace(batch, id=name, watermark=watermark)


def write_undo(
    spark: SparkSession,
    batch: Batch,
    *,
    undone: str,
    batch_column: str,
    displaced: bool = True,
) -> UndoResult:
    """Plan the undo against the published state, and write it to a branch.

    This changes nothing that readers see. Next come `audit_changes` and `publish_undo`.

    Args:
        spark: A session with the Iceberg extensions.
        batch: The undo (`undo_batch_of`); its watermark is the one that the table has afterwards.
        undone: The batch that is taken back.
        batch_column: A carried column that names the batch of each event.
        displaced: Put back what the batch's events had displaced, as the state before it has it.
    """
    columns, schema = event_columns(spark, batch)
    settings, _ = settings_for_rebuild(spark, batch.table, batch.settings, everything=False)
    batch = replace(batch, settings=settings)
    state = ensure_table(spark, batch.table, schema, settings)
    _refuse_undone(batch.table, undone, state)
    read = read_of_batch(spark, batch.table, undone) if settings.stamp is not None else None
    own = EventsOfBatch(id=undone, column=batch_column, read_at=None if read is None else read.at)
    before = state_before_batch(spark, batch.table, undone) if displaced else None
    with unpersisting():
        found = KeysOfBatch.of(spark, batch, own, state, schema)
        if undone not in state.batches and not found.counts["instants"]:
            raise _unknown(batch.table, undone)
        returned = _returned(spark, batch, own, found, before, state, schema)
        again = _again(spark, batch, own, found, state, read)
        timeline = _timeline(found, returned.rows, again.rows, settings)
        planned = _plan(timeline, found, settings, columns)
        counts = planned.counts
        # They are read again before the undo is published, or not at all.
        leaving = checkpoint(found.leaving.select(*map(named, columns), "__op"), lasting=True)
        undecided = checkpoint(
            undecided_events(timeline, settings, columns),
            {"rows": F.count(F.lit(1))},
            lasting=True,
        )
    contradicting = int(undecided.counts["rows"])
    report = LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=True,
        opened=planned.opened,
        closed=counts["closed"],
        surrogate_high_water=state.high_water,
    )
    written = write_plan_to_branch(
        spark, _with_properties(batch, undone, read, state), planned, state, report
    )
    return UndoResult(
        _forgetting(written, undone, read),
        UndoReport(
            batch_id=batch.id,
            undone=undone,
            snapshot_id=None if written.evidence is None else written.evidence.changes.head,
            keys=found.counts["keys"],
            events=found.counts["events"],
            deletes=found.counts["deletes"],
            returned=returned.counts["rows"],
            observed_again=again.counts["rows"],
            added=counts["action_add"],
            changed=counts["action_update"] + counts["action_replace"],
            removed=counts["action_remove"],
            kept=planned.keeps,
            refused={conflict_reason(settings): contradicting} if contradicting else {},
            repeated_since=known_again_since(spark, batch.table, undone),
            state_before=before is not None,
            surrogate_high_water=written.report.surrogate_high_water,
        ),
        leaving.rows,
        undecided.rows,
    )


def refuse_unknown(spark: SparkSession, batch: Batch, undone: str, batch_column: str) -> None:
    """Refuse a batch that can't be taken back, before anything else is asked about it.

    Raises:
        NotFoundError: There is no such table, it has no such batch, or the batch was undone.
    """
    event_columns(spark, batch)
    state = current_state(spark, batch.table)
    if state is not None:
        _refuse_undone(batch.table, undone, state)
        if undone in state.batches:
            return
        kept = state.kept_snapshot
        tables = [(batch.table, state.snapshot_id)]
        tables += [] if kept is None else [(kept_events(batch.table), kept)]
        for table, snapshot_id in tables:
            rows = rows_at(spark, table, snapshot_id)
            if not rows.where(named(batch_column) == undone).isEmpty():
                return
    raise _unknown(batch.table, undone)


def _refuse_undone(table: str, undone: str, state: CurrentState) -> None:
    if undone in state.undone:
        raise NotFoundError(
            where=f"{table}, batch {undone}",
            expected="a batch whose events are in the history",
            found="that it was undone already",
            next_step="Nothing was changed. The next load reads what the source has.",
        )
    if undone.startswith((PREFIX, REBUILD_PREFIX)):
        raise NotFoundError(
            where=f"{table}, batch {undone}",
            expected="a batch of a load or of a release, which has events of its own",
            found="a batch that only computed versions anew",
            next_step="Nothing was changed. `strandline diff` shows what it did.",
        )


def _unknown(table: str, undone: str) -> NotFoundError:
    return NotFoundError(
        where=f"{table}, batch {undone}",
        expected="a batch that the table has published",
        found="none of that name",
        next_step="Nothing was changed. `strandline runs` and `strandline diff` name batches; one "
        "that the gate kept back or that changed nothing has no events in the history.",
    )


def _returned(
    spark: SparkSession,
    batch: Batch,
    own: EventsOfBatch,
    found: KeysOfBatch,
    before: CurrentState | None,
    state: CurrentState,
    schema: T.StructType,
) -> Checkpoint:
    """The events of other batches that the batch's events had kept out of the history."""
    settings, columns = batch.settings, tuple(schema.fieldNames())
    shape = [*map(named, columns), F.col("__op")]
    at = (*settings.key, settings.sequence)
    rows = found.staying.limit(0).select(*shape)
    if found.contesting is not None:
        others = found.contesting.where(~F.col("__own"))
        there = others.alias("f").join(found.instants.alias("k"), same("f", "k", at), "left_semi")
        rows = rows.unionByName(there.select(*shape))
    if before is not None:
        earlier = stored_versions(spark, batch, before, columns, schema)
        earlier = replace(earlier, main=with_key_and_sequence(earlier.main, settings))
        rows = rows.unionByName(displaced_events(earlier, found.instants, settings, own))
    gone = [*state.undone]
    if gone:
        rows = rows.where(~F.coalesce(named(own.column).isin(*gone), F.lit(False)))
    # What comes from both places, or is there already, is one event to the plan.
    found_rows = checkpoint(rows).rows
    instants = found_rows.select(*map(named, at)).distinct().alias("f")
    absent = instants.join(found.staying.alias("k"), same("f", "k", at), "left_anti")
    return Checkpoint(found_rows, {"rows": absent.count()})


def _again(
    spark: SparkSession,
    batch: Batch,
    own: EventsOfBatch,
    found: KeysOfBatch,
    state: CurrentState,
    read: Read | None,
) -> Checkpoint:
    """What later reads of a state source had found as the batch's had left it."""
    if batch.settings.stamp is None:
        return Checkpoint(found.staying.limit(0), {"rows": 0})
    reads = tuple(each for each in state.reads if read is None or each.at != read.at)
    batches = checkpoint(batches_of_reads(spark, batch.table)).rows
    again = observed_again(found.leaving, found.staying, batch.settings, reads, batches, own)
    # A read that has no snapshot any more has no batch either: the undo writes for it.
    name = F.when(named(own.column) == own.id, F.lit(batch.id)).otherwise(named(own.column))
    again = again.withColumn(own.column, name)
    return checkpoint(again, {"rows": F.count(F.lit(1))})


def _timeline(
    found: KeysOfBatch, returned: DataFrame, again: DataFrame, settings: HistorySettings
) -> EventTimeline:
    """The events that stay and those that come back, as if each key had late events."""
    no_version = F.lit(None).cast(found.staying.schema["__version"].dataType)
    new = returned.withColumns({"__origin": F.lit(NEW), "__version": no_version})
    rows = found.staying.unionByName(new).unionByName(again)
    flags = {"__key_has_late": F.lit(True), "__arrives_late": F.lit(False)}
    return checkpoint_timeline(mark_unique_instants(rows.withColumns(flags), settings))


def _plan(
    timeline: EventTimeline,
    found: KeysOfBatch,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> MergePlan:
    plan = with_repairs(plan_timeline(timeline, settings, columns), settings, columns)
    plan = plan.unionByName(_removals(found.leaving, settings, plan.schema))
    return checkpointed_plan(plan, found.stored, found.key_range, settings, columns)


def _removals(leaving: DataFrame, settings: HistorySettings, schema: T.StructType) -> DataFrame:
    """The rows of a plan that remove the stored rows of events that leave."""
    distinct = leaving.dropDuplicates([*settings.key, settings.sequence, "__origin"])
    is_version = F.col("__origin") == MAIN
    values: dict[str, Column] = {
        "__op": F.lit(_UNDONE_OP),
        "__version": F.col("__version"),
        "__version_action": F.when(is_version, F.lit("remove")),
        "__kept_event_action": F.when(F.col("__origin") == KEPT, F.lit("remove")),
        "__new": F.lit(0),
        "__superseded": F.lit(0),
        "__refused": F.lit(0),
        "__arrives_late": F.lit(False),
        "__boundary": F.lit(False),
    }
    return distinct.select(
        *[
            values.get(each.name, _own_value(each.name, leaving.columns))
            .cast(each.dataType)
            .alias(each.name)
            for each in schema.fields
        ]
    )


def _own_value(name: str, columns: list[str]) -> Column:
    return named(name) if name in columns else F.lit(None)


def _with_properties(batch: Batch, undone: str, read: Read | None, state: CurrentState) -> Batch:
    """The batch with what later loads read from the newest snapshot, but for the watermark."""
    carried = {
        name: value
        for name, value in state.properties.items()
        if is_strandline_property(name) and name not in {*BATCH_ENTRIES, WATERMARK}
    }
    own = {UNDONE: undone}
    carried.pop(UNDONE_READ, None)
    if read is not None:
        own[UNDONE_READ] = read.at.isoformat()
    return replace(batch, properties={**carried, **batch.properties, **own})


def _forgetting(written: WriteResult, undone: str, read: Read | None) -> WriteResult:
    """The result, with a published state that knows of the undo."""
    evidence = written.evidence
    if evidence is None:
        return written
    state = evidence.state
    reads = tuple(each for each in state.reads if read is None or each.at != read.at)
    state = replace(state, undone=state.undone | {undone}, reads=reads)
    return replace(written, evidence=replace(evidence, state=state))
