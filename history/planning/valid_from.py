"""Since when a change holds that was seen in a read: by its stamp where that can be, else the read.

A stamp is believed where it lies after the start of what it replaces and not after the read: a
transaction that commits late keeps its stamp. Otherwise the change is known to have happened by the
time of the read, and that is what its version says: it starts at the read, not at its stamp.

::

    read 1 at 10:00    read 2 at 11:00    what the second read finds       holds from
    a, stamped 9:30    b, stamped 10:20   a change with a stamp of its own 10:20, as stated
    a, stamped 9:30    b, stamped 9:40    a transaction that came late      9:40, as stated
    a, stamped 9:30    b, stamped 9:30    the stamp was left alone         11:00, as observed
    a, stamped 9:30    b, stamped 12:00   a stamp ahead of the clock       11:00, as observed
    a, stamped 9:30    b, no stamp        -                                11:00, as observed
    a, stamped 9:30    nothing            the row is gone                  ends at 11:00
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.applied_source_reads import source_timestamp
from history.model.history_settings import HistorySettings
from history.planning.event_validation import DELETE
from history.spark.column_quoting_and_comparison import named


def add_effective_from(
    line: DataFrame,
    settings: HistorySettings,
    schema: T.StructType,
    *,
    edges: WindowSpec,
) -> DataFrame:
    """Adds `__effective_from`: since when a boundary's change holds; else when it was seen.

    Args:
        line: Events of keys, with `__boundary` (opens a version or ends one),
            `__previous_operation` (what the event before it did), `__key_has_late` (the key's
            whole line is here) and `__version`.
        settings: How the table is kept.
        schema: The events' types.
        edges: The edges of a key in their order.
    """
    sequence, is_late = named(settings.sequence), F.col("__key_has_late")
    first = F.lit(None).cast("timestamp")
    if settings.first_valid_from is not None:
        first = named(settings.first_valid_from)
    edge = F.struct(
        sequence.alias("read_at"),
        source_timestamp(settings, schema).alias("stamp"),
        (F.col("__op") == DELETE).alias("ends"),
        first.alias("first"),
    )
    so_far = edges.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    # The line of a key without late events begins at its open version, whose start is known.
    opened = F.lag(F.col("__version")["valid_from"]).over(edges)
    known = F.col("__version")["valid_from"]
    alone = _effective_from(edge, opened, is_first=F.col("__previous_operation").isNull())
    whole_line = F.collect_list(F.when(is_late, edge)).over(so_far)
    at = F.when(is_late, _fold_boundaries(whole_line)["at"]).otherwise(F.coalesce(known, alone))
    return line.withColumn(
        "__effective_from", F.coalesce(F.when(F.col("__boundary"), at), sequence)
    )


def _effective_from(edge: Column, lower: Column, *, is_first: Column) -> Column:
    """When a change holds from, given the start of what it replaces; null for what was not there.

    The first version of a key may be dated before its stamp.
    """
    stamp, read_at = edge["stamp"], edge["read_at"]
    believed = (stamp <= read_at) & (lower.isNull() | (stamp > lower))
    at = F.when(believed, stamp).otherwise(read_at)
    earlier = is_first & ~edge["ends"] & (edge["first"] < at)
    return F.when(earlier, edge["first"]).otherwise(at)


def _fold_boundaries(edges: Column) -> Column:
    """The edges of a line so far, one after the other; `at` is that of the last one.

    The end of what has ended already changes nothing.
    """
    nothing = F.struct(
        F.lit(None).cast("timestamp").alias("at"),
        F.lit(False).alias("is_open"),
        F.lit(True).alias("is_first"),
    )

    def following(before: Column, edge: Column) -> Column:
        at = _effective_from(edge, before["at"], is_first=before["is_first"])
        idle = edge["ends"] & ~before["is_open"]
        return F.struct(
            F.when(idle, before["at"]).otherwise(at).alias("at"),
            (~edge["ends"]).alias("is_open"),
            F.lit(False).alias("is_first"),
        )

    return F.aggregate(edges, nothing, following)
