"""Which snapshots of a history expire, decided in plain values, and expiring them.

Promise: every state that was current at some moment of the last `keep_days` days stays readable,
and so do the newest `keep_at_least` published batches, whatever their age.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from contracts.errors import SettingsError
from history.iceberg.snapshot_log import Snapshot, SnapshotLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long published states stay readable.

    Attributes:
        keep_days: Every state of the last so many days stays readable.
        keep_at_least: The newest published batches that stay however old they are, at least 1.
        unfinished_hours: Branches, tags and files of loads that never ended, which no published
            state needs, are removed after so many hours, at least 24. No load may take longer.
    """

    keep_days: int = 7
    keep_at_least: int = 10
    unfinished_hours: int = 72

    def __post_init__(self) -> None:
        if self.keep_days < 0 or self.keep_at_least < 1 or self.unfinished_hours < _MIN_HOURS:
            raise SettingsError(
                where="the settings of upkeep",
                expected="keep_days from 0, keep_at_least from 1, unfinished_hours from 24 on",
                found="less",
                next_step="Correct them; nothing was changed.",
            )


_MIN_HOURS = 24


@dataclass(frozen=True, slots=True)
class Expiry:
    """The arguments of Iceberg's `expire_snapshots`, and the snapshots that expire by them."""

    older_than: datetime
    retain_last: int
    expired: tuple[int, ...]


def plan_expiry(log: SnapshotLog, retention: Retention, now: datetime) -> Expiry:
    """Which snapshots of a history expire, such that the promise above holds."""
    since = now - timedelta(days=retention.keep_days)
    # The state that was current at `since` may have been committed long before it.
    published = [snapshot for at, snapshot in log.published if at <= since]
    older_than = since
    if published and published[-1] in log.snapshots:
        older_than = min(since, log.snapshots[published[-1]].committed)
    return _expiry(log, older_than, _retained_count(log, retention.keep_at_least))


def plan_release(log: SnapshotLog, before: datetime) -> Expiry:
    """Which snapshots of the kept events expire: those before `before` without a branch or tag."""
    return _expiry(log, before, 1)


def unpinned_tags(kept: SnapshotLog, pinned: frozenset[int], before: datetime) -> tuple[str, ...]:
    """The tags of kept events that no state of the history needs, and that are old enough."""
    return tuple(
        ref.name
        for ref in kept.refs
        if ref.name.startswith(TAG)
        and ref.snapshot not in pinned
        and _is_old(kept, ref.snapshot, before)
    )


TAG = "kept_"
"""How the names of tags on the kept events begin."""


def stale_branches(log: SnapshotLog, prefix: str, before: datetime) -> tuple[str, ...]:
    """The branches with that prefix whose head is old: those of loads that never ended."""
    return tuple(
        ref.name
        for ref in log.refs
        if ref.is_branch and ref.name.startswith(prefix) and _is_old(log, ref.snapshot, before)
    )


def expire_snapshots(spark: SparkSession, table: str, expiry: Expiry) -> int:
    """Expire snapshots, with the files that only they reference; returns how many files."""
    if not expiry.expired:
        return 0
    catalog, _, name = table.partition(".")
    file_counts = spark.sql(
        f"CALL {catalog}.system.expire_snapshots(table => '{name}', "
        f"older_than => TIMESTAMP '{expiry.older_than.isoformat()}', "
        f"retain_last => {expiry.retain_last})"
    ).collect()[0]
    return sum(count for count in file_counts if count)


def _retained_count(log: SnapshotLog, batches: int) -> int:
    """How many snapshots of main's ancestry contain the states of so many batches."""
    batch_ids: set[str] = set()
    ancestry = list(log.ancestry(log.head))
    for count, snapshot in enumerate(ancestry, start=1):
        if snapshot.batch is not None:
            batch_ids.add(snapshot.batch)
        if len(batch_ids) == batches:
            # The newest snapshot of a batch is its state; those before it were never published.
            return count
    return max(len(ancestry), 1)


def _expiry(log: SnapshotLog, older_than: datetime, retain_last: int) -> Expiry:
    kept = {ref.snapshot for ref in log.refs}
    reachable = set(kept)
    for ref in log.refs:
        if ref.is_branch:
            ancestry = list(log.ancestry(ref.snapshot))
            reachable.update(each.id for each in ancestry)
            kept.update(each.id for each in _retained_of(ancestry, older_than, retain_last))
    expired = [
        each.id
        for each in log.snapshots.values()
        if each.id not in kept and (each.id in reachable or each.committed < older_than)
    ]
    return Expiry(older_than, retain_last, tuple(expired))


def _retained_of(
    ancestry: Sequence[Snapshot], older_than: datetime, retain_last: int
) -> Iterator[Snapshot]:
    for position, snapshot in enumerate(ancestry):
        if position >= retain_last and snapshot.committed < older_than:
            return
        yield snapshot


def _is_old(log: SnapshotLog, snapshot: int, before: datetime) -> bool:
    return snapshot in log.snapshots and log.snapshots[snapshot].committed < before
