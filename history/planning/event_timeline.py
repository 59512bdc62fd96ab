"""New events and stored rows of the batch's keys on one timeline.

Exact repeats of stored events are dropped, late events are marked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import functions as F

from history.iceberg.current_snapshot import CurrentState
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
from history.spark.few_rows import FEW, in_one_partition_if_few


@dataclass(frozen=True, slots=True)
class EventTimeline:
    """The new events and every stored row they are planned with, marked with `__unique_instant`.

    Attributes:
        rows: With which a plan is made.
        crowded: Some instant has more than one of them.
        all_decided: No instant is contested.
        otherwise: The timeline to plan with if that shows rows that are `UNFORESEEN`.
    """

    rows: DataFrame
    crowded: bool
    all_decided: bool = False
    otherwise: Callable[[], EventTimeline] | None = None


def event_timeline(
    events: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    batch: Batch,
    key_range: KeyRange,
    *,
    accepted: int,
) -> EventTimeline:
    """Put the new events on one timeline with the stored rows of their keys.

    Where nothing is stored yet, `history.planning.first_load` does.

    Args:
        events: Accepted events, checkpointed: event columns and `__op`.
        stored: The published versions and kept events.
        state: The published state to plan against.
        batch: What is loaded.
        key_range: The key range of the batch.
        accepted: How many events there are.
    """
    settings = batch.settings
    columns = tuple(name for name in events.columns if name != "__op")
    no_version = F.lit(None).cast(stored.main.schema["__version"].dataType)
    new = events.withColumns({"__origin": F.lit(NEW), "__version": no_version})
    if state.has_read_after(batch.read) or (batch.released and settings.stamp is not None):
        return _timeline_of_late_read(new, stored, state, batch, key_range, accepted=accepted)
    keys, crowded = batch_keys(in_one_partition_if_few(events, accepted), settings), None
    if accepted > FEW:
        held = checkpoint(keys, {"crowded": count_of(F.col("__shares_instant"))})
        keys, crowded = held.rows, held.counts["crowded"] > 0
    keys = broadcast_if_small(keys.drop("__shares_instant"), accepted)
    counts: dict[str, Column] = {
        "rows": F.count("*"),
        "compared": count_of(
            F.col("__not_before_batch") | values_of_added_columns.may_be_unknown(settings, columns)
        ),
    }
    in_range = key_range.filter(stored.current)
    current = checkpoint(stored_rows_of_batch(in_range, keys, settings), counts)
    rows = new.unionByName(current.rows.drop("__not_before_batch"))
    kept_rows = 0
    if stored.kept is not None:
        in_range = key_range.filter(stored.kept)
        kept = checkpoint(stored_rows_of_batch(in_range, keys, settings), counts)
        rows = rows.unionByName(kept.rows.drop("__not_before_batch"), allowMissingColumns=True)
        kept_rows = kept.counts["rows"]
    rows = in_one_partition_if_few(rows, accepted + current.counts["rows"] + kept_rows)

    def compared() -> EventTimeline:
        return _compared_timeline(rows, stored, settings, columns, key_range)

    if crowded or current.counts["compared"] or kept_rows:
        return compared()
    # Every event is newer than all that is stored of its key. That each has an instant to itself
    # is known, or shows in the plan: to look first takes a few events longer than to plan them.
    flags = {"__key_has_late": F.lit(False), "__arrives_late": F.lit(False), ALONE: F.lit(True)}
    return EventTimeline(
        rows.withColumns(flags), crowded=False, all_decided=True, otherwise=compared
    )


def _compared_timeline(
    rows: DataFrame,
    stored: StoredVersions,
    settings: HistorySettings,
    columns: tuple[str, ...],
    key_range: KeyRange,
) -> EventTimeline:
    """New events compared with each other and with the stored rows of their keys."""
    is_new = F.col("__origin") == NEW
    sequence, kind = named(settings.sequence), rows.schema[settings.sequence].dataType
    timeline = checkpoint(
        mark_unique_instants(mark_late_events(rows, settings, columns), settings),
        {
            "crowded": count_of(~F.col(ALONE)),
            "late": count_of(F.col("__key_has_late") & is_new),
            "earliest": as_text(F.min(F.when(F.col("__arrives_late"), sequence)), kind),
        },
    )
    if not timeline.counts["late"]:
        return EventTimeline(timeline.rows, crowded=timeline.counts["crowded"] > 0)
    late_rows = timeline.rows.where(F.col("__key_has_late"))
    late_keys = late_rows.select(*[named(name) for name in settings.key]).distinct()
    late_keys = broadcast_if_small(late_keys, int(timeline.counts["late"]))
    versions = key_range.filter(stored.main)
    if settings.first_valid_from is None and not (settings.evolved or settings.stamp):
        # Otherwise the plan needs to know whether a version is the first of its key, what earlier
        # ones have in an evolved column, or when each of them began.
        end = F.col("__version")["valid_to"]
        earliest = from_text(timeline.counts["earliest"], kind)
        versions = versions.where(end.isNull() | (end >= earliest))
    versions = checkpoint(rows_of_keys(versions, late_keys, settings)).rows
    versions = versions.withColumns({"__key_has_late": F.lit(True), "__arrives_late": F.lit(False)})
    other_rows = timeline.rows.where(~F.col("__key_has_late"))
    late_events = late_rows.where(F.col("__origin") != MAIN).drop(ALONE)
    late_rows = _without_events_of_unread_versions(late_events.unionByName(versions), settings)
    return checkpoint_timeline(
        mark_unique_instants(other_rows.drop(ALONE).unionByName(late_rows), settings)
    )


def _without_events_of_unread_versions(rows: DataFrame, settings: HistorySettings) -> DataFrame:
    """Late keys' rows without the kept upserts of versions that were not read.

    A kept upsert lies within a version, so one before the first version read is not needed. Deletes
    are: they show that there was a version before.
    """
    sequence = named(settings.sequence)
    read = F.col("__origin") == MAIN
    first = F.min(F.when(read, sequence)).over(whole(per(*settings.key)))
    kept_upsert = (F.col("__origin") == KEPT) & (F.col("__op") == UPSERT)
    unread = kept_upsert & F.coalesce(sequence < first, F.lit(True))
    return rows.withColumn("__unread", unread).where(~F.col("__unread")).drop("__unread")


def mark_late_events(
    rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Compare new events with the stored rows of their keys: drop repeats, mark late events.

    Args:
        rows: New events, open versions and kept events of some keys.
        settings: How the table is kept.
        columns: The event columns.

    Returns:
        The rows with `__arrives_late` (a new event at or before the newest stored one) and
        `__key_has_late` (its key has such an event, or one with a known value of a column that is
        unknown in the open version), without exact repeats of stored events and, for keys without
        late events, without the kept events that precede the open version.
    """
    schema = rows.schema
    sequence, origin = named(settings.sequence), F.col("__origin")
    instant = whole(per(*settings.key, settings.sequence))
    whole_key = whole(per(*settings.key))
    names = [*settings.tie_breaker, *settings.compared(columns), *settings.overwritten(columns)]
    names = [*settings.plain(names), *settings.dated_by]
    event = F.struct(F.col("__op").alias("op"), content(names, schema).alias("said"))
    # Where an event is kept, its version's row may show a later event's type-1 values.
    is_stored = (origin == KEPT) | ((origin == MAIN) & ~F.col("__kept_here"))
    is_new = origin == NEW
    newest_delete = F.max(F.when((origin == KEPT) & (F.col("__op") == DELETE), sequence))
    last_boundary = F.coalesce(
        F.max(F.when(origin == MAIN, sequence)).over(whole_key), newest_delete.over(whole_key)
    )
    with_values = F.struct(event.alias("seen"), F.col("__known_values").alias("told"))
    marked = (
        rows.withColumn(
            "__known_values", values_of_added_columns.known_values(settings, columns, schema)
        )
        .withColumn("__kept_here", F.max(origin == KEPT).over(instant))
        .withColumns(
            {
                "__known": F.first(F.when(is_stored, with_values), ignorenulls=True).over(instant),
                "__last": F.max(F.when(~is_new, sequence)).over(whole_key),
                "__last_boundary": last_boundary,
            }
        )
        .withColumn("__is_repeat", is_new & _is_repeat(event, settings, columns))
        .withColumn(
            "__arrives_late",
            F.coalesce(
                is_new & ~F.col("__is_repeat") & (sequence <= F.col("__last")), F.lit(False)
            ),
        )
        .withColumn("__key_has_late", F.max("__arrives_late").over(whole_key))
    )
    if settings.stamp is not None:
        marked = marked.withColumn(
            "__key_has_late", F.col("__key_has_late") | _start_is_unknown(whole_key, settings)
        )
    if settings.evolved:
        marked = _late_where_columns_become_known(marked, settings, columns)
    settled = (origin == KEPT) & (sequence < F.col("__last_boundary")) & ~F.col("__key_has_late")
    needed = marked.where(~F.col("__is_repeat") & ~F.coalesce(settled, F.lit(False)))
    return needed.drop(
        "__kept_here", "__known_values", "__known", "__last", "__last_boundary", "__is_repeat"
    )


def _start_is_unknown(whole_key: WindowSpec, settings: HistorySettings) -> Column:
    """Whether the start of what a key's new event replaces is not that of an open version.

    The key was deleted when it was last observed, or its version begins after the read (a stamp
    ahead of the clock, from before the source was read as a state).
    """
    is_new, origin = F.col("__origin") == NEW, F.col("__origin")
    has_new = F.max(is_new & ~F.col("__is_repeat")).over(whole_key)
    is_open = F.max(origin == MAIN).over(whole_key)
    was_deleted = F.max((origin == KEPT) & (F.col("__op") == DELETE)).over(whole_key)
    start = F.max(F.when(origin == MAIN, F.col("__version")["valid_from"])).over(whole_key)
    read_at = F.max(F.when(is_new, named(settings.sequence))).over(whole_key)
    ahead = F.coalesce(start >= read_at, F.lit(False))
    return F.coalesce(has_new & ((was_deleted & ~is_open) | ahead), F.lit(False))


def _timeline_of_late_read(
    new: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    batch: Batch,
    key_range: KeyRange,
    *,
    accepted: int,
) -> EventTimeline:
    """The timeline of a read that is loaded after a later one: every stored row of its keys.

    With the observations of the later reads that are not stored
    (`history.planning.late_source_reads`), unless those refused the keys as this one did.
    """
    settings = batch.settings
    keys = broadcast_if_small(
        new.select(*[named(name) for name in settings.key]).distinct(), accepted
    )
    rows = new.unionByName(rows_of_keys(key_range.filter(stored.main), keys, settings))
    if stored.kept is not None:
        kept = rows_of_keys(key_range.filter(stored.kept), keys, settings)
        rows = rows.unionByName(kept, allowMissingColumns=True)
    if not batch.released:
        rows = late_source_reads.add_unchanged_observations(rows, settings, state.reads)
    flags = {"__key_has_late": F.lit(True), "__arrives_late": F.col("__origin") == NEW}
    return checkpoint_timeline(mark_unique_instants(rows.withColumns(flags), settings))


def _is_repeat(event: Column, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    stored = F.col("__known")
    same = event.eqNullSafe(stored["seen"])
    return (
        same & values_of_added_columns.repeats_known_values(stored["told"], settings, columns)
        if settings.evolved
        else same
    )


def _late_where_columns_become_known(
    rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Marks keys as late where a new event has a value of a column unknown in the open version.

    The last known value of the column may then be that of an earlier version.
    """
    is_new, whole_key = F.col("__origin") == NEW, whole(per(*settings.key))
    compared, late = settings.compared(columns), F.col("__key_has_late")
    for each in settings.partly_known(columns):
        if each.column in compared:
            open_lacks = (F.col("__origin") == MAIN) & each.unknown(named(settings.sequence))
            new_has = (
                is_new & ~F.col("__is_repeat") & values_of_added_columns.is_known(each, settings)
            )
            late = late | (F.max(open_lacks).over(whole_key) & F.max(new_has).over(whole_key))
    return rows.withColumn("__key_has_late", late)


def checkpoint_timeline(marked: DataFrame) -> EventTimeline:
    """A checkpoint of marked rows, as a timeline."""
    timeline = checkpoint(marked, {"crowded": count_of(~F.col(ALONE))})
    return EventTimeline(timeline.rows, crowded=timeline.counts["crowded"] > 0)
