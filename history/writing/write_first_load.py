"""A first load that is written as it is planned: its rows are held nowhere.

One job reads the events, cuts them into ranges of keys, sorts each range, plans it along that order
and writes its versions as they lie. What the plan counts is known when they are written, so the
report and the batch's name follow in a commit of their own. Where about as many keys as events were
counted, it is planned as if each key had one event; where one has more, that is dropped, and
planned anew. Events that share an instant are not in such a plan: the load is planned as others are
then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from history.iceberg import branches
from history.iceberg.current_snapshot import CurrentState
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning import first_load
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan, plan_counts
from history.planning.scd2_versions import UNFORESEEN
from history.planning.versions_of_batch_keys import StoredVersions
from history.spark.checkpoint import checkpoint, observe
from history.spark.column_quoting_and_comparison import count_of, named
from history.spark.session_kind import over_connect
from history.writing.surrogate_keys import NewNumbers, number_by_strand
from history.writing.write_merge_plan import versions_of_plan, write_kept

_COUNTED = ("action_add", "keep_add", "deleted", "unchanged", "events")
"""What is counted of the plan; nothing is stored yet, so the other counts are 0."""


@dataclass(frozen=True, slots=True)
class WrittenFirstLoad:
    """The versions of a first load, on its branch.

    `planned` has the events instead of a plan's rows (`first_load.events_as_planned`). `kept` is
    the snapshot of the kept events, None if there are none. `one_version_a_key`: no two events have
    a key in common.
    """

    planned: MergePlan
    numbers: NewNumbers
    high_water: int
    kept: int | None
    one_version_a_key: bool


def can_be_written_unheld(
    events: DataFrame, state: CurrentState, settings: HistorySettings, *, accepted: int
) -> bool:
    """Whether a load may be written as it is planned: a large first one, in few partitions.

    Over Spark Connect a write does not tell what was observed.
    """
    few_partitions = settings.partitioning in {(), (settings.is_current,)}
    return (
        state.is_empty
        and accepted > first_load.MANY
        and few_partitions
        and not settings.evolved
        and not over_connect(events)
    )


def write_first_load(
    spark: SparkSession,
    batch: Batch,
    events: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    *,
    accepted: int,
    keys: int,
) -> WrittenFirstLoad | None:
    """Write the versions, and the kept events if there are any, on their branches.

    Args:
        spark: The session to write with.
        batch: What is loaded.
        events: Accepted events: event columns and `__op`. Read again by the audit.
        stored: The empty table's versions.
        state: The published state, which is empty.
        accepted: How many events there are.
        keys: About how many keys they have (`first_load.estimated_keys`).

    Returns:
        None if some events share an instant. The branch is dropped then.
    """
    tries = (True, False) if first_load.are_probably_alone(keys, accepted) else (False,)
    for alone in tries:
        plan = first_load.one_step_plan(
            events, stored, batch.settings, accepted=accepted, alone=alone
        )
        written = _write(spark, batch, plan, events, stored, state, accepted=accepted)
        if written is not None:
            return written
    branches.drop(spark, batch.table, batch.branch)
    return None


def _write(
    spark: SparkSession,
    batch: Batch,
    plan: DataFrame,
    events: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    *,
    accepted: int,
) -> WrittenFirstLoad | None:
    """Write a plan as it is made; None if some rows are not as it supposes."""
    settings = batch.settings
    columns = tuple(name for name in events.columns if name != "__op")
    opens = F.col("__version_action") == "add"
    extra = {
        "unforeseen": count_of(F.col(UNFORESEEN)),
        "open": count_of(opens & named(settings.is_current)),
    }
    all_counts = plan_counts(settings)
    counted, counts = observe(plan, {**{name: all_counts[name] for name in _COUNTED}, **extra})
    strands = first_load.key_ranges(accepted)
    number = number_by_strand(state.high_water, strands)
    opened = counted.where(opens).withColumn("__number", number)
    opened, greatest = observe(opened, {"number": F.max("__number")})
    as_planned = first_load.events_as_planned(events, settings)
    unbounded = KeyRange(settings.key[0])
    planned = MergePlan(as_planned, {}, columns, stored.extra, unbounded, settings, by_range=True)
    branches.create(spark, batch.table, batch.branch, state.snapshot_id)
    target = branches.branch_of(batch.table, batch.branch)
    branches.append_in_order(versions_of_plan(batch, opened, planned), target)
    planned = replace(planned, counts={**dict.fromkeys(all_counts, 0), **counts.get})
    if planned.counts["unforeseen"]:
        return None
    return WrittenFirstLoad(
        planned,
        NewNumbers(state.high_water + 1, planned.opened, strands),
        greatest.get["number"] or state.high_water,
        _write_kept(spark, batch, plan, planned, state),
        one_version_a_key=planned.counts["open"] == accepted,
    )


def _write_kept(
    spark: SparkSession, batch: Batch, plan: DataFrame, planned: MergePlan, state: CurrentState
) -> int | None:
    """Plan once more for the events that are kept, which are few as a rule."""
    if not planned.keeps:
        return state.kept_snapshot
    kept = checkpoint(plan.where(F.col("__kept_event_action").isNotNull())).rows
    return write_kept(spark, batch, replace(planned, rows=kept, by_range=False), state)


def name_batch(spark: SparkSession, batch: Batch, properties: Mapping[str, Any]) -> None:
    """A commit without rows that carries the batch's entries (`snapshot_summary`)."""
    nothing = spark.table(batch.table).where(F.lit(False))
    branches.append_rows(nothing, branches.branch_of(batch.table, batch.branch), properties)
