"""The plan of a first load: nothing is stored, and most events have an instant to themselves.

So all is planned in one step, without looking first whether events share an instant; where some do,
that plan lacks them, and it is made again. Many events are laid out by ranges of their keys before
anything else: each later step, down to the files, leaves them where they are then.

See `history.writing.write_first_load` for how such a plan is written without being held.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.planning.event_timeline import EventTimeline, checkpoint_timeline
from history.planning.merge_plan import planned_timeline
from history.planning.scd2_versions import (
    NEW,
    as_candidates,
    mark_unique_instants,
    plan_versions,
)
from history.planning.versions_of_batch_keys import StoredVersions
from history.spark.checkpoint import Checkpoint, unpersist
from history.spark.column_quoting_and_comparison import named

MANY = 100_000
"""More events than this are laid out by ranges of their keys."""

_ROWS_PER_RANGE = 1_000_000
_ALONE = 0.94
"""The share of keys among events from which on none is taken to have two; estimates of keys that
all have one lie below it once in some ten thousand loads."""


def key_ranges(accepted: int) -> int:
    """Into how many ranges of keys so many events are cut."""
    return max(2, accepted // _ROWS_PER_RANGE)


def one_step_plan(
    events: DataFrame,
    stored: StoredVersions,
    settings: HistorySettings,
    *,
    accepted: int,
    alone: bool,
) -> DataFrame:
    """The plan of a first load in which each event has an instant, or (`alone`) a key, to itself.

    Each of its `key_ranges` partitions has a range of the keys, in the order of key and sequence.
    Rows with `UNFORESEEN` show that it does not hold. For arguments see `plan_first_load`.
    """
    columns = _columns(events)
    candidates = as_candidates(_laid_out(events, stored, settings, accepted), columns)
    return plan_versions(candidates, settings, columns, all_decided=True, alone=alone)


def estimated_keys(settings: HistorySettings) -> Column:
    """About how many keys events have, to a hundredth or two: an aggregate."""
    keys = F.xxhash64(*[named(name) for name in settings.key])
    return F.approx_count_distinct(keys, rsd=0.02)


def are_probably_alone(keys: int, accepted: int) -> bool:
    """Whether each event may be its key's only one, by `estimated_keys`.

    A wrong guess costs a write that is dropped, or the windows that were not needed.
    """
    return keys >= accepted * _ALONE


def events_as_planned(events: DataFrame, settings: HistorySettings) -> DataFrame:
    """The events of a first load with what an audit reads of a plan, made of them alone.

    Holds where each event counts. A state source's read deletes nothing then: no key has another
    event before it.
    """
    return events.withColumns(
        {
            "__new": F.lit(1),
            "__effective_from": named(settings.sequence),
            "__boundary": F.lit(True),
            "__deletes_nothing": F.lit(True),
        }
    )


def plan_first_load(
    events: DataFrame,
    stored: StoredVersions,
    settings: HistorySettings,
    *,
    accepted: int,
    crowded: bool = False,
) -> tuple[EventTimeline, Checkpoint, bool]:
    """Plan a first load.

    Args:
        events: Accepted events: event columns and `__op`.
        stored: The empty table's versions.
        settings: How the table is kept.
        accepted: How many events there are.
        crowded: Some of them share an instant, as is known.

    Returns:
        The timeline, the plan, and whether each of the plan's partitions has a range of the keys.
    """
    columns = _columns(events)
    marked = mark_unique_instants(_laid_out(events, stored, settings, accepted), settings)
    if not crowded:
        timeline = EventTimeline(marked, crowded=False, all_decided=True)
        plan = planned_timeline(timeline, settings, columns)
        if plan.counts["events"] == accepted:
            return timeline, plan, accepted > MANY
        unpersist(plan.rows)
    timeline = checkpoint_timeline(marked)
    return timeline, planned_timeline(timeline, settings, columns), accepted > MANY


def _columns(events: DataFrame) -> tuple[str, ...]:
    return tuple(name for name in events.columns if name != "__op")


def _laid_out(
    events: DataFrame, stored: StoredVersions, settings: HistorySettings, accepted: int
) -> DataFrame:
    """The events as rows of a timeline; many of them by ranges of their keys."""
    if accepted > MANY:
        keys = [named(name) for name in settings.key]
        events = events.repartitionByRange(key_ranges(accepted), *keys)
    no_version = F.lit(None).cast(stored.main.schema["__version"].dataType)
    flags = {"__key_has_late": F.lit(False), "__arrives_late": F.lit(False)}
    return events.withColumns({"__origin": F.lit(NEW), "__version": no_version, **flags})
