"""The plan of a first load: nothing is stored, and most events have an instant to themselves.

So all is planned in one step, without looking first whether events share an instant; where some do,
that plan lacks them, and it is made again. Many events are laid out by ranges of their keys before
anything else: each later step, down to the files, leaves them where they are then.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.planning.event_timeline import EventTimeline, checkpoint_timeline
from history.planning.merge_plan import planned_timeline
from history.planning.scd2_versions import NEW, mark_unique_instants
from history.planning.versions_of_batch_keys import StoredVersions
from history.spark.checkpoint import Checkpoint, unpersist
from history.spark.column_quoting_and_comparison import named

_MANY = 100_000
_ROWS_PER_RANGE = 1_000_000


def plan_first_load(
    events: DataFrame, stored: StoredVersions, settings: HistorySettings, *, accepted: int
) -> tuple[EventTimeline, Checkpoint, bool]:
    """Plan a first load.

    Args:
        events: Accepted events: event columns and `__op`.
        stored: The empty table's versions.
        settings: How the table is kept.
        accepted: How many events there are.

    Returns:
        The timeline, the plan, and whether each of the plan's partitions has a range of the keys.
    """
    columns = tuple(name for name in events.columns if name != "__op")
    by_range = accepted > _MANY
    if by_range:
        keys = [named(name) for name in settings.key]
        events = events.repartitionByRange(max(2, accepted // _ROWS_PER_RANGE), *keys)
    no_version = F.lit(None).cast(stored.main.schema["__version"].dataType)
    flags = {"__key_has_late": F.lit(False), "__arrives_late": F.lit(False)}
    new = events.withColumns({"__origin": F.lit(NEW), "__version": no_version, **flags})
    marked = mark_unique_instants(new, settings)
    timeline = EventTimeline(marked, crowded=False, all_decided=True)
    plan = planned_timeline(timeline, settings, columns)
    if plan.counts["events"] != accepted:
        unpersist(plan.rows)
        timeline = checkpoint_timeline(marked)
        plan = planned_timeline(timeline, settings, columns)
    return timeline, plan, by_range
