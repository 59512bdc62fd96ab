"""Upkeep of one history in proportion to what changed: compaction, expiry, orphan files.

Promise: upkeep changes nothing for readers and for the next load. The properties that a load reads
from the newest snapshots (batch, watermark, greatest surrogate key, kept events) are carried over
before anything expires. An unchanged table costs only reads of its metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from contracts.errors import NotFoundError
from history.iceberg import branches
from history.iceberg.current_snapshot import BATCH_ID, KEPT_SNAPSHOT, CurrentState, current_state
from history.iceberg.history_table import exists, kept_events
from history.iceberg.snapshot_log import SnapshotLog, snapshot_log
from history.model.change_batch import audit_branch_name
from history.model.history_settings import HistorySettings
from history.upkeep.compaction import (
    CompactionLimits,
    Files,
    files_of,
    join_manifests,
    rewrite_data_files,
    small_manifests,
    sortable,
)
from history.upkeep.orphan_files import is_due, remove_orphan_files
from history.upkeep.snapshot_expiry import (
    TAG,
    Expiry,
    Retention,
    expire_snapshots,
    plan_expiry,
    plan_release,
    stale_branches,
    unpinned_tags,
)

Announce = Callable[[str], None]

STEPS = ("compact", "expire", "clean")
"""The steps of upkeep, in order."""

_BRANCH = audit_branch_name("upkeep")
_AUDIT = audit_branch_name("")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSettings:
    """When files are rewritten, how long snapshots stay, and whether orphan files are removed.

    `orphans` lists the tables' directories, which on an object store is the most expensive step.
    """

    compaction: CompactionLimits = field(default_factory=CompactionLimits)
    retention: Retention = field(default_factory=Retention)
    orphans: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepReport:
    """What upkeep did to a history and its kept events, or would do (`dry_run`).

    Attributes:
        table: The history.
        dry_run: Nothing was changed; counts say what would be.
        before: The files that readers of both tables open, before.
        after: The same afterwards; of a dry run as `before`.
        rewritten: Data files that were rewritten.
        manifests: Whether the manifests were joined.
        branches_dropped: Audit branches of loads that never ended.
        tags_dropped: Tags of kept events that no readable state needs any more.
        snapshots: How many snapshots both tables had.
        snapshots_expired: How many of them expired.
        files_expired: Files of all kinds removed with them; 0 in a dry run, which can't count them.
        orphans: Files that no snapshot referenced, and that were removed.
    """

    table: str
    dry_run: bool
    before: Files = field(default_factory=Files)
    after: Files = field(default_factory=Files)
    rewritten: int = 0
    manifests: bool = False
    branches_dropped: int = 0
    tags_dropped: int = 0
    snapshots: int = 0
    snapshots_expired: int = 0
    files_expired: int = 0
    orphans: int = 0

    @property
    def did_something(self) -> bool:
        """Whether upkeep had anything to do."""
        counts = (self.rewritten, self.branches_dropped, self.tags_dropped, self.orphans)
        return self.manifests or self.snapshots_expired > 0 or any(counts)


def upkeep(
    spark: SparkSession,
    table: str,
    settings: HistorySettings,
    *,
    now: datetime,
    care: UpkeepSettings | None = None,
    dry_run: bool = False,
    announce: Announce | None = None,
) -> UpkeepReport:
    """Compact the history, expire old snapshots and remove the remains of broken-off loads.

    A load that publishes meanwhile is safe: either the load plans anew, or compaction fails.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history.
        settings: How the history is kept; files are sorted by its key.
        now: The time from which ages are counted; timezone-aware.
        care: Limits and retention.
        dry_run: Report what would be done, and change nothing.
        announce: Called with each of `STEPS` when it is done.

    Raises:
        NotFoundError: There is no such table.
        CommitConflictError: A load published meanwhile; run upkeep again.
    """
    if not exists(spark, table):
        raise NotFoundError(
            where=table,
            expected="a history that was loaded at least once",
            found="no such table",
            next_step="Load it first.",
        )
    run = _UpkeepRun(spark, table, settings, care or UpkeepSettings(), now, dry_run=dry_run)
    notify = announce or (lambda _step: None)
    report = UpkeepReport(table=table, dry_run=dry_run)
    for step, action in zip(STEPS, (_compact, _expire, _clean), strict=True):
        report = action(run, report)
        notify(step)
    return report


@dataclass(frozen=True, slots=True)
class _UpkeepRun:
    spark: SparkSession
    table: str
    settings: HistorySettings
    care: UpkeepSettings
    now: datetime
    dry_run: bool = False

    @property
    def kept(self) -> str:
        return kept_events(self.table)

    @property
    def before(self) -> datetime:
        """Files, branches and tags before this that no published state needs are removed."""
        return self.now - timedelta(hours=self.care.retention.unfinished_hours)

    def files(self, table: str, snapshot_id: int | None) -> Files:
        if snapshot_id is None:
            return Files()
        return files_of(self.spark, table, snapshot_id, self.care.compaction)


def _compact(run: _UpkeepRun, report: UpkeepReport) -> UpkeepReport:
    spark, table, limits = run.spark, run.table, run.care.compaction
    state = current_state(spark, table)
    if state is None:
        return report
    versions = run.files(table, state.snapshot_id)
    kept = run.files(run.kept, state.kept_snapshot)
    report = replace(
        report,
        before=_sum(versions, kept),
        after=_sum(versions, kept),
        rewritten=versions.rewritable + kept.rewritable,
        manifests=small_manifests(spark, table) > limits.manifests,
    )
    if run.dry_run:
        return report
    if report.manifests:
        join_manifests(spark, table)
        state = current_state(spark, table) or state
    if not report.rewritten and not _lacks_properties(run, state):
        return report
    rewritten = _rewrite_and_publish(run, state, versions=versions, kept=kept)
    state = current_state(spark, table) or state
    after = _sum(run.files(table, state.snapshot_id), run.files(run.kept, state.kept_snapshot))
    return replace(report, rewritten=rewritten, after=after)


def _lacks_properties(run: _UpkeepRun, state: CurrentState) -> bool:
    """Whether the newest snapshot lacks the properties that the next load reads."""
    if BATCH_ID not in state.properties:
        return False
    head = snapshot_log(run.spark, run.table).snapshots[state.snapshot_id]
    return head.batch is None


def _rewrite_and_publish(
    run: _UpkeepRun, state: CurrentState, *, versions: Files, kept: Files
) -> int:
    """Rewrite on a branch, append the properties there, and publish both in one step."""
    spark, table = run.spark, run.table
    branches.create(spark, table, _BRANCH, state.snapshot_id)
    try:
        count = 0
        if versions.rewritable:
            count += _rewrite(run, table, _BRANCH, run.settings.valid_from)
        properties = dict(state.properties)
        if kept.rewritable and state.kept_snapshot is not None:
            pinned, kept_count = _rewrite_kept_events(run, state.kept_snapshot)
            properties[KEPT_SNAPSHOT] = str(pinned)
            count += kept_count
        if BATCH_ID in properties:
            no_rows = spark.table(table).limit(0)
            branches.append_rows(no_rows, branches.branch_of(table, _BRANCH), properties)
        branches.fast_forward(spark, table, _BRANCH)
    finally:
        branches.drop(spark, table, _BRANCH)
    return count


def _rewrite_kept_events(run: _UpkeepRun, snapshot_id: int) -> tuple[int, int]:
    """The kept events' new snapshot, kept by a tag, and how many of its files were rewritten."""
    spark, kept = run.spark, run.kept
    branches.create(spark, kept, _BRANCH, snapshot_id)
    try:
        count = _rewrite(run, kept, _BRANCH, run.settings.sequence)
        pinned = branches.head(spark, kept, _BRANCH)
        spark.sql(
            f"ALTER TABLE {kept} CREATE OR REPLACE TAG `{TAG}{pinned}` AS OF VERSION {pinned}"
        )
    finally:
        branches.drop(spark, kept, _BRANCH)
    return pinned, count


def _rewrite(run: _UpkeepRun, table: str, branch: str, last: str) -> int:
    schema = run.spark.table(table).schema
    order = sortable(schema, (*run.settings.key, last))
    return rewrite_data_files(run.spark, table, branch, order, run.care.compaction)


def _expire(run: _UpkeepRun, report: UpkeepReport) -> UpkeepReport:
    spark, table, retention = run.spark, run.table, run.care.retention
    log = snapshot_log(spark, table)
    stale = stale_branches(log, _AUDIT, run.before)
    log = _without_refs(log, stale)
    expiry = plan_expiry(log, retention, run.now)
    pinned = frozenset(
        each.kept
        for each in log.snapshots.values()
        if each.kept is not None and each.id not in expiry.expired
    )
    report = replace(
        report,
        branches_dropped=len(stale),
        snapshots=len(log.snapshots),
        snapshots_expired=len(expiry.expired),
    )
    if not run.dry_run:
        for name in stale:
            branches.drop(spark, table, name)
        report = replace(report, files_expired=expire_snapshots(spark, table, expiry))
    return _release_kept_events(run, report, pinned) if exists(spark, run.kept) else report


def _release_kept_events(
    run: _UpkeepRun, report: UpkeepReport, pinned: frozenset[int]
) -> UpkeepReport:
    """Expire snapshots of the kept events that no readable state of the history needs."""
    spark, kept = run.spark, run.kept
    log = snapshot_log(spark, kept)
    stale = stale_branches(log, _AUDIT, run.before)
    tags = unpinned_tags(log, pinned, run.before)
    release = plan_release(_without_refs(log, (*stale, *tags)), run.before)
    # A pinned snapshot stays, with or without a tag.
    release = _without_pinned(release, pinned)
    report = replace(
        report,
        branches_dropped=report.branches_dropped + len(stale),
        tags_dropped=len(tags),
        snapshots=report.snapshots + len(log.snapshots),
        snapshots_expired=report.snapshots_expired + len(release.expired),
    )
    if run.dry_run:
        return report
    tagged = {ref.snapshot for ref in log.refs if not ref.is_branch}
    for snapshot in sorted(pinned & log.snapshots.keys() - tagged):
        spark.sql(f"ALTER TABLE {kept} CREATE TAG `{TAG}{snapshot}` AS OF VERSION {snapshot}")
    for name in stale:
        branches.drop(spark, kept, name)
    for name in tags:
        spark.sql(f"ALTER TABLE {kept} DROP TAG IF EXISTS `{name}`")
    removed = expire_snapshots(spark, kept, release)
    return replace(report, files_expired=report.files_expired + removed)


def _clean(run: _UpkeepRun, report: UpkeepReport) -> UpkeepReport:
    if not run.care.orphans:
        return report
    removed = 0
    for table in (run.table, run.kept):
        if exists(run.spark, table) and is_due(run.spark, table, run.now, run.before):
            removed += remove_orphan_files(
                run.spark, table, now=run.now, before=run.before, dry_run=run.dry_run
            )
    return replace(report, orphans=removed)


def _without_refs(log: SnapshotLog, names: tuple[str, ...]) -> SnapshotLog:
    return replace(log, refs=tuple(ref for ref in log.refs if ref.name not in names))


def _without_pinned(release: Expiry, pinned: frozenset[int]) -> Expiry:
    return replace(release, expired=tuple(each for each in release.expired if each not in pinned))


def _sum(one: Files, other: Files) -> Files:
    return Files(
        one.data + other.data,
        one.deletes + other.deletes,
        one.octets + other.octets,
        one.rewritable + other.rewritable,
    )
