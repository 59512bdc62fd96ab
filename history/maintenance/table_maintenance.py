"""Upkeep of one history in proportion to what changed: compaction, expiry, files left over.

Promise: the history says afterwards what it said before, to readers and to the next load. What a
load looks up in the newest snapshots (batch, watermark, greatest surrogate key, kept events) is
carried on before anything expires. A table on which nothing changed costs reads of its metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from contracts.errors import NotFoundError
from history.iceberg import branches
from history.iceberg.current_state import BATCH_ID, KEPT_SNAPSHOT, CurrentState, current_state
from history.iceberg.history_table import exists, kept_events
from history.iceberg.snapshot_log import SnapshotLog, snapshot_log
from history.maintenance.compaction import (
    CompactionLimits,
    Files,
    files_of,
    join_manifests,
    rewrite_data_files,
    small_manifests,
    sortable,
)
from history.maintenance.orphan_files import is_due, remove_orphan_files
from history.maintenance.snapshot_expiry import (
    TAG,
    Expiry,
    Retention,
    expire_snapshots,
    plan_expiry,
    plan_release,
    stale_branches,
    unpinned_tags,
)
from history.model.change_batch import audit_branch_name
from history.model.history_settings import HistorySettings

Announce = Callable[[str], None]

STEPS = ("compact", "expire", "clean")
"""What upkeep does, in its order."""

_BRANCH = audit_branch_name("upkeep")
_AUDIT = audit_branch_name("")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSettings:
    """When files are rewritten, how long snapshots stay, and whether orphan files are looked for.

    `orphans` lists the tables' directories, which on an object store is the dearest step.
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
        snapshots_expired: How many of them went.
        files_expired: Files of all kinds that went with them; 0 in a dry run, which can't tell.
        orphans: Files that no snapshot knew, and that were removed.
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
        """Whether anything was found to be done."""
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
    """Compact the history, let old snapshots go and remove what loads left over.

    A load that publishes meanwhile is never harmed: either it plans anew, or compaction gives way.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history.
        settings: How the history is kept; files are sorted by its key.
        now: The time from which ages are counted; timezone-aware.
        care: Limits and retention.
        dry_run: Say what would be done, and change nothing.
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
    visit = _Visit(spark, table, settings, care or UpkeepSettings(), now, dry_run=dry_run)
    say = announce or (lambda _step: None)
    report = UpkeepReport(table=table, dry_run=dry_run)
    for step, work in zip(STEPS, (_compacted, _expired, _cleaned), strict=True):
        report = work(visit, report)
        say(step)
    return report


@dataclass(frozen=True, slots=True)
class _Visit:
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
        """What is older than this and belongs to no published state was left over."""
        return self.now - timedelta(hours=self.care.retention.unfinished_hours)

    def files(self, table: str, snapshot_id: int | None) -> Files:
        if snapshot_id is None:
            return Files()
        return files_of(self.spark, table, snapshot_id, self.care.compaction)


def _compacted(visit: _Visit, report: UpkeepReport) -> UpkeepReport:
    spark, table, limits = visit.spark, visit.table, visit.care.compaction
    state = current_state(spark, table)
    if state is None:
        return report
    versions = visit.files(table, state.snapshot_id)
    kept = visit.files(visit.kept, state.kept_snapshot)
    report = replace(
        report,
        before=_sum(versions, kept),
        after=_sum(versions, kept),
        rewritten=versions.rewritable + kept.rewritable,
        manifests=small_manifests(spark, table) > limits.manifests,
    )
    if visit.dry_run:
        return report
    if report.manifests:
        join_manifests(spark, table)
        state = current_state(spark, table) or state
    if not report.rewritten and not _lacks_properties(visit, state):
        return report
    rewritten = _rewritten(visit, state, versions=versions, kept=kept)
    state = current_state(spark, table) or state
    after = _sum(
        visit.files(table, state.snapshot_id), visit.files(visit.kept, state.kept_snapshot)
    )
    return replace(report, rewritten=rewritten, after=after)


def _lacks_properties(visit: _Visit, state: CurrentState) -> bool:
    """Whether the newest snapshot does not say itself what the next load has to know."""
    if BATCH_ID not in state.properties:
        return False
    head = snapshot_log(visit.spark, visit.table).snapshots[state.snapshot_id]
    return head.batch is None


def _rewritten(visit: _Visit, state: CurrentState, *, versions: Files, kept: Files) -> int:
    """Rewrite on a branch, carry the properties on there, and publish both in one step."""
    spark, table = visit.spark, visit.table
    branches.create(spark, table, _BRANCH, state.snapshot_id)
    try:
        count = 0
        if versions.rewritable:
            count += _rewrite(visit, table, _BRANCH, visit.settings.valid_from)
        properties = dict(state.properties)
        if kept.rewritable and state.kept_snapshot is not None:
            pinned, more = _kept_rewritten(visit, state.kept_snapshot)
            properties[KEPT_SNAPSHOT] = str(pinned)
            count += more
        if BATCH_ID in properties:
            nothing = spark.table(table).limit(0)
            branches.append_rows(nothing, branches.branch_of(table, _BRANCH), properties)
        branches.fast_forward(spark, table, _BRANCH)
    finally:
        branches.drop(spark, table, _BRANCH)
    return count


def _kept_rewritten(visit: _Visit, snapshot_id: int) -> tuple[int, int]:
    """The kept events' new snapshot, held by a tag, and how many of its files were rewritten."""
    spark, kept = visit.spark, visit.kept
    branches.create(spark, kept, _BRANCH, snapshot_id)
    try:
        count = _rewrite(visit, kept, _BRANCH, visit.settings.sequence)
        pinned = branches.head(spark, kept, _BRANCH)
        spark.sql(
            f"ALTER TABLE {kept} CREATE OR REPLACE TAG `{TAG}{pinned}` AS OF VERSION {pinned}"
        )
    finally:
        branches.drop(spark, kept, _BRANCH)
    return pinned, count


def _rewrite(visit: _Visit, table: str, branch: str, last: str) -> int:
    schema = visit.spark.table(table).schema
    order = sortable(schema, (*visit.settings.key, last))
    return rewrite_data_files(visit.spark, table, branch, order, visit.care.compaction)


def _expired(visit: _Visit, report: UpkeepReport) -> UpkeepReport:
    spark, table, retention = visit.spark, visit.table, visit.care.retention
    past = snapshot_log(spark, table)
    left = stale_branches(past, _AUDIT, visit.before)
    past = _without(past, left)
    expiry = plan_expiry(past, retention, visit.now)
    pinned = frozenset(
        each.kept
        for each in past.snapshots.values()
        if each.kept is not None and each.id not in expiry.gone
    )
    report = replace(
        report,
        branches_dropped=len(left),
        snapshots=len(past.snapshots),
        snapshots_expired=len(expiry.gone),
    )
    if not visit.dry_run:
        for name in left:
            branches.drop(spark, table, name)
        report = replace(report, files_expired=expire_snapshots(spark, table, expiry))
    return _released(visit, report, pinned) if exists(spark, visit.kept) else report


def _released(visit: _Visit, report: UpkeepReport, pinned: frozenset[int]) -> UpkeepReport:
    """Of the kept events, what no state of the history that stays readable needs."""
    spark, kept = visit.spark, visit.kept
    past = snapshot_log(spark, kept)
    left = stale_branches(past, _AUDIT, visit.before)
    tags = unpinned_tags(past, pinned, visit.before)
    release = plan_release(_without(past, (*left, *tags)), visit.before)
    # A pinned snapshot stays, whether its tag is there or not.
    release = _sparing(release, pinned)
    report = replace(
        report,
        branches_dropped=report.branches_dropped + len(left),
        tags_dropped=len(tags),
        snapshots=report.snapshots + len(past.snapshots),
        snapshots_expired=report.snapshots_expired + len(release.gone),
    )
    if visit.dry_run:
        return report
    held = {ref.snapshot for ref in past.refs if not ref.is_branch}
    for snapshot in sorted(pinned & past.snapshots.keys() - held):
        spark.sql(f"ALTER TABLE {kept} CREATE TAG `{TAG}{snapshot}` AS OF VERSION {snapshot}")
    for name in left:
        branches.drop(spark, kept, name)
    for name in tags:
        spark.sql(f"ALTER TABLE {kept} DROP TAG IF EXISTS `{name}`")
    removed = expire_snapshots(spark, kept, release)
    return replace(report, files_expired=report.files_expired + removed)


def _cleaned(visit: _Visit, report: UpkeepReport) -> UpkeepReport:
    if not visit.care.orphans:
        return report
    removed = 0
    for table in (visit.table, visit.kept):
        if exists(visit.spark, table) and is_due(visit.spark, table, visit.now, visit.before):
            removed += remove_orphan_files(
                visit.spark, table, now=visit.now, before=visit.before, dry_run=visit.dry_run
            )
    return replace(report, orphans=removed)


def _without(past: SnapshotLog, names: tuple[str, ...]) -> SnapshotLog:
    return replace(past, refs=tuple(ref for ref in past.refs if ref.name not in names))


def _sparing(release: Expiry, pinned: frozenset[int]) -> Expiry:
    return replace(release, gone=tuple(each for each in release.gone if each not in pinned))


def _sum(one: Files, other: Files) -> Files:
    return Files(
        one.data + other.data,
        one.deletes + other.deletes,
        one.octets + other.octets,
        one.rewritable + other.rewritable,
    )
