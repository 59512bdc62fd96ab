"""Which stored rows a batch affects, and what it would change: reading, but no writing.

Keys whose new events are all newer than everything stored of them need their open version only. Of
the others no version is read that ended before the earliest late event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.planning.event_timeline import EventTimeline
from history.planning.event_validation import (
    CONTESTED,
    DELETE,
    REASONS,
    REASONS_TYPE,
    conflict_reason,
    reason,
)
from history.planning.key_range_pruning import KeyRange
from history.planning.scd2_versions import (
    UNFORESEEN,
    only_candidates,
    plan_versions,
    rank_candidates,
    undecided_candidates,
    winning_candidates,
    with_shared_instant,
)
from history.spark.checkpoint import Checkpoint, checkpoint
from history.spark.column_quoting_and_comparison import count_of, named


@dataclass(frozen=True, slots=True)
class MergePlan:
    """A checkpoint of a plan, with its counts.

    `columns` are the event columns, `extra` the table's others but the interval, `key_range` is
    that of the batch, `settings` are those the plan was made with, evolved columns included.
    `surplus` are stored rows of touched instants beyond one: a sound table has none. `by_range`:
    each of the rows' partitions has a range of the keys of its own.
    """

    rows: DataFrame
    counts: Mapping[str, int]
    columns: tuple[str, ...]
    extra: tuple[str, ...]
    key_range: KeyRange
    settings: HistorySettings
    surplus: int = 0
    by_range: bool = False

    @property
    def opened(self) -> int:
        """Versions that are new rows with a surrogate key of their own."""
        return self.counts["action_add"] + self.counts["action_replace"]

    @property
    def removed(self) -> int:
        """Stored rows that the plan deletes, those it writes anew included."""
        names = ("action_update", "action_remove", "action_replace")
        return sum(self.counts[name] for name in names) + self.surplus

    @property
    def appended(self) -> int:
        """Rows that the plan writes."""
        return self.opened + self.counts["action_update"]

    @property
    def audited(self) -> int:
        """Versions that an audit looks at: those written, and those that stay as they are."""
        return self.appended + self.counts["untouched"]

    @property
    def changes(self) -> int:
        """Changes of the versions and of the kept events."""
        return self.opened + self.removed + self.keeps

    @property
    def keeps(self) -> int:
        """Changes of the kept events."""
        return sum(self.counts[f"keep_{name}"] for name in ("add", "remove", "replace"))


def plan_timeline(
    timeline: EventTimeline,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> DataFrame:
    """The plan of a timeline: one row an instant with its actions (`plan_versions`)."""
    winners = only_candidates(timeline.rows, columns)
    if timeline.crowded:
        ranked = rank_candidates(with_shared_instant(timeline.rows), settings, columns)
        winners = winners.unionByName(winning_candidates(ranked, settings, columns))
    return plan_versions(winners, settings, columns, all_decided=timeline.all_decided)


def planned_timeline(
    timeline: EventTimeline,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> Checkpoint:
    """The plan of a timeline, held until it is published or refused, with its counts.

    With `unforeseen`, where the timeline has another one for that case.
    """
    plan = plan_timeline(timeline, settings, columns)
    counts = plan_counts(settings)
    if timeline.otherwise is not None:
        counts = {**counts, "unforeseen": count_of(F.col(UNFORESEEN))}
    return checkpoint(plan, counts, lasting=True)


def conflicting_events(
    timeline: EventTimeline, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Of a timeline's events, those that are refused: no tie-breaker decides between them."""
    shared = with_shared_instant(timeline.rows)
    return undecided_candidates(rank_candidates(shared, settings, columns))


def undecided_events(
    timeline: EventTimeline, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """The events of a timeline that nothing decides between, with that as their reason."""
    reasons = F.array(reason(conflict_reason(settings), "")).cast(REASONS_TYPE).alias(REASONS)
    events = conflicting_events(timeline, settings, columns)
    return events.select(*[named(name) for name in columns], F.col("__op"), reasons)


def plan_counts(settings: HistorySettings) -> Mapping[str, Column]:
    """The aggregates over a plan, by name."""
    action, keep, new = F.col("__version_action"), F.col("__kept_event_action"), F.col("__new") > 0
    main = F.col("__version")
    touched = action.isin("update", "remove", "replace")
    still_open = named(settings.is_current) & action.isin("update", "replace")
    counts = {f"action_{name}": action == name for name in ("add", "update", "remove", "replace")}
    counts |= {f"keep_{name}": keep == name for name in ("add", "remove", "replace")}
    counts |= {
        "closed": main["is_current"] & action.isNotNull() & ~still_open,
        "touched_closed": touched & ~main["is_current"],
        "untouched": main.isNotNull() & action.isNull(),
        "deleted": new & (F.col("__op") == DELETE),
        "unchanged": new & F.col("__unchanged"),
        "late": new & F.col("__arrives_late"),
        "withdrawn": (action == "remove") & (F.col("__op") == CONTESTED),
    }
    sums = {"events": "__new", "conflicting": "__refused", "superseded": "__superseded"}
    return {name: count_of(each) for name, each in counts.items()} | {
        name: F.coalesce(F.sum(column), F.lit(0)) for name, column in sums.items()
    }
