"""Loading a batch of change events into a history table: plan, write to a branch, audit, publish.

A pipeline can run the three steps one by one, to show and retry each; `load_changes` runs them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import AuditError, CommitConflictError, SettingsError
from history.audit.history_invariants import audit_branch
from history.iceberg import branches
from history.iceberg.current_snapshot import (
    BATCH_ID,
    HIGH_WATER,
    CurrentState,
    cache_state,
    is_strandline_property,
    remember_unchanged_read,
)
from history.iceberg.history_table import check_format, ensure_table
from history.iceberg.java_table import schema_of_table
from history.iceberg.table_metadata import table_metadata
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import REPORT, LoadReport
from history.model.recorded_source_reads import ClosingLimit, Read, sorted_reads
from history.planning import key_range_pruning
from history.planning.event_validation import (
    validate_events,
)
from history.planning.merge_plan import (
    MergePlan,
)
from history.schema_evolution.evolve_table import evolve_table
from history.spark.checkpoint import unpersist, unpersisting
from history.spark.column_quoting_and_comparison import named
from history.writing.plan_batch import (
    BatchPlan,
    Survey,
    load_report,
    plan_batch,
    quarantine_refused,
    survey_batch,
    with_read_instant,
)
from history.writing.surrogate_keys import NewNumbers, NumberedPlan
from history.writing.write_first_load import (
    WrittenFirstLoad,
    can_be_written_unheld,
    name_batch,
    write_first_load,
)
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
    changes = with_read_instant(changes, batch)
    columns = settings.event_columns(changes.columns)
    settings.check(changes.columns, batch.table)
    validated = validate_events(changes, settings)
    schema = validated.select(*[named(name) for name in columns]).schema
    state = ensure_table(spark, batch.table, schema, settings)
    check_format(spark, batch.table, settings)
    if batch.id in state.batches:
        # A run that was killed after publishing left the branch.
        branches.drop(spark, batch.table, batch.branch)
        return WriteResult(_report_of_replay(spark, batch, state))
    _refuse_read_before_recorded(batch, state)
    layout = evolve_table(spark, batch.table, schema, settings, state, batch.read)
    validated, schema, settings = layout.aligned(validated), layout.events, layout.settings
    batch = replace(batch, settings=settings)
    with unpersisting():
        survey = survey_batch(spark, batch, validated, schema, state, present_keys)
        batch, accepted = survey.batch, survey.accepted
        unheld = can_be_written_unheld(survey.events, state, settings, accepted=accepted)
        if unheld:
            first = write_first_load(
                spark,
                batch,
                survey.events,
                survey.stored,
                state,
                accepted=accepted,
                keys=survey.keys,
            )
            if first is not None:
                return _finish_first_load(spark, survey, first, state)
        plan = plan_batch(survey, state, crowded=unheld)
        report = load_report(plan, state)
        # Before publishing: once published, a batch is only replayed and quarantines nothing.
        quarantine_refused(spark, plan, report.refused)
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
    columns = schema_of_table(spark, batch.table).fieldNames()
    settings = planned.settings
    if not {*columns} - {*planned.columns, *planned.extra, *settings.filled}:
        return
    raise CommitConflictError(
        where=batch.table,
        expected="the columns with which the load was planned",
        found="that another writer has added some",
        next_step="Run the load again; it is planned anew on what the table is now.",
    )


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


def write_plan_to_branch(
    spark: SparkSession, batch: Batch, planned: MergePlan, state: CurrentState, report: LoadReport
) -> WriteResult:
    """Write a plan that was made against `state` on the batch's branch.

    Completes the report with the written files; its counts go into the snapshot's summary.
    """
    numbered = NumberedPlan.of(planned.rows, batch.settings, state.high_water, report.opened)
    kept = write_kept(spark, batch, planned, state)
    properties = _summary(batch, report, numbered.high_water, kept)
    write_versions(spark, batch, planned, numbered, state, properties)
    numbers = NewNumbers(state.high_water + 1, report.opened)
    return WriteResult(
        *_report_and_evidence(spark, batch, planned, numbers, state, report, properties)
    )


def _finish_first_load(
    spark: SparkSession, survey: Survey, first: WrittenFirstLoad, state: CurrentState
) -> WriteResult:
    """Report a first load whose versions are on its branch, and name its batch there."""
    batch = survey.batch
    plan = BatchPlan(survey, first.planned)
    report = load_report(plan, state)
    quarantine_refused(spark, plan, report.refused)
    properties = _summary(batch, report, first.high_water, first.kept)
    name_batch(spark, batch, properties)
    report, evidence = _report_and_evidence(
        spark, batch, first.planned, first.numbers, state, report, properties
    )
    return WriteResult(report, replace(evidence, one_version_a_key=first.one_version_a_key))


def _summary(batch: Batch, report: LoadReport, high_water: int, kept: int | None) -> dict[str, str]:
    counts = {REPORT: json.dumps(report.counts())}
    batch = replace(batch, properties={**batch.properties, **counts})
    return snapshot_summary(batch, high_water, kept)


def _report_and_evidence(
    spark: SparkSession,
    batch: Batch,
    planned: MergePlan,
    numbers: NewNumbers,
    state: CurrentState,
    report: LoadReport,
    properties: Mapping[str, str],
) -> tuple[LoadReport, AuditEvidence]:
    """The report with the written files, and what an audit needs."""
    changes = branches.changes_on_branch(spark, batch.table, batch.branch, state.snapshot_id)
    report = replace(
        report,
        surrogate_high_water=int(properties[HIGH_WATER]),
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
    evidence = AuditEvidence(planned, changes, after, numbers, is_newest_read=is_newest)
    return report, evidence


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
