"""Loading a batch of change events into a history table: plan, write to a branch, audit, publish.

A pipeline can run the three steps one by one, to show and retry each; `load_changes` runs them all.
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
from history.iceberg.current_snapshot import (
    BATCH_ID,
    WATERMARK,
    CurrentState,
    cache_state,
    is_strandline_property,
    remember_unchanged_read,
)
from history.iceberg.history_table import ensure_table
from history.iceberg.table_metadata import table_metadata
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT, LoadReport
from history.model.recorded_source_reads import ClosingLimit, Read, sorted_reads, with_closed
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
from history.planning.first_load import plan_first_load
from history.planning.merge_plan import (
    MergePlan,
    conflicting_events,
    planned_timeline,
    undecided_events,
)
from history.planning.versions_of_batch_keys import StoredVersions, stored_versions
from history.schema_evolution.evolve_table import evolve_table
from history.spark.checkpoint import Checkpoint, aggregated, checkpoint, unpersist, unpersisting
from history.spark.column_quoting_and_comparison import count_of, named
from history.writing.quarantine_table import quarantine_events
from history.writing.surrogate_keys import NumberedPlan
from history.writing.write_merge_plan import snapshot_summary, write_kept, write_versions
from history.writing.write_result import AuditEvidence, WriteResult

Announce = Callable[[str], None]


def load_changes(  # noqa: PLR0913 - one batch, fully specified by keyword
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
    present_keys: DataFrame | None = None,
    closing: ClosingLimit | None = None,
    properties: Mapping[str, str] | None = None,
    attempts: int = 5,
    announce: Announce | None = None,
) -> LoadReport:
    """Load change events into the history `table`, exactly once, in one atomic change.

    The table is created if need be: the surrogate key, the columns of the events but the
    operation, the interval, the flag and the time stamps. It follows columns that are added,
    widened or dropped (`history.schema_evolution.evolve_table`). The result does not depend on the
    order, the batches and the repetitions in which the events arrive.

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
        read: For a state source (`settings.stamp`): the read that the rows come from. They lack
            the sequence column, which is filled with the read's instant.
        present_keys: The keys in a full read, in the key columns; default: those of the rows. They
            may be more: rows that equal the open versions can be left out of `changes`.
        closing: How many keys a full read may close; None: any number.
        properties: Further entries for the snapshot summary (a digest, a run id).
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'written', 'audited', 'published' as the load proceeds.

    Returns:
        Counts of what was opened, closed, unchanged, late, deleted, repeated and refused.

    Raises:
        SettingsError: The settings do not fit the columns, or track other columns than the table,
            or another fingerprint.
        SchemaDriftError: The table can't be altered to the columns of the events.
        MassClosingError: A full read lacks more keys than `closing` allows; nothing was changed.
        AuditError: The result broke a rule; nothing was published.
        CommitConflictError: Other writers published first `attempts` times.
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
    notify = announce or (lambda _step: None)
    attempt = 1
    while True:
        written = write_changes(spark, changes, batch, present_keys)
        notify("written")
        audit_changes(spark, batch, written)
        notify("audited")
        try:
            report = publish_changes(spark, batch, written)
        except CommitConflictError:
            if attempt == attempts:
                raise
            attempt += 1
            continue
        notify("published")
        return replace(report, attempts=attempt)


def write_changes(
    spark: SparkSession, changes: DataFrame, batch: Batch, present_keys: DataFrame | None = None
) -> WriteResult:
    """Plan the batch against the published state, quarantine refused rows, and write a branch.

    This changes nothing that readers see. For arguments and errors see `load_changes`.
    """
    settings = batch.settings
    present_keys = changes if present_keys is None else present_keys
    changes = _with_read_instant(changes, batch)
    columns = settings.event_columns(changes.columns)
    settings.check(changes.columns, batch.table)
    validated = validate_events(changes, settings)
    schema = validated.select(*[named(name) for name in columns]).schema
    state = ensure_table(spark, batch.table, schema, settings)
    if batch.id in state.batches:
        # A run that was killed after publishing left the branch.
        branches.drop(spark, batch.table, batch.branch)
        return WriteResult(_report_of_replay(spark, batch, state))
    _refuse_read_before_recorded(batch, state)
    layout = evolve_table(spark, batch.table, schema, settings, state, batch.read)
    validated, schema, settings = layout.aligned(validated), layout.events, layout.settings
    batch = replace(batch, settings=settings)
    with unpersisting():
        plan = _plan_batch(spark, batch, validated, schema, state, present_keys)
        batch = plan.batch
        report = _load_report(batch, state, plan)
        # Before publishing: once published, a batch is only replayed and quarantines nothing.
        _quarantine_refused(spark, batch, plan, report.refused)
    planned = plan.merge_plan
    if not report.published:
        unpersist(planned.rows)
        if batch.read is not None and batch.read not in state.reads:
            remember_unchanged_read(spark, batch.table, batch.read)
        return WriteResult(report)
    files, size = key_range_pruning.files_in_range(
        spark, batch.table, state.snapshot_id, planned.key_range, settings
    )
    report = replace(report, files_read=files, bytes_read=size)
    return write_plan_to_branch(spark, batch, planned, state, report)


def audit_changes(spark: SparkSession, batch: Batch, written: WriteResult) -> None:
    """Check the batch's branch; a failure drops the branch.

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
    except BaseException:
        # A catalog that fails here too must not hide why; the next load drops the branch.
        with suppress(PySparkException, Py4JJavaError):
            branches.drop(spark, batch.table, batch.branch)
        raise
    finally:
        unpersist(written.evidence.planned.rows)
    cache_state(batch.table, written.evidence.state)
    return replace(written.report, snapshot_id=snapshot)


def _refuse_new_columns(spark: SparkSession, batch: Batch, planned: MergePlan) -> None:
    """Refuse to publish if another writer has added columns since the batch was planned."""
    columns = spark.table(batch.table).columns
    settings = planned.settings
    if not {*columns} - {*planned.columns, *planned.extra, *settings.filled}:
        return
    raise CommitConflictError(
        where=batch.table,
        expected="the columns with which the load was planned",
        found="that another writer has added some",
        next_step="Run the load again; it is planned anew on what the table is now.",
    )


@dataclass(frozen=True, slots=True)
class _BatchPlan:
    """A batch with its checked rows, its timeline and its plan."""

    batch: Batch
    checked: Checkpoint
    timeline: EventTimeline
    merge_plan: MergePlan


def _with_read_instant(changes: DataFrame, batch: Batch) -> DataFrame:
    """The rows of a read with its instant as their sequence; change events unchanged."""
    settings, read = batch.settings, batch.read
    if (settings.stamp is None) != (read is None) and not batch.released:
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


def _refuse_read_before_recorded(batch: Batch, state: CurrentState) -> None:
    """Refuse a read that is older than all recorded ones, if reads after it may have expired."""
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
    validated: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    present_keys: DataFrame,
) -> tuple[Batch, DataFrame]:
    """The rows of a full read, with a delete for each absent key.

    Raises:
        MassClosingError: There are too many absent keys.
    """
    read, settings = batch.read, batch.settings
    if read is None or not read.full or state.is_empty:
        return batch, validated
    is_late = state.has_read_after(read)
    absent = checkpoint(
        hard_deletes.missing_keys(stored, settings, present_keys, read, is_late=is_late),
        {"rows": F.count(F.lit(1))},
    )
    closed = int(absent.counts["rows"])
    if not closed:
        return batch, validated
    at = F.lit(read.at).cast("timestamp").alias(settings.sequence)
    null = F.lit(None)
    types = {field.name: field.dataType for field in validated.schema.fields}
    given = {*settings.key, settings.sequence, "__op", REASONS}
    rest = [null.cast(kind).alias(name) for name, kind in types.items() if name not in given]

    def deletes(reasons: Column) -> DataFrame:
        keys = [named(name) for name in settings.key]
        operation = F.lit(DELETE).alias("__op"), reasons.cast(REASONS_TYPE).alias(REASONS)
        return absent.rows.select(*keys, at, *operation, *rest)

    if batch.closing is not None and closed > batch.closing.rows:
        open_keys = stored.current.count()
        why = hard_deletes.why_too_many(closed, open_keys, batch.closing, state.reads)
        if why is not None:
            evidence = deletes(F.array(reason(hard_deletes.MASS_CLOSING, "")))
            columns = tuple(name for name in validated.columns if name not in ("__op", REASONS))
            quarantine_events(spark, batch, evidence.limit(hard_deletes.MOST_KEPT), columns)
            raise hard_deletes.mass_closing_error(batch.table, closed, why)
    batch = replace(batch, read=with_closed(read, closed))
    return batch, validated.unionByName(deletes(F.array()))


def _plan_batch(
    spark: SparkSession,
    batch: Batch,
    validated: DataFrame,
    schema: T.StructType,
    state: CurrentState,
    present_keys: DataFrame,
) -> _BatchPlan:
    settings, columns = batch.settings, tuple(schema.fieldNames())
    stored = stored_versions(spark, batch, state, columns, schema)
    batch, validated = _with_hard_deletes(spark, batch, validated, stored, state, present_keys)
    is_event = F.size(REASONS) == 0
    counts = _validation_counts() | key_range_pruning.key_bounds(settings, schema, is_event)
    # Many rows are cheaper to read again than to checkpoint; a first load reads them once more.
    checked = aggregated(validated, counts) if state.is_empty else checkpoint(validated, counts)
    key_range = key_range_pruning.key_range(settings, checked.counts)
    events = checked.rows.where(is_event).select(*[named(name) for name in columns], F.col("__op"))
    accepted = checked.counts["accepted"]
    if state.is_empty:
        timeline, plan, by_range = plan_first_load(events, stored, settings, accepted=accepted)
    else:
        timeline = event_timeline(events, stored, state, batch, key_range, accepted=accepted)
        plan, by_range = planned_timeline(timeline, settings, columns), False
    parts = plan.rows, plan.counts, columns, stored.extra, key_range, settings
    return _BatchPlan(batch, checked, timeline, MergePlan(*parts, by_range=by_range))


def write_plan_to_branch(
    spark: SparkSession, batch: Batch, planned: MergePlan, state: CurrentState, report: LoadReport
) -> WriteResult:
    """Write a plan that was made against `state` on the batch's branch.

    Completes the report with the written files; its counts go into the snapshot's summary.
    """
    numbered = NumberedPlan.of(planned.rows, batch.settings, state.high_water, report.opened)
    kept = write_kept(spark, batch, planned, state)
    counts = {REPORT: json.dumps(report.counts())}
    batch = replace(batch, properties={**batch.properties, **counts})
    properties = snapshot_summary(batch, numbered.high_water, kept)
    write_versions(spark, batch, planned, numbered, state, properties)
    changes = branches.changes_on_branch(spark, batch.table, batch.branch, state.snapshot_id)
    report = replace(
        report,
        surrogate_high_water=numbered.high_water,
        files_written=changes.files,
        bytes_written=changes.size,
    )
    after = replace(
        state,
        snapshot_id=changes.head,
        rows=state.rows + changes.appended,
        properties={
            name: value for name, value in properties.items() if is_strandline_property(name)
        },
        batches=state.batches | {batch.id},
        reads=state.reads if batch.read is None else sorted_reads((*state.reads, batch.read)),
    )
    is_newest = batch.read is not None and not state.has_read_after(batch.read)
    return WriteResult(report, AuditEvidence(planned, changes, after, is_newest_read=is_newest))


def _report_of_replay(spark: SparkSession, batch: Batch, state: CurrentState) -> LoadReport:
    """The counts in the snapshot that published the batch; zeros if that has expired."""
    snapshots = table_metadata(spark, batch.table).snapshots.values()
    own = (each for each in snapshots if each.summary.get(BATCH_ID) == batch.id)
    first = min(own, key=lambda each: each.committed, default=None)
    recorded = "{}" if first is None else first.summary.get(REPORT, "{}")
    names = {each.name for each in fields(LoadReport)}
    counts: dict[str, Any] = {k: v for k, v in json.loads(recorded).items() if k in names}
    counts |= {"surrogate_high_water": state.high_water, "replayed": True}
    return LoadReport(batch.id, state.snapshot_id, published=False, **counts)


def _load_report(batch: Batch, state: CurrentState, plan: _BatchPlan) -> LoadReport:
    checked, planned, counts = plan.checked, plan.merge_plan, plan.merge_plan.counts
    moved = batch.watermark is not None and batch.watermark != state.properties.get(WATERMARK)
    refused = {name: checked.counts[name] for name in VALIDATION_REASONS if checked.counts[name]}
    if counts["conflicting"]:
        undecided = conflicting_events(plan.timeline, batch.settings, planned.columns)
        refused[conflict_reason(batch.settings)] = undecided.count()
    named_counts = (
        *("events", "closed", "deleted", "unchanged", "late", "superseded", "withdrawn"),
    )
    counted = counts["events"] + counts["superseded"] + counts["conflicting"]
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=planned.changes > 0 or moved,
        opened=planned.opened,
        # The events that a late read implies for later reads are counted, but are none of its rows.
        repeated=max(checked.counts["accepted"] - counted, 0),
        refused=refused,
        replayed=False,
        surrogate_high_water=state.high_water,
        **{name: counts[name] for name in named_counts},
    )


def _validation_counts() -> dict[str, Column]:
    """How many rows were accepted ('accepted'), and how many were refused by each reason."""

    def refused_by(name: str) -> Column:
        return count_of(F.exists(REASONS, lambda each: each["check"] == F.lit(name)))

    accepted = count_of(F.size(REASONS) == 0)
    return {"accepted": accepted} | {name: refused_by(name) for name in VALIDATION_REASONS}


def _quarantine_refused(
    spark: SparkSession, batch: Batch, plan: _BatchPlan, counts: Mapping[str, int]
) -> None:
    """Append the refused rows to the quarantine, each row once."""
    if not counts:
        return
    columns = plan.merge_plan.columns
    invalid = plan.checked.rows.where(F.size(REASONS) > 0)
    refused = invalid.select(*[named(name) for name in columns], F.col("__op"), F.col(REASONS))
    if conflict_reason(batch.settings) in counts:
        refused = refused.unionByName(undecided_events(plan.timeline, batch.settings, columns))
    quarantine_events(spark, batch, refused, columns)
