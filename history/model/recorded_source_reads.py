"""Reads of a state source: each reads the source once, at one instant of the source's own clock.

A row that was read is an observation, and so is the absence of one in a full read. Of two
observations of a key the one of the later read holds from then on. A row that equals its key's last
observation is not stored; that it was observed follows from the read alone, which is why the table
records its reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named, wall_clock_in_utc

READ = "strandline.read"
"""The entry of a snapshot's summary that records the read of the batch."""

READS = "strandline.reads"
"""The table property that lists the reads since then that changed nothing."""

_MAX_UNCHANGED_READS = 200
"""How many of the reads that changed nothing a table records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read of the source.

    Attributes:
        at: The instant of the source's clock at which it was read, which also orders the reads of
            the table; timezone-aware. No two reads have the same. A read is loaded as one batch,
            or as batches with no other read between them: what it did not return is concluded
            from the first one on.
        full: Every row of the source was read, so that a key without one is absent.
        low: Of a read that is not full: the rows whose stamp is at or after it, or null, were
            read. None: all rows that the source had.
        closed: How many open keys were absent from it.
    """

    at: datetime
    full: bool
    low: datetime | None = None
    closed: int = 0

    @property
    def to_json(self) -> str:
        """The read as text for a snapshot's summary."""
        return json.dumps(
            {
                "at": _text(self.at),
                "full": self.full,
                "low": None if self.low is None else _text(self.low),
                "closed": self.closed,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Read:
        """The read that `to_json` wrote."""
        values = json.loads(text)
        low = values.get("low")
        return cls(
            at=datetime.fromisoformat(values["at"]),
            full=bool(values["full"]),
            low=None if low is None else datetime.fromisoformat(low),
            closed=int(values.get("closed", 0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingLimit:
    """How many open keys one full read may close.

    Attributes:
        percent: The share of the open keys.
        rows: Up to this number any share may be closed.
        at_most: The number that a person accepted, whatever share it is.
    """

    percent: float = 10.0
    rows: int = 10
    at_most: int | None = None


def sorted_reads(reads: Iterable[Read]) -> tuple[Read, ...]:
    """The reads by their instants, each once."""
    by_instant = {read.at: read for read in reads}
    return tuple(by_instant[at] for at in sorted(by_instant))


def unchanged_reads(text: str | None) -> tuple[Read, ...]:
    """The reads that the table property `READS` lists."""
    return () if not text else tuple(Read.from_json(json.dumps(each)) for each in json.loads(text))


def unchanged_reads_property(reads: Iterable[Read], added: Read) -> str:
    """The property with one more read; of too many the oldest are dropped."""
    newest = sorted_reads((*reads, added))[-_MAX_UNCHANGED_READS:]
    return json.dumps([json.loads(read.to_json) for read in newest])


def next_read_instant(at: datetime, last: datetime | None) -> datetime:
    """The instant of a read taken at `at`: after the table's last one, whatever the clock.

    A source's clock may have been put back since; two reads may have fallen into one microsecond.
    """
    return at if last is None or at > last else last + last.resolution


def as_instant(stamp: Column, kind: T.DataType) -> Column:
    """A stamp as the instant it names, in UTC where it has no zone; null if it names none."""
    if isinstance(kind, T.TimestampType):
        return stamp
    if isinstance(kind, T.DateType):
        return F.timestamp_micros(F.unix_date(stamp).cast("bigint") * F.lit(86_400_000_000))
    if isinstance(kind, T.TimestampNTZType):
        return wall_clock_in_utc(stamp)
    return F.lit(None).cast("timestamp")


def source_timestamp(settings: HistorySettings, schema: T.StructType) -> Column:
    """When a row's change holds from, as its source states it; null where it states nothing."""
    if settings.stamp is None:
        return named(settings.sequence)
    return as_instant(named(settings.stamp), schema[settings.stamp].dataType)


def reads_covering(
    reads: Iterable[Read], is_observed: Column, stamp: Column, is_present: Column
) -> Column:
    """The instants of the reads that observe the same again, if it still holds; ascending.

    Args:
        reads: Reads that were loaded.
        is_observed: Whether there is an observation at all; else the key was absent.
        stamp: The instant that the observation's stamp names, or null.
        is_present: Whether the observation is a row, and not the absence of one.
    """
    instants = []
    for read in sorted_reads(reads):
        row = F.lit(read.full)
        if not read.full:
            row = F.lit(True) if read.low is None else stamp.isNull() | (stamp >= F.lit(read.low))
        covers = F.when(is_observed & is_present, row).otherwise(F.lit(read.full))
        instants.append(F.when(covers, F.lit(read.at).cast("timestamp")))
    return F.filter(F.array(*instants), lambda each: each.isNotNull())


def with_closed(read: Read, closed: int) -> Read:
    """The read, with how many keys were absent from it."""
    return replace(read, closed=closed)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
