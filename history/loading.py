"""Loading a batch of change events into a history table: plan, write aside, audit, publish.

The three steps can be taken one by one (a pipeline shows and retries them apart), or at once by
`load_changes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from contracts.errors import AuditError, CommitConflictError
from history import branches
from history.audit import audit
from history.batch import Batch, Written
from history.columns import named
from history.events import (
    CONFLICT,
    DELETE,
    GATE_REASONS,
    REASONS,
    REASONS_TYPE,
    gated,
    reason,
)
from history.plan import contested, gathered, instants
from history.refusal import quarantine as keep_refused
from history.refusal import refused_rows
from history.report import REPORT, LoadReport
from history.settings import HistorySettings
from history.table import WATERMARK, Published, current_snapshot, ensure_table
from history.writing import Numbered, write_kept, write_versions

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
    properties: Mapping[str, str] | None = None,
    attempts: int = 5,
    announce: Announce | None = None,
) -> LoadReport:
    """Load change events into the history `table`, exactly once, in one atomic change.

    The table is created if need be: the surrogate key, the columns of the events but the
    operation, the interval, the flag and the time stamps. The result is the same in whatever
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
        properties: Further entries for the snapshot summary (a digest, a run id).
        attempts: How often to plan anew when other writers publish first.
        announce: Called with 'written', 'audited', 'published' as the load proceeds.

    Returns:
        What was opened, closed, found unchanged, late, deleted, repeated and refused.

    Raises:
        SettingsError: The settings do not fit the columns.
        SchemaDriftError: The table's columns are not those of the events.
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
        watermark=watermark,
        properties=properties or {},
    )
    say = announce or (lambda _step: None)
    keys = changes.select(*[named(name) for name in settings.key]).distinct()
    attempt = 1
    while True:
        written = write_changes(spark, changes, batch)
        say("written")
        audit_changes(spark, keys, batch, written)
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


def write_changes(spark: SparkSession, changes: DataFrame, batch: Batch) -> Written:
    """Plan the batch against what is published, keep what is refused, and write it aside.

    Nothing that readers see has changed afterwards. For arguments and errors see `load_changes`.
    """
    settings = batch.settings
    columns = settings.event_columns(changes.columns)
    settings.check(changes.columns, batch.table)
    judged = gated(changes, settings)
    schema = judged.select(*[named(name) for name in columns]).schema
    state = ensure_table(spark, batch.table, schema, settings)
    if batch.id in state.batches:
        nothing = LoadReport(batch.id, state.snapshot_id, published=False)
        return Written(replace(nothing, surrogate_high_water=state.high_water), on_branch=False)
    judged = _hold(judged)
    events = judged.where(F.size(REASONS) == 0).drop(REASONS)
    known = gathered(spark, events, batch, state, columns, hold=_hold)
    plan = _hold(instants(known, settings, columns))
    return _written(spark, _Planned(batch, columns, state, judged, known, plan))


def audit_changes(spark: SparkSession, keys: DataFrame, batch: Batch, written: Written) -> None:
    """Check the versions of the given keys on the batch's branch; a failure drops the branch.

    Raises:
        AuditError: A rule of the history is broken.
    """
    if not written.on_branch:
        return
    versions = spark.table(branches.branch_of(batch.table, batch.branch))
    try:
        audit(versions, keys, batch.settings, where=batch.table)
    except AuditError:
        branches.drop(spark, batch.table, batch.branch)
        raise


def publish_changes(spark: SparkSession, batch: Batch, written: Written) -> LoadReport:
    """Move main to the batch's branch, in one step for every reader, and drop the branch.

    Raises:
        CommitConflictError: Another writer published first; plan and write the batch anew.
    """
    if not written.on_branch:
        return written.report
    try:
        branches.publish(spark, batch.table, batch.branch)
    finally:
        branches.drop(spark, batch.table, batch.branch)
    snapshot = current_snapshot(spark, batch.table)
    return replace(written.report, snapshot_id=snapshot or written.report.snapshot_id)


def _hold(frame: DataFrame) -> DataFrame:
    """The frame's rows without the plan that made them.

    A cached frame keeps its plan, and every statement built on it is compared with all of that
    plan again: for small batches that takes longer than anything else. Spark frees the rows when
    nothing refers to them any more.
    """
    return frame.localCheckpoint(eager=True)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A batch with everything that was found out about it."""

    batch: Batch
    columns: tuple[str, ...]
    state: Published
    judged: DataFrame
    events: DataFrame
    plan: DataFrame


def _written(spark: SparkSession, planned: _Planned) -> Written:
    batch, state, columns, plan = planned.batch, planned.state, planned.columns, planned.plan
    counts = _counts(planned)
    moved = batch.watermark is not None and batch.watermark != state.properties.get(WATERMARK)
    refused = _judged_counts(planned.judged)
    accepted = refused.pop("accepted", 0)
    if counts.conflicting:
        refused[CONFLICT] = _contested(planned).count()
    # Before publishing: once it is published, the batch is known and nothing of it runs again.
    _keep_refused(spark, planned, refused)
    report = replace(
        _report(batch, state, counts, published=counts.changes > 0 or moved),
        repeated=accepted - counts.events - counts.superseded - counts.conflicting,
        refused=refused,
    )
    if not report.published:
        return Written(report, on_branch=False)
    numbered = Numbered.of(plan, batch.settings, state.high_water, report.opened)
    keeps, actions = frozenset(counts.keeps), frozenset(counts.actions)
    kept = write_kept(spark, batch, plan, columns, state, keeps)
    told = replace(batch, properties={**batch.properties, REPORT: json.dumps(report.counts())})
    write_versions(spark, told, numbered, columns, state, kept, actions)
    return Written(replace(report, surrogate_high_water=numbered.high_water), on_branch=True)


def _counts(planned: _Planned) -> Row:
    settings = planned.batch.settings
    action, main = F.col("__action"), F.col("__main")
    still_open = named(settings.is_current) & action.isin("update", "replace")
    new = F.col("__new") > 0

    def count(condition: Column) -> Column:
        return F.count(F.when(condition, 1))

    def total(name: str) -> Column:
        return F.coalesce(F.sum(name), F.lit(0))

    return planned.plan.agg(
        F.count(F.coalesce("__action", "__keep")).alias("changes"),
        F.collect_set("__action").alias("actions"),
        F.collect_set("__keep").alias("keeps"),
        total("__new").alias("events"),
        total("__refused").alias("conflicting"),
        total("__superseded").alias("superseded"),
        count(action.isin("add", "replace")).alias("opened"),
        count(main["is_current"] & action.isNotNull() & ~still_open).alias("closed"),
        count(new & (F.col("__op") == DELETE)).alias("deleted"),
        count(new & F.col("__unchanged")).alias("unchanged"),
        count(new & F.col("__behind")).alias("late"),
    ).collect()[0]


def _report(batch: Batch, state: Published, counts: Row, *, published: bool) -> LoadReport:
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=published,
        events=counts.events,
        opened=counts.opened,
        closed=counts.closed,
        deleted=counts.deleted,
        unchanged=counts.unchanged,
        late=counts.late,
        superseded=counts.superseded,
        surrogate_high_water=state.high_water,
    )


def _contested(planned: _Planned) -> DataFrame:
    return contested(planned.events, planned.batch.settings, planned.columns)


def _judged_counts(judged: DataFrame) -> dict[str, int]:
    """How many rows the gate let pass ('accepted'), and how many each of its reasons stopped."""

    def stopped_by(name: str) -> Column:
        return F.count(F.when(F.exists(REASONS, lambda each: each["check"] == F.lit(name)), 1))

    accepted = F.count(F.when(F.size(REASONS) == 0, 1)).alias("accepted")
    row = judged.agg(accepted, *[stopped_by(name).alias(name) for name in GATE_REASONS])
    return {name: count for name, count in row.collect()[0].asDict().items() if count}


def _keep_refused(spark: SparkSession, planned: _Planned, counts: dict[str, int]) -> None:
    """Append what was refused to the quarantine, each row once."""
    batch = planned.batch
    columns = [named(name) for name in planned.columns]
    refused = planned.judged.where(F.size(REASONS) > 0).select(*columns, F.col(REASONS))
    if CONFLICT in counts:
        reasons = F.array(reason(CONFLICT, "")).cast(REASONS_TYPE).alias(REASONS)
        refused = refused.unionByName(_contested(planned).select(*columns, reasons))
    if not counts:
        return
    shaped = refused_rows(
        refused,
        batch.settings,
        planned.columns,
        table=batch.table,
        batch_id=batch.id,
        source=batch.source,
        refused_at=batch.time,
    )
    keep_refused(spark, shaped, batch.quarantine)
