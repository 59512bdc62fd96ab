"""Earlier states of a history let go, because they have what was removed from it since.

Promise: after it no snapshot from before the newest replacement of records can be read, and the
files that only those had are gone. Later states stay. Tags and branches of others keep what they
name; how many snapshots those are is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from history.iceberg import branches
from history.iceberg.history_table import exists, kept_events
from history.iceberg.snapshot_log import Snapshot, SnapshotLog, snapshot_log
from history.iceberg.table_metadata import Ref
from history.upkeep.replace_records import REPLACED_BY
from history.upkeep.snapshot_expiry import TAG, Expiry, expire_snapshots, plan_release


@dataclass(frozen=True, slots=True)
class ForgottenStates:
    """What went.

    Attributes:
        snapshots: How many snapshots of both tables.
        pinned: How many are left that a tag or branch of somebody else names.
    """

    snapshots: int = 0
    pinned: int = 0


def forget_states(spark: SparkSession, table: str, *, dry_run: bool = False) -> ForgottenStates:
    """Expire all snapshots from before the newest replacement; nothing where there was none.

    The caller holds the table's lock: a snapshot of a load that runs would go too.
    """
    log = snapshot_log(spark, table)
    since = _newest_replacement(spark, table, log)
    if since is None:
        return ForgottenStates()
    release = plan_release(log, since.committed)
    left = [ref for ref in log.refs if ref.name != "main" and _is_before(log, ref.snapshot, since)]
    kept = kept_events(table)
    pinned = {each.kept for each in log.snapshots.values() if each.id not in release.expired}
    kept_release: Expiry | None = None
    tags: tuple[str, ...] = ()
    needed: frozenset[int] = frozenset(each for each in pinned if each is not None)
    if exists(spark, kept):
        kept_log = snapshot_log(spark, kept)
        tags = _unpinned(kept_log, needed)
        kept_log = replace(kept_log, refs=tuple(r for r in kept_log.refs if r.name not in tags))
        newest = max((each.committed for each in kept_log.snapshots.values()), default=None)
        if newest is not None:
            kept_release = plan_release(kept_log, newest)
        needed &= kept_log.snapshots.keys() - {r.snapshot for r in kept_log.refs if not r.is_branch}
    expired = len(release.expired) + len(kept_release.expired if kept_release else ())
    if not dry_run:
        expire_snapshots(spark, table, release)
        for snapshot in sorted(needed):
            branches.alter(
                spark, f"ALTER TABLE {kept} CREATE TAG `{TAG}{snapshot}` AS OF VERSION {snapshot}"
            )
        _release(spark, kept, tags, kept_release)
    return ForgottenStates(expired, len(left))


def _release(spark: SparkSession, kept: str, tags: tuple[str, ...], release: Expiry | None) -> None:
    for name in tags:
        branches.alter(spark, f"ALTER TABLE {kept} DROP TAG IF EXISTS `{name}`")
    if release is not None:
        expire_snapshots(spark, kept, release)


def _unpinned(log: SnapshotLog, pinned: frozenset[int]) -> tuple[str, ...]:
    """The tags of ours that no state which is left needs."""

    def is_ours(ref: Ref) -> bool:
        return not ref.is_branch and ref.name.startswith(TAG)

    return tuple(ref.name for ref in log.refs if is_ours(ref) and ref.snapshot not in pinned)


def _is_before(log: SnapshotLog, snapshot: int, since: Snapshot) -> bool:
    return snapshot in log.snapshots and log.snapshots[snapshot].committed < since.committed


def _newest_replacement(spark: SparkSession, table: str, log: SnapshotLog) -> Snapshot | None:
    """The snapshot in which records were replaced last; upkeep copies its entry to later ones."""
    summaries = spark.table(f"{table}.snapshots").select(
        "snapshot_id", F.col("summary")[REPLACED_BY].alias("run")
    )
    runs = {row.snapshot_id: row.run for row in summaries.collect()}
    ancestry = list(log.ancestry(log.head))
    newest = next((runs[each.id] for each in ancestry if runs.get(each.id)), None)
    if newest is None:
        return None
    return next(each for each in reversed(ancestry) if runs.get(each.id) == newest)
