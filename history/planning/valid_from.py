"""Since when a change that a read observed holds: since its stamp if possible, else the read.

A stamp is believed where it lies after the start of what it replaces and not after the read: a
transaction that commits late keeps its stamp. Otherwise it is only certain that the change happened
by the time of the read, so its version starts at the read, not at its stamp.

::

    read 1 at 10:00    read 2 at 11:00    what the second read observes    holds from
    a, stamped 9:30    b, stamped 10:20   a change with a stamp of its own 10:20, as stated
    a, stamped 9:30    b, stamped 9:40    a transaction that came late      9:40, as stated
    a, stamped 9:30    b, stamped 9:30    the stamp was not updated        11:00, as observed
    a, stamped 9:30    b, stamped 12:00   a stamp ahead of the clock       11:00, as observed
    a, stamped 9:30    b, no stamp        -                                11:00, as observed
    a, stamped 9:30    no row             the row was deleted              ends at 11:00
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import source_timestamp
from history.planning.event_validation import DELETE
from history.spark.column_quoting_and_comparison import named


def add_effective_from(
    events: DataFrame,
    settings: HistorySettings,
    schema: T.StructType,
    *,
    timeline: WindowSpec | None,
) -> DataFrame:
    """Adds `__effective_from`: since when a boundary's change holds; else the event's sequence.

    Args:
        events: Events of keys, with `__boundary` (opens a version or ends one),
            `__previous_operation` (that of the event before it), `__key_has_late` (the key's
            whole timeline is in the frame) and `__version`.
        settings: How the table is kept.
        schema: The events' types.
        timeline: The window over the events of a key in their order; None: each is its key's only
            one, and nothing is stored of it.
    """
    sequence, is_late = named(settings.sequence), F.col("__key_has_late")
    first = F.lit(None).cast("timestamp")
    if settings.first_valid_from is not None:
        first = named(settings.first_valid_from)
    boundary = F.struct(
        sequence.alias("read_at"),
        source_timestamp(settings, schema).alias("stamp"),
        (F.col("__op") == DELETE).alias("ends"),
        first.alias("first"),
    )
    if timeline is None:
        at = _effective_from(boundary, F.lit(None).cast("timestamp"), is_first=F.lit(True))
        return events.withColumn(
            "__effective_from", F.when(F.col("__boundary"), at).otherwise(sequence)
        )
    so_far = timeline.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    # The timeline of a key without late events begins at its open version, whose start is stored.
    stored = F.col("__version")["valid_from"]
    previous = F.expr("lag(__stored_start) IGNORE NULLS").over(timeline)["at"]
    new = _effective_from(boundary, previous, is_first=F.col("__previous_operation").isNull())
    up_to_here = F.collect_list(F.when(is_late & F.col("__boundary"), boundary)).over(so_far)
    at = F.when(is_late, _fold_boundaries(up_to_here)["at"]).otherwise(F.coalesce(stored, new))
    # A struct, as the start of a boundary may be null and is then not to be passed over.
    stored_start = F.when(F.col("__boundary"), F.struct(stored.alias("at")))
    return (
        events.withColumn("__stored_start", stored_start)
        .withColumn("__effective_from", F.coalesce(F.when(F.col("__boundary"), at), sequence))
        .drop("__stored_start")
    )


def _effective_from(boundary: Column, lower: Column, *, is_first: Column) -> Column:
    """Since when a change holds, given the start of what it replaces, null if it replaces nothing.

    The first version of a key may be dated before its stamp.
    """
    stamp, read_at = boundary["stamp"], boundary["read_at"]
    believed = (stamp <= read_at) & (lower.isNull() | (stamp > lower))
    at = F.when(believed, stamp).otherwise(read_at)
    earlier = is_first & ~boundary["ends"] & (boundary["first"] < at)
    return F.when(earlier, boundary["first"]).otherwise(at)


def _fold_boundaries(boundaries: Column) -> Column:
    """Dates the boundaries of a timeline one after the other; `at` is the start of the last one.

    A delete of what has ended already changes nothing.
    """
    nothing = F.struct(
        F.lit(None).cast("timestamp").alias("at"),
        F.lit(False).alias("is_open"),
        F.lit(True).alias("is_first"),
    )

    def following(before: Column, boundary: Column) -> Column:
        at = _effective_from(boundary, before["at"], is_first=before["is_first"])
        ends_nothing = boundary["ends"] & ~before["is_open"]
        return F.struct(
            F.when(ends_nothing, before["at"]).otherwise(at).alias("at"),
            (~boundary["ends"]).alias("is_open"),
            F.lit(False).alias("is_first"),
        )

    return F.aggregate(boundaries, nothing, following)
