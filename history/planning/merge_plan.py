"""Which stored rows a batch concerns, and what it would change: reading, but no writing.

Keys whose new events are all newer than everything known of them need their open version only. Of
the others no version is read that ended before the earliest event that comes late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.planning.event_timeline import EventTimeline
from history.planning.event_validation import CONTESTED, DELETE
from history.planning.key_range_pruning import KeyRange
from history.planning.scd2_versions import (
    only_candidates,
    plan_versions,
    rank_candidates,
    undecided_candidates,
    winning_candidates,
    with_shared_instant,
)
from history.spark.column_quoting_and_comparison import (
    count_of,
    named,
)


@dataclass(frozen=True, slots=True)
class MergePlan:
    """A plan, held, with what was counted of it.

    `columns` are the event columns, `extra` the table's others but the dates, `reach` is where the
    keys lie, `settings` are those it was made with, learned columns included. `surplus` are stored
    rows of touched instants beyond one: a sound table has none.
    """

    rows: DataFrame
    counts: Mapping[str, int]
    columns: tuple[str, ...]
    extra: tuple[str, ...]
    reach: KeyRange
    settings: HistorySettings
    surplus: int = 0

    @property
    def opened(self) -> int:
        """Versions that are new rows with a surrogate key of their own."""
        return self.counts["action_add"] + self.counts["action_replace"]

    @property
    def removed(self) -> int:
        """Stored rows that the plan takes away, those it writes anew included."""
        names = ("action_update", "action_remove", "action_replace")
        return sum(self.counts[name] for name in names) + self.surplus

    @property
    def appended(self) -> int:
        """Rows that the plan writes."""
        return self.opened + self.counts["action_update"]

    @property
    def changes(self) -> int:
        """Changes of the versions and of the kept events."""
        return self.opened + self.removed + self.keeps

    @property
    def keeps(self) -> int:
        """Changes of the kept events."""
        return sum(self.counts[f"keep_{name}"] for name in ("add", "remove", "replace"))


def plan_timeline(
    line: EventTimeline, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """The plan of a line: one row an instant with its actions (`timeline.planned`)."""
    winners = only_candidates(line.rows, columns)
    if line.crowded:
        contests = rank_candidates(with_shared_instant(line.rows), settings, columns)
        winners = winners.unionByName(winning_candidates(contests, settings, columns))
    return plan_versions(winners, settings, columns)


def conflicting_events(
    line: EventTimeline, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Of a line's events, those that have to be refused: nothing decides between them."""
    return undecided_candidates(rank_candidates(with_shared_instant(line.rows), settings, columns))


def plan_counts(settings: HistorySettings) -> Mapping[str, Column]:
    """What is counted of a plan while it is made."""
    action, keep, new = F.col("__version_action"), F.col("__kept_event_action"), F.col("__new") > 0
    main = F.col("__version")
    touched = action.isin("update", "remove", "replace")
    still_open = named(settings.is_current) & action.isin("update", "replace")
    counts = {f"action_{name}": action == name for name in ("add", "update", "remove", "replace")}
    counts |= {f"keep_{name}": keep == name for name in ("add", "remove", "replace")}
    counts |= {
        "closed": main["is_current"] & action.isNotNull() & ~still_open,
        "touched_closed": touched & ~main["is_current"],
        "deleted": new & (F.col("__op") == DELETE),
        "unchanged": new & F.col("__unchanged"),
        "late": new & F.col("__arrives_late"),
        "withdrawn": (action == "remove") & (F.col("__op") == CONTESTED),
    }
    sums = {"events": "__new", "conflicting": "__refused", "superseded": "__superseded"}
    return {name: count_of(each) for name, each in counts.items()} | {
        name: F.coalesce(F.sum(column), F.lit(0)) for name, column in sums.items()
    }
