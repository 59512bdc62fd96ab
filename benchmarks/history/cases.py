"""The cases: how many keys, which of them change, and the expected outcome.

Every process of a run, whatever its environment, computes the same rows and numbers from these
arguments. Only the standard library is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

Spread = Literal["scattered", "clustered"]

KEY, TIME = "customer_id", "changed_at"
ATTRIBUTES = ("name", "city", "segment", "visits", "balance", "credit", "registered_at")
COLUMNS = (KEY, TIME, *ATTRIBUTES)
"""Of a change; with the interval and the flag, the 12 columns of a history table."""

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
BATCHES_BEGIN = 1_000
"""Batch b happens in hour 1,000 + b, the initial versions in the hours 0, 1, 2, ..."""
HOUR = 3600
DEEP = 20
DEEP_UP_TO = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One table and its batches.

    Attributes:
        name: 'scattered', 'clustered' or 'deep'.
        keys: How many keys the table has, each with one current version.
        changes: How many keys change per batch.
        batches: How many batches are loaded, including the warm-up. No key changes twice.
    """

    name: str
    keys: int
    changes: int
    batches: int

    @property
    def depth(self) -> int:
        """How many versions each key has before the first batch."""
        return DEEP if self.name == "deep" else 1

    @property
    def spread(self) -> Spread:
        """Whether the changed keys are spread evenly over all keys or are one range of them."""
        return "clustered" if self.name == "clustered" else "scattered"

    def changed_keys(self, batch: int) -> range:
        """The keys that change in a batch, counted from 1."""
        if self.spread == "clustered":
            first = (batch - 1) * (self.keys // self.batches)
            return range(first, first + self.changes)
        stride = self.keys // self.changes
        return range(batch - 1, self.changes * stride, stride)

    def expected(self) -> Outcome:
        """The expected outcome after all batches."""
        changed = self.batches * self.changes
        return Outcome(
            current=self.keys,
            versions=self.keys * self.depth + changed,
            fresh=changed,
            dated=self.keys * (self.depth - 1) + changed,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: its number from 1, its Parquet file, and its time."""

    number: int
    path: Path

    @property
    def time(self) -> datetime:
        """After the last of its changes."""
        return BEGIN + timedelta(hours=BATCHES_BEGIN + self.number + 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of the versions in a history table.

    Attributes:
        current: Current versions.
        versions: All versions.
        fresh: Current versions that come from a batch.
        dated: Closed versions that end at the instant of a change, not of its load.
    """

    current: int
    versions: int
    fresh: int
    dated: int


def outcome_query(table: str, *, key: str, time: str, current: str, end: str, micros: str) -> str:
    """The SELECT whose one row is the `Outcome` of a table; Spark and DuckDB understand it.

    Every change of key k happens k % 3600 seconds into an hour: other ends are not of a change.

    Args:
        table: The table to read, as SQL.
        key: The key's column.
        time: Expression of the instant of a version's change.
        current: Condition of a current version.
        end: Expression of a closed version's end.
        micros: The function from a timestamp to microseconds since 1970.
    """
    begin = BEGIN + timedelta(hours=BATCHES_BEGIN)
    fresh = f"{micros}({time}) >= {int(begin.timestamp()) * 1_000_000}"
    dated = f"({micros}({end}) - ({key} % {HOUR}) * 1000000) % {HOUR * 1_000_000} = 0"
    return (
        f"SELECT count(CASE WHEN {current} THEN 1 END) AS current, count(*) AS versions, "  # noqa: S608
        f"count(CASE WHEN {current} AND {fresh} THEN 1 END) AS fresh, "
        f"count(CASE WHEN NOT ({current}) AND {dated} THEN 1 END) AS dated FROM {table}"
    )
