"""Keys that a full read no longer carries: finding them, and a limit to how many may be closed.

A source shows less than it holds more often than it loses most of its rows: a partition was
detached, a table was emptied to be filled again, a backup was restored. So a read that would close
far more than usual stops, with the keys kept as evidence, until a person accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import MassClosingError
from history.model.applied_source_reads import ClosingLimit, Read
from history.model.history_settings import HistorySettings
from history.planning.late_source_reads import keys_present_at
from history.planning.versions_of_batch_keys import StoredVersions
from history.spark.column_quoting_and_comparison import named, same

MASS_CLOSING = "mass_closing"
"""The reason under which the keys that would have been closed are kept."""

MOST_KEPT = 10_000
"""How many of them are."""

_USUAL_READS, _USUAL_ROWS, _USUAL_TIMES = 5, 1_000, 10


def missing_keys(
    known: StoredVersions, settings: HistorySettings, seen: DataFrame, read: Read, *, is_late: bool
) -> DataFrame:
    """The keys that were there at the read by all that is known, and that it did not find.

    Args:
        known: What is published.
        settings: How the table is kept.
        seen: The keys that the read found, whatever became of their rows.
        read: The read.
        is_late: A later one was loaded before it: the open versions do not say what was there.
    """
    keys = [named(name) for name in settings.key]
    if is_late:
        kind = known.main.schema[settings.sequence].dataType
        wanted = (*keys, named(settings.sequence), F.col("__op"), F.col("__origin"))
        line = known.main.select(*wanted)
        if known.kept is not None:
            line = line.unionByName(known.kept.select(*wanted))
        there = keys_present_at(line, settings, F.lit(read.at).cast(kind), kind=kind)
    else:
        there = known.current.select(*keys)
    found = seen.select(*keys)
    return there.alias("t").join(found.alias("s"), same("t", "s", settings.key), "left_anti")


def why_too_many(
    closed: int, open_keys: int, limit: ClosingLimit, reads: Iterable[Read]
) -> str | None:
    """Why so many must not be closed without asking; None: they may.

    Args:
        closed: How many keys the read did not find.
        open_keys: How many there were.
        limit: What the table allows.
        reads: Earlier reads, which say what is usual.
    """
    if closed <= max(limit.rows, limit.at_most or 0):
        return None
    if closed * 100 > open_keys * limit.percent:
        return f"more than {limit.percent:g} % of {open_keys:,}"
    usual = [read.closed for read in reads if read.full]
    if len(usual) >= _USUAL_READS and closed > max(_USUAL_ROWS, _USUAL_TIMES * max(usual)):
        return f"no read so far has closed more than {max(usual):,}"
    return None


def mass_closing_error(table: str, closed: int, why: str) -> MassClosingError:
    """The error about a read that would close too many keys."""
    return MassClosingError(
        where=table,
        expected="a full read of the source that finds most of the open keys",
        found=f"{closed:,} open keys without a row: {why}",
        next_step="See that the source shows all its rows (a detached partition, a table being "
        f"reloaded, a restored backup); `strandline quarantine` lists keys under {MASS_CLOSING}. "
        f"If they are really gone, run again with `--closing-limit {closed}`. "
        "Nothing was changed.",
    )
