"""What a batch brings, and what it changes: its rows are checked, counted and planned.

Rows that are refused go into the quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import SettingsError
from history.iceberg.current_snapshot import (
    WATERMARK,
    CurrentState,
)
from history.model.change_batch import Batch
from history.model.load_report import LoadReport
from history.model.recorded_source_reads import with_closed
from history.planning import first_load, hard_deletes, key_range_pruning
from history.planning.event_timeline import EventTimeline, event_timeline
from history.planning.event_validation import (
    DELETE,
    REASONS,
    REASONS_TYPE,
    VALIDATION_REASONS,
    conflict_reason,
    is_event,
    reason,
    reasons,
    validation_counts,
)
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import (
    MergePlan,
    conflicting_events,
    planned_timeline,
    undecided_events,
)
from history.planning.versions_of_batch_keys import StoredVersions, stored_versions
from history.spark.checkpoint import Checkpoint, aggregated, checkpoint, unpersist
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import quarantine_events


@dataclass(frozen=True, slots=True)
class Survey:
    """A batch with its checked rows, those accepted as events, and what is stored."""

    batch: Batch
    checked: Checkpoint
    events: DataFrame
    columns: tuple[str, ...]
    stored: StoredVersions
    key_range: KeyRange

    @property
    def accepted(self) -> int:
        """How many rows are events."""
        return int(self.checked.counts["accepted"])

    @property
    def keys(self) -> int:
        """About how many keys the rows of a first load have."""
        return int(self.checked.counts["keys"])


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A surveyed batch with its plan, and its timeline unless no two events share an instant."""

    survey: Survey
    merge_plan: MergePlan
    timeline: EventTimeline | None = None


def with_read_instant(changes: DataFrame, batch: Batch) -> DataFrame:
    """The rows of a read with its instant as their sequence; change events unchanged."""
    settings, read = batch.settings, batch.read
    if (settings.stamp is None) != (read is None) and not batch.released:
        raise SettingsError(
            where=batch.table,
            expected="a read where `stamp` is set, and none where it is not",
            found="a read without `stamp`" if settings.stamp is None else "`stamp` and no read",
            next_step="Say `stamp` and `read` of a table that is read as it is now, or neither.",
        )
    if read is None:
        return changes
    at = F.lit(read.at).cast("timestamp")
    return changes.withColumn(settings.sequence, at)


def survey_batch(
    spark: SparkSession,
    batch: Batch,
    validated: DataFrame,
    schema: T.StructType,
    state: CurrentState,
    present_keys: DataFrame,
) -> Survey:
    """Check and count the rows of a batch; a full read's absent keys become deletes.

    Args:
        spark: The session to read with.
        batch: What is loaded.
        validated: Its rows (`validate_events`).
        schema: The event columns and their types.
        state: The published state to plan against.
        present_keys: The keys in a full read.

    Raises:
        MassClosingError: There are too many absent keys; some of them are quarantined.
    """
    settings, columns = batch.settings, tuple(schema.fieldNames())
    stored = stored_versions(spark, batch, state, columns, schema)
    batch, validated = _with_hard_deletes(spark, batch, validated, stored, state, present_keys)
    accepted = is_event(settings)
    bounds = key_range_pruning.key_bounds(settings, schema, accepted)
    estimate = {"keys": first_load.estimated_keys(settings)} if state.is_empty else {}
    counts = {**validation_counts(settings), **bounds, **estimate}
    # Many rows are cheaper to read again than to checkpoint; a first load reads them once more.
    checked = aggregated(validated, counts) if state.is_empty else checkpoint(validated, counts)
    key_range = key_range_pruning.key_range(settings, checked.counts)
    events = checked.rows.where(accepted).select(*[named(name) for name in columns], F.col("__op"))
    return Survey(batch, checked, events, columns, stored, key_range)


def plan_batch(survey: Survey, state: CurrentState, *, crowded: bool = False) -> BatchPlan:
    """Plan a batch against the published state; the plan's rows are held.

    `crowded`: events of a first load share an instant, as writing it unheld has shown.
    """
    batch, stored, columns = survey.batch, survey.stored, survey.columns
    settings, accepted = batch.settings, survey.accepted
    if state.is_empty:
        planned = first_load.plan_first_load(
            survey.events, stored, settings, accepted=accepted, crowded=crowded
        )
        timeline, plan, by_range = planned
    else:
        timeline = event_timeline(
            survey.events, stored, state, batch, survey.key_range, accepted=accepted
        )
        plan, by_range = planned_timeline(timeline, settings, columns), False
        if timeline.otherwise is not None and plan.counts["unforeseen"]:
            unpersist(plan.rows)
            timeline = timeline.otherwise()
            plan = planned_timeline(timeline, settings, columns)
    parts = plan.rows, plan.counts, columns, stored.extra, survey.key_range, settings
    return BatchPlan(survey, MergePlan(*parts, by_range=by_range), timeline)


def load_report(plan: BatchPlan, state: CurrentState) -> LoadReport:
    """What a plan's counts say of the load, before anything is published."""
    batch, checked = plan.survey.batch, plan.survey.checked
    planned, counts = plan.merge_plan, plan.merge_plan.counts
    moved = batch.watermark is not None and batch.watermark != state.properties.get(WATERMARK)
    refused = {name: checked.counts[name] for name in VALIDATION_REASONS if checked.counts[name]}
    if counts["conflicting"] and plan.timeline is not None:
        undecided = conflicting_events(plan.timeline, batch.settings, planned.columns)
        refused[conflict_reason(batch.settings)] = undecided.count()
    named_counts = (
        *("events", "closed", "deleted", "unchanged", "late", "superseded", "withdrawn"),
    )
    counted = counts["events"] + counts["superseded"] + counts["conflicting"]
    return LoadReport(
        batch_id=batch.id,
        snapshot_id=state.snapshot_id,
        published=planned.changes > 0 or moved,
        opened=planned.opened,
        # The events that a late read implies for later reads are counted, but are none of its rows.
        repeated=max(checked.counts["accepted"] - counted, 0),
        refused=refused,
        replayed=False,
        surrogate_high_water=state.high_water,
        **{name: counts[name] for name in named_counts},
    )


def quarantine_refused(spark: SparkSession, plan: BatchPlan, counts: Mapping[str, int]) -> None:
    """Append the refused rows to the quarantine, each row once."""
    if not counts:
        return
    batch, columns = plan.survey.batch, plan.survey.columns
    invalid = plan.survey.checked.rows.where(~is_event(batch.settings))
    why = reasons(batch.settings)
    refused = invalid.select(*[named(name) for name in columns], F.col("__op"), why)
    if plan.timeline is not None and conflict_reason(batch.settings) in counts:
        refused = refused.unionByName(undecided_events(plan.timeline, batch.settings, columns))
    quarantine_events(spark, batch, refused, columns)


def _with_hard_deletes(
    spark: SparkSession,
    batch: Batch,
    validated: DataFrame,
    stored: StoredVersions,
    state: CurrentState,
    present_keys: DataFrame,
) -> tuple[Batch, DataFrame]:
    """The rows of a full read, with a delete for each absent key.

    Raises:
        MassClosingError: There are too many absent keys.
    """
    read, settings = batch.read, batch.settings
    if read is None or not read.full or state.is_empty:
        return batch, validated
    is_late = state.has_read_after(read)
    absent = checkpoint(
        hard_deletes.missing_keys(stored, settings, present_keys, read, is_late=is_late),
        {"rows": F.count(F.lit(1))},
    )
    closed = int(absent.counts["rows"])
    if not closed:
        return batch, validated
    at = F.lit(read.at).cast("timestamp").alias(settings.sequence)
    null = F.lit(None)
    types = {field.name: field.dataType for field in validated.schema.fields}
    given = {*settings.key, settings.sequence, "__op"}
    rest = [null.cast(kind).alias(name) for name, kind in types.items() if name not in given]
    keys = [named(name) for name in settings.key]
    deletes = absent.rows.select(*keys, at, F.lit(DELETE).alias("__op"), *rest)
    if batch.closing is not None and closed > batch.closing.rows:
        open_keys = stored.current.count()
        why = hard_deletes.why_too_many(closed, open_keys, batch.closing, state.reads)
        if why is not None:
            because = F.array(reason(hard_deletes.MASS_CLOSING, "")).cast(REASONS_TYPE)
            evidence = deletes.limit(hard_deletes.MOST_KEPT).withColumn(REASONS, because)
            columns = tuple(name for name in validated.columns if name != "__op")
            quarantine_events(spark, batch, evidence, columns)
            raise hard_deletes.mass_closing_error(batch.table, closed, why)
    batch = replace(batch, read=with_closed(read, closed))
    return batch, validated.unionByName(deletes)
