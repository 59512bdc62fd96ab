"""The history of a table that is read as it is now, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple


class Row(NamedTuple):
    key: Any
    tracked: Any
    rest: Any
    stamp: datetime | None  # when it says it changed; None where it says no time
    operation: str | None = "upsert"  # 'delete': it left the filter
    refused: bool = False


class Read(NamedTuple):
    at: datetime  # by the source's clock
    full: bool  # there were no other rows
    rows: tuple[Row, ...]


class Version(NamedTuple):
    tracked: Any
    rest: Any
    read_at: datetime  # of the read that saw it first
    start: datetime
    end: datetime | None


def history(reads: Iterable[Read]) -> dict[Any, list[Version]]:
    """The versions of each key, in order; the reads may come in any."""
    found: dict[Any, list[Version]] = {}
    for read in sorted(reads, key=lambda read: read.at):
        for key in {row.key for row in read.rows} | ({*found} if read.full else set()):
            rows = [row for row in read.rows if row.key == key]
            if not rows or (len(rows) == 1 and not rows[0].refused):
                observe(found.setdefault(key, []), read.at, rows[0] if rows else None)
            # Else the key was seen, but nobody knows how it is.
    return {key: versions for key, versions in found.items() if versions}


def observe(mine: list[Version], at: datetime, row: Row | None) -> None:
    """Adds to a key's versions what one read says of it; None: that it is not there."""
    exists, last = row is not None and row.operation != "delete", mine[-1] if mine else None
    is_open = last is not None and last.end is None
    if exists and is_open and last.tracked == row.tracked:
        mine[-1] = last._replace(rest=row.rest)
    elif exists or is_open:
        known, stamp = last and (last.start if is_open else last.end), row and row.stamp
        start = stamp if stamp and stamp <= at and (not known or known < stamp) else at
        if is_open:
            mine[-1] = last._replace(end=start)
        if exists:
            mine.append(Version(row.tracked, row.rest, at, start, None))
