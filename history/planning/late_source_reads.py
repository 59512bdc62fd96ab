"""What reads saw without its being written: that a key was still as its last observation said.

Needed only where a read is loaded after a later one. Between them lie the reads that saw the key
unchanged; the late one must not speak for the time after them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.applied_source_reads import Read, reads_covering, source_timestamp
from history.model.history_settings import HistorySettings
from history.planning.event_validation import CONTESTED, DELETE, UPSERT
from history.planning.scd2_versions import KEPT, NEW
from history.spark.column_quoting_and_comparison import named, per


def add_unchanged_observations(
    line: DataFrame, settings: HistorySettings, reads: Iterable[Read]
) -> DataFrame:
    """The line with what was seen again after each new event, at the first read that saw it.

    Args:
        line: New, kept and stored events of keys: event columns, `__op`, `__origin`, `__version`.
        settings: How the table is kept.
        reads: The reads that were loaded.
    """
    columns = [name for name in line.columns if not name.startswith("__")]
    sequence, is_new = named(settings.sequence), F.col("__origin") == NEW
    told = [named(name).alias(f"c{at}") for at, name in enumerate(columns)]
    event = F.struct(
        F.col("__op").alias("op"), source_timestamp(settings, line.schema).alias("at"), *told
    )
    counts = ~is_new & (F.col("__op") != CONTESTED)
    # Of one instant a kept event says what its version may no longer show.
    order = per(*settings.key).orderBy(sequence, is_new, F.col("__origin") == KEPT)
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    after = order.rowsBetween(1, Window.unboundedFollowing)
    placed = line.withColumns(
        {
            "__content": F.last(F.when(counts, event), ignorenulls=True).over(before),
            "__next": F.first(F.when(counts, sequence), ignorenulls=True).over(after),
            # Reads that found rows which contradict each other did not see it again.
            "__contested_at": F.collect_list(F.when(~is_new & ~counts, sequence)).over(after),
        }
    ).where(is_new)
    said = F.col("__content")
    is_row = F.coalesce(said["op"] == UPSERT, F.lit(False))
    instants = reads_covering(reads, said.isNotNull(), said["at"], is_row)
    later = F.filter(
        instants,
        lambda at: (
            (at > sequence)
            & (F.col("__next").isNull() | (at < F.col("__next")))
            & ~F.array_contains(F.col("__contested_at"), at)
        ),
    )
    found = placed.withColumn("__seen_at", F.get(later, F.lit(0)))
    found = found.where(F.col("__seen_at").isNotNull())
    values = [
        _observed_again(name, said[f"c{at}"], settings).alias(name)
        for at, name in enumerate(columns)
    ]
    nothing = F.lit(None).cast(line.schema["__version"].dataType)
    again = found.select(
        *values,
        F.coalesce(said["op"], F.lit(DELETE)).alias("__op"),
        F.lit(NEW).alias("__origin"),
        nothing.alias("__version"),
    )
    return line.unionByName(again)


def keys_present_at(
    line: DataFrame, settings: HistorySettings, at: Column, *, kind: T.DataType
) -> DataFrame:
    """The keys that were there at an instant, by all that is known of each: stored events only."""
    sequence = named(settings.sequence)
    order = F.struct(sequence.cast(kind), F.col("__origin") == KEPT)
    known = line.where((F.col("__op") != CONTESTED) & (sequence <= at))
    last = F.max_by("__op", order).alias("__last")
    keys = [named(name) for name in settings.key]
    return known.groupBy(*keys).agg(last).where(F.col("__last") == UPSERT).select(*keys)


def _observed_again(name: str, value: Column, settings: HistorySettings) -> Column:
    if name in settings.key:
        return named(name)
    return F.col("__seen_at") if name == settings.sequence else value
