"""Loading a batch of change events into a history table: plan, write aside, audit, publish.

The three steps can be taken one by one (a pipeline shows and retries them apart), or at once by
`load_changes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import AuditError, CommitConflictError, SettingsError
from history.audit.history_invariants import audit_branch
from history.iceberg import branches
from history.iceberg.current_state import (
    BATCH_ID,
    WATERMARK,
    CurrentState,
    cache_state,
    is_strandline_property,
    remember_unchanged_read,
)
from history.iceberg.history_table import ensure_table
from history.model.applied_source_reads import ClosingLimit, Read, sorted_reads, with_closed
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT, LoadReport
from history.planning import hard_deletes, key_range_pruning
from history.planning.event_timeline import EventTimeline, event_timeline
from history.planning.event_validation import (
    DELETE,
    REASONS,
    REASONS_TYPE,
    VALIDATION_REASONS,
    conflict_reason,
    reason,
    validate_events,
)
from history.planning.merge_plan import MergePlan, conflicting_events, plan_counts, plan_timeline
from history.planning.versions_of_batch_keys import StoredVersions, stored_versions
from history.schema_evolution.evolve_table import evolve_table
from history.spark.checkpoint import Checkpoint, aggregated, checkpoint, unpersist, unpersisting
from history.spark.column_quoting_and_comparison import count_of, named
from history.writing.quarantine_table import append_to_quarantine as keep_refused
from history.writing.quarantine_table import refused_rows
from history.writing.surrogate_keys import NumberedPlan
from history.writing.write_merge_plan import snapshot_summary, write_kept, write_versions
from history.writing.write_result import AuditEvidence, WriteResult

Announce = Callable[[str], None]


def load_changes(  # noqa: PLR0913 - one batch, said in full by keyword
    spark: SparkSession,
    changes: DataFrame,
    table: str,
    settings: HistorySettings,
    *,
    batch_id: str,
    batch_time: datetime,
    quarantine: str | None = None,
    source: str = "",
    watermark: str | None = None,
    read: Read | None = None,
    seen: DataFrame | None = None,
    closing: ClosingLimit | None = None,
    properties: Mapping[str, str] | None = None,
    attempts: int = 5,
    announce: Announce | None = None,
) -> LoadReport:
    """Load change events into the history `table`, exactly once, in one atomic change.

    The table is created if need be: the surrogate key, the columns of the events but the
    operation, the interval, the flag and the time stamps. It follows columns that are added,
    widened or dropped (`history.schema_evolution.evolve_table`). The result is the same in whatever
    order, batches and repetitions the events arrive.

    Args:
        spark: A session with the Iceberg extensions; loads side by side need one each.
        changes: The events, one row each. Read more than once, so it has to be deterministic: a
            table or file, not a live query.
        table: `catalog.namespace.name`.
        settings: Which columns identify, order, compare and date the versions.
        batch_id: Names this batch. A batch that was published before changes nothing.
        batch_time: When the batch was taken, for the time stamps; timezone-aware.
        quarantine: The table that refused rows are appended to; default `<table>__quarantine`.
        source: The name of the source, for the quarantine.
        watermark: How far the source has been read; a load that moves it is always published.
        read: Of a table that is read as it is now (`settings.stamp`): which read the rows are.
            They lack the sequence column, which is filled with the read's instant.
        seen: The keys that a full read found, in the key columns; default: those of the rows. It
            may find more than it brings: rows that say what the open versions say can be left out.
        closing: How many keys a full read may close; None: any number.
        properties: Further entries for the snapshot summary (a digest, a run id).
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'written', 'audited', 'published' as the load proceeds.

    Returns:
        What was opened, closed, found unchanged, late, deleted, repeated and refused.

    Raises:
        SettingsError: The settings do not fit the columns, or say otherwise than the table what
            opens a version.
        SchemaDriftError: The table can't come to have the columns of the events.
        MassClosingError: A full read lacks more keys than `closing` allows; nothing was changed.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Other writers came first `attempts` times.
    """
    batch = Batch(
        table=table,
        settings=settings,
        id=batch_id,
        time=batch_time,
        quarantine=quarantine or f"{table}__quarantine",
        source=source,
        read=read,
        closing=closing,
        watermark=watermark,
        properties=properties or {},
    )
    say = announce or (lambda _step: None)
    attempt = 1
    while True:
        written = write_changes(spark, changes, batch, seen)
        say("written")
        audit_changes(spark, batch, written)
        say("audited")
        try:
            report = publish_changes(spark, batch, written)
        except CommitConflictError:
            if attempt == attempts:
                raise
            attempt += 1
            continue
        say("published")
        return replace(report, attempts=attempt)


def write_changes(
    spark: SparkSession, changes: DataFrame, batch: Batch, seen: DataFrame | None = None
) -> WriteResult:
    """Plan the batch against what is published, keep what is refused, and write it aside.

    Nothing that readers see has changed afterwards. For arguments and errors see `load_changes`.
    """
    settings = batch.settings
    changes, seen = _with_read_instant(changes, batch), changes if seen is None else seen
    columns = settings.event_columns(changes.columns)
    settings.check(changes.columns, batch.table)
    judged = validate_events(changes, settings)
    schema = judged.select(*[named(name) for name in columns]).schema
    state = ensure_table(spark, batch.table, schema, settings)
    if batch.id in state.batches:
        # A run that was killed between publishing and this has left it.
        branches.drop(spark, batch.table, batch.branch)
        return WriteResult(_report_of_replay(spark, batch, state))
    _refuse_read_before_known(batch, state)
    kept_as = evolve_table(spark, batch.table, schema, settings, state, batch.read)
    judged, schema, settings = kept_as.aligned(judged), kept_as.events, kept_as.settings
    batch = replace(batch, settings=settings)
    with unpersisting():
        outcome = _plan_batch(spark, batch, judged, schema, state, seen)
        batch = outcome.batch
        report = _load_report(batch, state, outcome)
        # Before publishing: once it is published, the batch is known and nothing of it runs again.
        _quarantine_refused(spark, batch, outcome, report.refused)
    planned = outcome.planned
    if not report.published:
        unpersist(planned.rows)
        if batch.read is not None and batch.read not in state.reads:
            remember_unchanged_read(spark, batch.table, batch.read)
        return WriteResult(report)
    files, size = key_range_pruning.files_in_range(
        spark, batch.table, state.snapshot_id, planned.reach, settings
    )
    report = replace(report, files_read=files, bytes_read=size)
    return write_plan_to_branch(spark, batch, planned, state, report)


def audit_changes(spark: SparkSession, batch: Batch, written: WriteResult) -> None:
    """Check what lies on the batch's branch; a failure drops the branch.

    Raises:
        AuditError: A rule of the history is broken.
    """
    if written.evidence is None:
        return
    try:
        audit_branch(spark, batch, written.evidence)
    except AuditError:
        branches.drop(spark, batch.table, batch.branch)
        unpersist(written.evidence.planned.rows)
        raise


def publish_changes(spark: SparkSession, batch: Batch, written: WriteResult) -> LoadReport:
    """Move main to the batch's branch, in one step for every reader, and drop the branch.

    Raises:
        CommitConflictError: Another writer published first; plan and write the batch anew.
    """
    if written.evidence is None:
        return written.report
    try:
        _refuse_new_columns(spark, batch, written.evidence.planned)
        snapshot = branches.fast_forward(spark, batch.table, batch.branch)
    finally:
        # Where the catalog is away, what became of the batch matters more; the next load drops it.
        with suppress(PySparkException, Py4JJavaError):
            branches.drop(spark, batch.table, batch.branch)
        unpersist(written.evidence.planned.rows)
    cache_state(batch.table, written.evidence.state)
    return replace(written.report, snapshot_id=snapshot)


def _refuse_new_columns(spark: SparkSession, batch: Batch, planned: MergePlan) -> None:
    """The batch was planned with the columns that the table has, and leaves none of them unsaid."""
    now = spark.table(batch.table).columns
    settings = planned.settings
    if not {*now} - {*planned.columns, *planned.extra, *settings.filled}:
        return
    raise CommitConflictError(
        where=batch.table,
        expected="the columns with which the load was planned",
        found="that another writer has added some",
        next_step="Run the load again; it is planned anew on what the table is now.",
    )


@dataclass(frozen=True, slots=True)
class _BatchPlan:
    """A batch with everything that was found out about it."""

    batch: Batch
    gate: Checkpoint
    line: EventTimeline
    planned: MergePlan


def _with_read_instant(changes: DataFrame, batch: Batch) -> DataFrame:
    """The rows of a read, each at its instant; changes as they are."""
    settings, read = batch.settings, batch.read
    if (settings.stamp is None) != (read is None):
        raise SettingsError(
            where=batch.table,
            expected="a read where `stamp` is set, and none where it is not",
            found="a read without `stamp`" if settings.stamp is None else "`stamp` and no read",
            next_step="Say `stamp` and `read` of a table that is read as it is now, or neither.",
        )
    if read is None:
        return changes
    at = F.lit(read.at).cast("timestamp")
    return changes.withColumn(settings.sequence, at)


def _refuse_read_before_known(batch: Batch, state: CurrentState) -> None:
    """Where reads have expired that came after this one, nobody knows what they saw."""
    if batch.read is None or state.is_whole or not state.has_read_after(batch.read):
        return
    if batch.read.at < state.reads[0].at:
        raise SettingsError(
            where=batch.table,
            expected="a read that is not older than all that the table knows of",
            found="an older one",
            next_step="Leave it out, or load it into a table of its own. Nothing was changed.",
        )


def _with_hard_deletes(
    spark: SparkSession,
    batch: Batch,
    judged: DataFrame,
    known: StoredVersions,
    state: CurrentState,
    seen: DataFrame,
) -> tuple[Batch, DataFrame]:
    """The rows of a full read, with a delete for each key that it did not find.

    Raises:
        MassClosingError: These are too many.
    """
    read, settings = batch.read, batch.settings
    if read is None or not read.full or state.is_empty:
        return batch, judged
    is_late = state.has_read_after(read)
    gone = checkpoint(
        hard_deletes.missing_keys(known, settings, seen, read, is_late=is_late),
        {"rows": F.count(F.lit(1))},
    )
    closed = int(gone.counts["rows"])
    if not closed:
        return batch, judged
    at = F.lit(read.at).cast("timestamp").alias(settings.sequence)
    none = F.lit(None)
    schema = {field.name: field.dataType for field in judged.schema.fields}
    taken = {*settings.key, settings.sequence, "__op", REASONS}
    rest = [none.cast(kind).alias(name) for name, kind in schema.items() if name not in taken]

    def deletes(reasons: Column) -> DataFrame:
        keys = [named(name) for name in settings.key]
        told = F.lit(DELETE).alias("__op"), reasons.cast(REASONS_TYPE).alias(REASONS)
        return gone.rows.select(*keys, at, *told, *rest)

    if batch.closing is not None and closed > batch.closing.rows:
        open_keys = known.current.count()
        why = hard_deletes.why_too_many(closed, open_keys, batch.closing, state.reads)
        if why is not None:
            evidence = deletes(F.array(reason(hard_deletes.MASS_CLOSING, "")))
            columns = tuple(name for name in judged.columns if name not in ("__op", REASONS))
            quarantine_events(spark, batch, evidence.limit(hard_deletes.MOST_KEPT), columns)
            raise hard_deletes.mass_closing_error(batch.table, closed, why)
    batch = replace(batch, read=with_closed(read, closed))
    return batch, judged.unionByName(deletes(F.array()))


def _plan_batch(
    spark: SparkSession,
    batch: Batch,
    judged: DataFrame,
    schema: T.StructType,
    state: CurrentState,
    seen: DataFrame,
) -> _BatchPlan:
    settings, columns = batch.settings, tuple(schema.fieldNames())
    known = stored_versions(spark, batch, state, columns, schema)
    batch, judged = _with_hard_deletes(spark, batch, judged, known, state, seen)
    is_event = F.size(REASONS) == 0
    asked = _validation_counts() | key_range_pruning.key_bounds(settings, schema, is_event)
    # Many rows cost more to hold than to read again, and a first load reads them once more only.
    gate = aggregated(judged, asked) if state.is_empty else checkpoint(judged, asked)
    within = key_range_pruning.key_range(settings, gate.counts)
    events = gate.rows.where(is_event).select(*[named(name) for name in columns], F.col("__op"))
    line = event_timeline(events, known, state, batch, within, accepted=gate.counts["accepted"])
    plan = checkpoint(plan_timeline(line, settings, columns), plan_counts(settings), lasting=True)
    planned = MergePlan(plan.rows, plan.counts, columns, known.extra, within, settings)
    return _BatchPlan(batch, gate, line, planned)


def write_plan_to_branch(
    spark: SparkSession, batch: Batch, planned: MergePlan, state: CurrentState, report: LoadReport
) -> WriteResult:
    """Write a plan that was made against `state` on the batch's branch.

    The report is completed by what was written; its counts go into the snapshot's summary.
    """
    numbered = NumberedPlan.of(planned.rows, batch.settings, state.high_water, report.opened)
    kept = write_kept(spark, batch, planned, state)
    told = {REPORT: json.dumps(report.counts())}
    batch = replace(batch, properties={**batch.properties, **told})
    properties = snapshot_summary(batch, numbered.high_water, kept)
    write_versions(spark, batch, planned, numbered, state, properties)
    grown = branches.changes_on_branch(spark, batch.table, batch.branch, state.snapshot_id)
    report = replace(
        report,
        surrogate_high_water=numbered.high_water,
        files_written=grown.files,
        bytes_written=grown.size,
    )
    after = CurrentState(
        snapshot_id=grown.head,
        rows=state.rows + grown.appended,
        properties={
            name: text for name, text in properties.items() if is_strandline_property(name)
        },
        batches=state.batches | {batch.id},
        reads=state.reads if batch.read is None else sorted_reads((*state.reads, batch.read)),
        is_whole=state.is_whole,
    )
    is_newest = batch.read is not None and not state.has_read_after(batch.read)
    return WriteResult(report, AuditEvidence(planned, grown, after, is_newest_read=is_newest))


def _report_of_replay(spark: SparkSession, batch: Batch, state: CurrentState) -> LoadReport:
    """What the batch did when it was published, as its snapshot says; nothing if it has expired."""
    snapshots = spark.table(f"{batch.table}.snapshots")
    theirs = snapshots.where(F.col("summary")[BATCH_ID] == F.lit(batch.id))
    first = theirs.orderBy("committed_at").select("summary").first()
    told = dict(first.summary).get(REPORT, "{}") if first is not None else "{}"
    known = {each.name for each in fields(LoadReport)}
    counts: dict[str, Any] = {k: v for k, v in json.loads(told).items() if k in known}
    counts |= {"surrogate_high_water": state.high_water, "replayed": True}
    return LoadReport(batch.id, state.snapshot_id, published=False, **counts)


def _load_report(batch: Batch, state: CurrentState, outcome: _BatchPlan) -> LoadReport:
    gate, planned, counts = outcome.gate, outcome.planned, outcome.planned.counts
    moved = batch.watermark is not None and batch.watermark != state.properties.get(WATERMARK)
    refused = {name: gate.counts[name] for name in VALIDATION_REASONS if gate.counts[name]}
    if counts["conflicting"]:
        lost = conflicting_events(outcome.line, batch.settings, planned.columns)
        refused[conflict_reason(batch.settings)] = lost.count()
    named_counts = (
        *("events", "closed", "deleted", "unchanged", "late", "superseded", "withdrawn"),
    )
    known = counts["events"] + counts["superseded"] + counts["conflicting"]
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=planned.changes > 0 or moved,
        opened=planned.opened,
        # What a late read implies of later ones counts as an event, and is none of its rows.
        repeated=max(gate.counts["accepted"] - known, 0),
        refused=refused,
        replayed=False,
        surrogate_high_water=state.high_water,
        **{name: counts[name] for name in named_counts},
    )


def _validation_counts() -> dict[str, Column]:
    """How many rows the gate let pass ('accepted'), and how many each of its reasons stopped."""

    def stopped_by(name: str) -> Column:
        return count_of(F.exists(REASONS, lambda each: each["check"] == F.lit(name)))

    accepted = count_of(F.size(REASONS) == 0)
    return {"accepted": accepted} | {name: stopped_by(name) for name in VALIDATION_REASONS}


def _quarantine_refused(
    spark: SparkSession, batch: Batch, outcome: _BatchPlan, counts: Mapping[str, int]
) -> None:
    """Append what was refused to the quarantine, each row once."""
    if not counts:
        return
    columns = outcome.planned.columns
    stopped = outcome.gate.rows.where(F.size(REASONS) > 0)
    refused = stopped.select(*[named(name) for name in columns], F.col("__op"), F.col(REASONS))
    if conflict_reason(batch.settings) in counts:
        refused = refused.unionByName(undecided_events(outcome.line, batch.settings, columns))
    quarantine_events(spark, batch, refused, columns)


def undecided_events(
    line: EventTimeline, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Of a line's events, those that nothing decides between, with that as their reason."""
    reasons = F.array(reason(conflict_reason(settings), "")).cast(REASONS_TYPE).alias(REASONS)
    lost = conflicting_events(line, settings, columns)
    return lost.select(*[named(name) for name in columns], F.col("__op"), reasons)


def quarantine_events(
    spark: SparkSession, batch: Batch, refused: DataFrame, columns: tuple[str, ...]
) -> None:
    """Append events with `__op` and `__reasons` to the batch's quarantine, each once."""
    shaped = refused_rows(
        refused,
        batch.settings,
        columns,
        table=batch.table,
        batch_id=batch.id,
        source=batch.source,
        refused_at=batch.time,
    )
    keep_refused(spark, shaped, batch.quarantine)
