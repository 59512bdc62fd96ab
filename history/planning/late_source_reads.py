"""Observations that are not stored: reads in which a key was still as last observed.

Needed only where a read is loaded after a later one. Between them lie the reads that observed the
key unchanged; the late read must not change the time after them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import Read, reads_covering, source_timestamp
from history.planning.event_validation import CONTESTED, DELETE, UPSERT
from history.planning.scd2_versions import KEPT, NEW
from history.spark.column_quoting_and_comparison import named, per


def add_unchanged_observations(
    timeline: DataFrame, settings: HistorySettings, reads: Iterable[Read]
) -> DataFrame:
    """Adds what was observed again after each new event, at the first read that observed it.

    Args:
        timeline: New, kept and stored events of keys: event columns, `__op`, `__origin` and
            `__version`.
        settings: How the table is kept.
        reads: The reads that were loaded.
    """
    columns = [name for name in timeline.columns if not name.startswith("__")]
    sequence, is_new = named(settings.sequence), F.col("__origin") == NEW
    values = [named(name).alias(f"c{at}") for at, name in enumerate(columns)]
    event = F.struct(
        F.col("__op").alias("op"), source_timestamp(settings, timeline.schema).alias("at"), *values
    )
    is_observation = ~is_new & (F.col("__op") != CONTESTED)
    is_contested = ~is_new & ~is_observation
    # Of one instant the kept event counts: its version may show a later event's values.
    order = per(*settings.key).orderBy(sequence, is_new, F.col("__origin") == KEPT)
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    after = order.rowsBetween(1, Window.unboundedFollowing)
    new = timeline.withColumns(
        {
            "__content": F.last(F.when(is_observation, event), ignorenulls=True).over(before),
            "__next": F.first(F.when(is_observation, sequence), ignorenulls=True).over(after),
            # Reads with contradicting rows of the key did not observe it again.
            "__contested_at": F.collect_list(F.when(is_contested, sequence)).over(after),
        }
    ).where(is_new)
    last = F.col("__content")
    is_row = F.coalesce(last["op"] == UPSERT, F.lit(False))
    instants = reads_covering(reads, last.isNotNull(), last["at"], is_row)
    later = F.filter(
        instants,
        lambda at: (
            (at > sequence)
            & (F.col("__next").isNull() | (at < F.col("__next")))
            & ~F.array_contains(F.col("__contested_at"), at)
        ),
    )
    repeated = new.withColumn("__seen_at", F.get(later, F.lit(0)))
    repeated = repeated.where(F.col("__seen_at").isNotNull())
    observed = [
        _observed_again(name, last[f"c{at}"], settings).alias(name)
        for at, name in enumerate(columns)
    ]
    no_version = F.lit(None).cast(timeline.schema["__version"].dataType)
    again = repeated.select(
        *observed,
        F.coalesce(last["op"], F.lit(DELETE)).alias("__op"),
        F.lit(NEW).alias("__origin"),
        no_version.alias("__version"),
    )
    return timeline.unionByName(again)


def keys_present_at(
    timeline: DataFrame, settings: HistorySettings, at: Column, *, kind: T.DataType
) -> DataFrame:
    """The keys that were open at an instant, by the stored events up to it."""
    sequence = named(settings.sequence)
    order = F.struct(sequence.cast(kind), F.col("__origin") == KEPT)
    events = timeline.where((F.col("__op") != CONTESTED) & (sequence <= at))
    last = F.max_by("__op", order).alias("__last")
    keys = [named(name) for name in settings.key]
    return events.groupBy(*keys).agg(last).where(F.col("__last") == UPSERT).select(*keys)


def _observed_again(name: str, value: Column, settings: HistorySettings) -> Column:
    if name in settings.key:
        return named(name)
    return F.col("__seen_at") if name == settings.sequence else value
