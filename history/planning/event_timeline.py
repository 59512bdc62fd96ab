"""New events and stored rows of the batch's keys on one timeline.

Exact repeats of known events are dropped, late events are marked.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import functions as F

from history.iceberg.current_state import CurrentState
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning import late_source_reads, values_of_added_columns
from history.planning.event_validation import DELETE, UPSERT
from history.planning.key_range_pruning import KeyRange
from history.planning.scd2_versions import (
    ALONE,
    KEPT,
    MAIN,
    NEW,
    mark_unique_instants,
)
from history.planning.versions_of_batch_keys import (
    StoredVersions,
    batch_keys,
    broadcast_if_small,
    rows_of_keys,
    stored_rows_of_batch,
)
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import (
    as_text,
    content,
    count_of,
    from_text,
    named,
    per,
    whole,
)


@dataclass(frozen=True, slots=True)
class EventTimeline:
    """The new events and every stored row they have to be seen with, marked where alone.

    `crowded` says whether any instant has more than one of them.
    """

    rows: DataFrame
    crowded: bool


def event_timeline(
    events: DataFrame,
    known: StoredVersions,
    state: CurrentState,
    batch: Batch,
    reach: KeyRange,
    *,
    accepted: int,
) -> EventTimeline:
    """Lay the new events on one line with what is stored of their keys.

    Args:
        events: Accepted events, held: event columns and `__op`.
        known: What is published.
        state: The published state to plan against.
        batch: What is loaded.
        reach: Where the keys of the batch lie.
        accepted: How many events there are.
    """
    settings = batch.settings
    columns = tuple(name for name in events.columns if name != "__op")
    nothing = F.lit(None).cast(known.main.schema["__version"].dataType)
    new = events.withColumns({"__origin": F.lit(NEW), "__version": nothing})
    if state.is_empty:
        flags = {"__key_has_late": F.lit(False), "__arrives_late": F.lit(False)}
        return checkpoint_timeline(mark_unique_instants(new.withColumns(flags), settings))
    if state.has_read_after(batch.read):
        return _timeline_of_late_read(new, known, state, batch, reach, accepted=accepted)
    asked = checkpoint(
        batch_keys(events, settings), {"crowded": count_of(F.col("__shares_instant"))}
    )
    keys = broadcast_if_small(asked.rows, accepted)
    met: dict[str, Column] = {
        "rows": F.count("*"),
        "met": count_of(
            F.col("__not_before_batch") | values_of_added_columns.may_be_unknown(settings, columns)
        ),
    }
    current = checkpoint(stored_rows_of_batch(reach.filter(known.current), keys, settings), met)
    stack = new.unionByName(current.rows.drop("__not_before_batch"))
    remembered = 0
    if known.kept is not None:
        kept = checkpoint(stored_rows_of_batch(reach.filter(known.kept), keys, settings), met)
        stack = stack.unionByName(kept.rows.drop("__not_before_batch"), allowMissingColumns=True)
        remembered = kept.counts["rows"]
    if not (asked.counts["crowded"] or current.counts["met"] or remembered):
        # Every event has an instant to itself and is newer than all that is known of its key.
        alone = {"__key_has_late": F.lit(False), "__arrives_late": F.lit(False), ALONE: F.lit(True)}
        return EventTimeline(stack.withColumns(alone), crowded=False)
    is_new = F.col("__origin") == NEW
    sequence, kind = named(settings.sequence), events.schema[settings.sequence].dataType
    line = checkpoint(
        mark_unique_instants(mark_late_events(stack, settings, columns), settings),
        {
            "crowded": count_of(~F.col(ALONE)),
            "late": count_of(F.col("__key_has_late") & is_new),
            "earliest": as_text(F.min(F.when(F.col("__arrives_late"), sequence)), kind),
        },
    )
    if not line.counts["late"]:
        return EventTimeline(line.rows, crowded=line.counts["crowded"] > 0)
    behind = line.rows.where(F.col("__key_has_late"))
    late_keys = behind.select(*[named(name) for name in settings.key]).distinct()
    late_keys = broadcast_if_small(late_keys, int(line.counts["late"]))
    reached = reach.filter(known.main)
    if settings.first_valid_from is None and not (settings.learned or settings.stamp):
        # Otherwise it has to be known whether a version is the first of its key, what any earlier
        # one says of a learned column, or when each of them began.
        end = F.col("__version")["valid_to"]
        earliest = from_text(line.counts["earliest"], kind)
        reached = reached.where(end.isNull() | (end >= earliest))
    every = checkpoint(rows_of_keys(reached, late_keys, settings)).rows
    every = every.withColumns({"__key_has_late": F.lit(True), "__arrives_late": F.lit(False)})
    timely = line.rows.where(~F.col("__key_has_late"))
    unread = behind.where(F.col("__origin") != MAIN).drop(ALONE)
    together = _without_events_of_unread_versions(unread.unionByName(every), settings)
    return checkpoint_timeline(
        mark_unique_instants(timely.drop(ALONE).unionByName(together), settings)
    )


def _without_events_of_unread_versions(rows: DataFrame, settings: HistorySettings) -> DataFrame:
    """Late keys' rows without the kept upserts that belong to versions which were not read.

    A kept upsert lies within a version, so one before the first version read is not needed. Deletes
    are: they tell that there was something before.
    """
    sequence = named(settings.sequence)
    read = F.col("__origin") == MAIN
    first = F.min(F.when(read, sequence)).over(whole(per(*settings.key)))
    before = (F.col("__origin") == KEPT) & (F.col("__op") == UPSERT)
    unread = before & F.coalesce(sequence < first, F.lit(True))
    return rows.withColumn("__unread", unread).where(~F.col("__unread")).drop("__unread")


def mark_late_events(
    rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """New events against what is known of their keys: which are repeats, which come late.

    Args:
        rows: New events, open versions and kept events of some keys.
        settings: How the table is kept.
        columns: The event columns.

    Returns:
        The rows with `__arrives_late` (a new event at or before the newest known one) and
        `__key_has_late` (its key has such an event, or one that knows a column the open version
        does not), without exact repeats of known events and, for keys without late events, without
        the kept events that the open version leaves behind.
    """
    schema = rows.schema
    sequence, origin = named(settings.sequence), F.col("__origin")
    instant = whole(per(*settings.key, settings.sequence))
    everything = whole(per(*settings.key))
    told = [*settings.tie_breaker, *settings.compared(columns), *settings.overwritten(columns)]
    told = [*settings.plain(told), *settings.dated_by]
    seen = F.struct(F.col("__op").alias("op"), content(told, schema).alias("said"))
    # Where an event is kept, its version's row may show a later event's type-1 values.
    stands = (origin == KEPT) | ((origin == MAIN) & ~F.col("__kept_here"))
    is_new = origin == NEW
    newest_delete = F.max(F.when((origin == KEPT) & (F.col("__op") == DELETE), sequence))
    anchor = F.coalesce(
        F.max(F.when(origin == MAIN, sequence)).over(everything), newest_delete.over(everything)
    )
    whole_said = F.struct(seen.alias("seen"), F.col("__known_values").alias("told"))
    judged = (
        rows.withColumn(
            "__known_values", values_of_added_columns.known_values(settings, columns, schema)
        )
        .withColumn("__kept_here", F.max(origin == KEPT).over(instant))
        .withColumns(
            {
                "__known": F.first(F.when(stands, whole_said), ignorenulls=True).over(instant),
                "__last": F.max(F.when(~is_new, sequence)).over(everything),
                "__last_boundary": anchor,
            }
        )
        .withColumn("__is_repeat", is_new & _is_repeat(seen, settings, columns))
        .withColumn(
            "__arrives_late",
            F.coalesce(
                is_new & ~F.col("__is_repeat") & (sequence <= F.col("__last")), F.lit(False)
            ),
        )
        .withColumn("__key_has_late", F.max("__arrives_late").over(everything))
    )
    if settings.stamp is not None:
        judged = judged.withColumn(
            "__key_has_late", F.col("__key_has_late") | _start_is_unknown(everything, settings)
        )
    if settings.learned:
        judged = _late_where_columns_become_known(judged, settings, columns)
    settled = (origin == KEPT) & (sequence < F.col("__last_boundary")) & ~F.col("__key_has_late")
    left = judged.where(~F.col("__is_repeat") & ~F.coalesce(settled, F.lit(False)))
    return left.drop(
        "__kept_here", "__known_values", "__known", "__last", "__last_boundary", "__is_repeat"
    )


def _start_is_unknown(everything: WindowSpec, settings: HistorySettings) -> Column:
    """Whether the start of what a key's new event replaces is not that of an open version.

    It was closed when it was last seen, or begins after the read (a stamp ahead of the clock, from
    before the table was read like this).
    """
    is_new, origin = F.col("__origin") == NEW, F.col("__origin")
    news = F.max(is_new & ~F.col("__is_repeat")).over(everything)
    is_open = F.max(origin == MAIN).over(everything)
    was_there = F.max((origin == KEPT) & (F.col("__op") == DELETE)).over(everything)
    start = F.max(F.when(origin == MAIN, F.col("__version")["valid_from"])).over(everything)
    read_at = F.max(F.when(is_new, named(settings.sequence))).over(everything)
    ahead = F.coalesce(start >= read_at, F.lit(False))
    return F.coalesce(news & ((was_there & ~is_open) | ahead), F.lit(False))


def _timeline_of_late_read(
    new: DataFrame,
    known: StoredVersions,
    state: CurrentState,
    batch: Batch,
    reach: KeyRange,
    *,
    accepted: int,
) -> EventTimeline:
    """The line of a read that is loaded after a later one: all that is known of its keys.

    With what the later reads saw of them without writing it down
    (`history.planning.late_source_reads`).
    """
    settings = batch.settings
    keys = broadcast_if_small(
        new.select(*[named(name) for name in settings.key]).distinct(), accepted
    )
    stack = new.unionByName(rows_of_keys(reach.filter(known.main), keys, settings))
    if known.kept is not None:
        kept = rows_of_keys(reach.filter(known.kept), keys, settings)
        stack = stack.unionByName(kept, allowMissingColumns=True)
    seen = late_source_reads.add_unchanged_observations(stack, settings, state.reads)
    flags = {"__key_has_late": F.lit(True), "__arrives_late": F.col("__origin") == NEW}
    return checkpoint_timeline(mark_unique_instants(seen.withColumns(flags), settings))


def _is_repeat(seen: Column, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    known = F.col("__known")
    same = seen.eqNullSafe(known["seen"])
    return (
        same & values_of_added_columns.repeats_known_values(known["told"], settings, columns)
        if settings.learned
        else same
    )


def _late_where_columns_become_known(
    rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Marks keys as late where a new event knows a column that the open version does not.

    What was known of the column may then stand in an earlier version.
    """
    is_new, everything = F.col("__origin") == NEW, whole(per(*settings.key))
    compared, late = settings.compared(columns), F.col("__key_has_late")
    for each in settings.partly_known(columns):
        if each.column in compared:
            open_lacks = (F.col("__origin") == MAIN) & each.unknown(named(settings.sequence))
            learns = (
                is_new & ~F.col("__is_repeat") & values_of_added_columns.is_known(each, settings)
            )
            late = late | (F.max(open_lacks).over(everything) & F.max(learns).over(everything))
    return rows.withColumn("__key_has_late", late)


def checkpoint_timeline(marks: DataFrame) -> EventTimeline:
    """Marked rows, held, as a line."""
    line = checkpoint(marks, {"crowded": count_of(~F.col(ALONE))})
    return EventTimeline(line.rows, crowded=line.counts["crowded"] > 0)
