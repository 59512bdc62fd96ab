"""Which snapshots of a history may go, decided in plain values, and letting them go.

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
        keep_days: Every moment of so many days back can be travelled to.
        keep_at_least: The newest published batches that stay however old they are, at least 1.
        unfinished_hours: What no published state needs (branches, tags and files of loads that
            never ended) is taken for left over after so many hours, at least 24. No load may
            take longer.
    """

    keep_days: int = 7
    keep_at_least: int = 10
    unfinished_hours: int = 72

    def __post_init__(self) -> None:
        if self.keep_days < 0 or self.keep_at_least < 1 or self.unfinished_hours < _LEAST_HOURS:
            raise SettingsError(
                where="the settings of upkeep",
                expected="keep_days from 0, keep_at_least from 1, unfinished_hours from 24 on",
                found="less",
                next_step="Correct them; nothing was changed.",
            )


_LEAST_HOURS = 24


@dataclass(frozen=True, slots=True)
class Expiry:
    """What Iceberg is to be told, and which snapshots will be gone then."""

    older_than: datetime
    retain_last: int
    gone: tuple[int, ...]


def plan_expiry(past: SnapshotLog, retention: Retention, now: datetime) -> Expiry:
    """Which snapshots of a history go, such that the promise above holds."""
    since = now - timedelta(days=retention.keep_days)
    # What was current at the first moment to be kept may have been committed long before it.
    held = [snapshot for at, snapshot in past.published if at <= since]
    older_than = since
    if held and held[-1] in past.snapshots:
        older_than = min(since, past.snapshots[held[-1]].committed)
    return _expiry(past, older_than, _retained(past, retention.keep_at_least))


def plan_release(past: SnapshotLog, before: datetime) -> Expiry:
    """Which snapshots of the kept events go: those older than `before` that no ref holds."""
    return _expiry(past, before, 1)


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


def stale_branches(past: SnapshotLog, prefix: str, before: datetime) -> tuple[str, ...]:
    """The branches of that prefix whose head is old: of loads that never ended."""
    return tuple(
        ref.name
        for ref in past.refs
        if ref.is_branch and ref.name.startswith(prefix) and _is_old(past, ref.snapshot, before)
    )


def expire_snapshots(spark: SparkSession, table: str, expiry: Expiry) -> int:
    """Let snapshots go, with the files that only they had; returns how many files that were."""
    if not expiry.gone:
        return 0
    catalog, _, rest = table.partition(".")
    found = spark.sql(
        f"CALL {catalog}.system.expire_snapshots(table => '{rest}', "
        f"older_than => TIMESTAMP '{expiry.older_than.isoformat()}', "
        f"retain_last => {expiry.retain_last})"
    ).collect()[0]
    return sum(count for count in found if count)


def _retained(past: SnapshotLog, batches: int) -> int:
    """How many snapshots back main has to reach for so many batches' states to be on it."""
    seen: set[str] = set()
    line = list(past.line(past.head))
    for count, snapshot in enumerate(line, start=1):
        if snapshot.batch is not None:
            seen.add(snapshot.batch)
        if len(seen) == batches:
            # The newest snapshot of a batch is its state; those before it were never published.
            return count
    return max(len(line), 1)


def _expiry(past: SnapshotLog, older_than: datetime, retain_last: int) -> Expiry:
    kept = {ref.snapshot for ref in past.refs}
    reachable = set(kept)
    for ref in past.refs:
        if ref.is_branch:
            line = list(past.line(ref.snapshot))
            reachable.update(each.id for each in line)
            kept.update(each.id for each in _kept_of(line, older_than, retain_last))
    gone = [
        each.id
        for each in past.snapshots.values()
        if each.id not in kept and (each.id in reachable or each.committed < older_than)
    ]
    return Expiry(older_than, retain_last, tuple(gone))


def _kept_of(
    line: Sequence[Snapshot], older_than: datetime, retain_last: int
) -> Iterator[Snapshot]:
    for position, snapshot in enumerate(line):
        if position >= retain_last and snapshot.committed < older_than:
            return
        yield snapshot


def _is_old(past: SnapshotLog, snapshot: int, before: datetime) -> bool:
    return snapshot in past.snapshots and past.snapshots[snapshot].committed < before
