"""Open keys that a full read does not return: finding them, and a limit of how many may be closed.

A source shows less than it has more often than it loses most of its rows: a partition was detached,
a table was emptied to be filled again, a backup was restored. So a read that would close far more
than usual stops, with the keys kept as evidence, until a person accepts it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import MassClosingError
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import ClosingLimit, Read
from history.planning.late_source_reads import keys_present_at
from history.planning.versions_of_batch_keys import StoredVersions
from history.spark.column_quoting_and_comparison import named, same

MASS_CLOSING = "mass_closing"
"""The reason under which the keys that would have been closed are kept."""

MOST_KEPT = 10_000
"""How many of them are kept."""

_USUAL_READS, _USUAL_ROWS, _USUAL_TIMES = 5, 1_000, 10


def missing_keys(
    stored: StoredVersions,
    settings: HistorySettings,
    returned: DataFrame,
    read: Read,
    *,
    is_late: bool,
) -> DataFrame:
    """The keys that were open at the read by the stored events, and that it did not return.

    Args:
        stored: The published versions and kept events.
        settings: How the table is kept.
        returned: The keys that the read returned, whatever became of their rows.
        read: The read.
        is_late: A later one was loaded before it: the open versions are not those of its instant.
    """
    keys = [named(name) for name in settings.key]
    if is_late:
        kind = stored.main.schema[settings.sequence].dataType
        columns = (*keys, named(settings.sequence), F.col("__op"), F.col("__origin"))
        timeline = stored.main.select(*columns)
        if stored.kept is not None:
            timeline = timeline.unionByName(stored.kept.select(*columns))
        open_keys = keys_present_at(timeline, settings, F.lit(read.at).cast(kind), kind=kind)
    else:
        open_keys = stored.current.select(*keys)
    present = returned.select(*keys)
    return open_keys.alias("t").join(present.alias("s"), same("t", "s", settings.key), "left_anti")


def why_too_many(
    closed: int, open_keys: int, limit: ClosingLimit, reads: Iterable[Read]
) -> str | None:
    """Why so many must not be closed unless a person accepts it; None: they may.

    Args:
        closed: How many open keys the read did not return.
        open_keys: How many open keys there are.
        limit: What the table allows.
        reads: Earlier reads, which show what is usual.
    """
    if closed <= max(limit.rows, limit.at_most or 0):
        return None
    if closed * 100 > open_keys * limit.percent:
        return f"more than {limit.percent:g}% of {open_keys:,}"
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
