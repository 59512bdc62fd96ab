"""Writing a plan to the audit branches: what is replaced is deleted, what holds is appended.

The rows that change were read when the plan was made, so deleting them reads their keys only. Two
commits on a branch are one change for readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from history.iceberg import branches
from history.iceberg.current_state import (
    BATCH_ID,
    HIGH_WATER,
    KEPT_SNAPSHOT,
    WATERMARK,
    CurrentState,
)
from history.iceberg.history_table import ensure_kept, kept_events
from history.iceberg.read_snapshot import sequence_sql
from history.model.applied_source_reads import READ
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan
from history.planning.scd2_versions import current_values
from history.planning.versions_of_batch_keys import BROADCAST_LIMIT
from history.spark.column_quoting_and_comparison import named, quoted
from history.writing.surrogate_keys import NumberedPlan

_SMALL = 100_000
_ROWS_PER_FILE = 2_000_000


def write_kept(
    spark: SparkSession, batch: Batch, planned: MergePlan, state: CurrentState
) -> int | None:
    """Write the kept events' changes on their own branch; returns the snapshot to pin."""
    if not planned.keeps:
        return state.kept_snapshot
    settings, counts, keep = planned.settings, planned.counts, F.col("__kept_event_action")
    rows = planned.rows.where(keep.isNotNull()).select(
        *[named(name) for name in planned.columns], F.col("__op"), keep
    )
    table = kept_events(batch.table)
    base = ensure_kept(spark, batch.table, rows.drop("__kept_event_action").schema, settings)
    branches.create(spark, table, batch.branch, state.kept_snapshot or base)
    target = branches.branch_of(table, batch.branch)
    gone = counts["keep_replace"] + counts["keep_remove"]
    if gone:
        view = _view(batch, rows.where(keep.isin("replace", "remove")), "kept")
        _delete(spark, target, _Deletion(view, gone, _instant(settings), planned.reach))
    if counts["keep_add"] + counts["keep_replace"]:
        added = rows.where(keep.isin("add", "replace")).drop("__kept_event_action")
        branches.append_rows(_clustered_by_key(added, planned.keeps, settings), target, {})
    pinned = branches.head(spark, table, batch.branch)
    # The tag keeps the snapshot readable however the branches end; it is pinned by main below.
    branches.alter(
        spark, f"ALTER TABLE {table} CREATE OR REPLACE TAG `kept_{pinned}` AS OF VERSION {pinned}"
    )
    branches.drop(spark, table, batch.branch)
    return pinned


def snapshot_summary(batch: Batch, high_water: int, kept: int | None) -> dict[str, str]:
    """What the snapshot of a batch says of it: `kept` is the kept events' snapshot it pins."""
    watermark = {} if batch.watermark is None else {WATERMARK: batch.watermark}
    read = {} if batch.read is None else {READ: batch.read.to_json}
    return {
        **batch.properties,
        **watermark,
        **read,
        BATCH_ID: batch.id,
        HIGH_WATER: str(high_water),
        KEPT_SNAPSHOT: str(kept or ""),
    }


def write_versions(
    spark: SparkSession,
    batch: Batch,
    planned: MergePlan,
    numbered: NumberedPlan,
    state: CurrentState,
    properties: Mapping[str, str],
) -> None:
    """Write the versions' changes on the audit branch, with the batch in the summary.

    `numbered` is the plan with its surrogate keys, `properties` the `summary`; the rest as for
    `write_kept`.
    """
    settings, action = planned.settings, F.col("__version_action")
    branches.create(spark, batch.table, batch.branch, state.snapshot_id)
    target = branches.branch_of(batch.table, batch.branch)
    if planned.removed:
        touched = planned.rows.where(action.isin("update", "remove", "replace"))
        view = _view(batch, touched, "plan")
        on = _instant(settings)
        if not planned.counts["touched_closed"]:
            # A key has one open version: its key alone says which, and no other column is read.
            on = f"{_same(settings.key)} AND t.{quoted(settings.is_current)}"
        _delete(spark, target, _Deletion(view, planned.removed, on, planned.reach))
    rows = numbered.plan.where(action.isin("add", "replace", "update"))
    shaped = _versions(batch, rows, planned)
    # An empty append carries the summary when only kept events or the watermark changed.
    branches.append_rows(_clustered_by_key(shaped, planned.appended, settings), target, properties)


@dataclass(frozen=True, slots=True)
class _Deletion:
    """Rows to delete: those that agree with a view's in `on`, `count` of them at most."""

    view: str
    count: int
    on: str
    reach: KeyRange


def _delete(spark: SparkSession, target: str, deletion: _Deletion) -> None:
    hint = "/*+ BROADCAST(v) */" if deletion.count <= BROADCAST_LIMIT else ""
    source = f"(SELECT {hint} * FROM {deletion.view} v)"  # noqa: S608
    on, reach, arguments = deletion.on, deletion.reach, {}
    if reach.is_bounded:
        on += f" AND t.{quoted(reach.column)} BETWEEN :least AND :greatest"
        arguments = {"least": reach.least, "greatest": reach.greatest}
    try:
        spark.sql(
            f"MERGE INTO {target} t USING {source} s ON {on} WHEN MATCHED THEN DELETE",
            args=arguments,
        )
    finally:
        # The view would hold the plan's rows for as long as the session lives.
        spark.catalog.dropTempView(deletion.view)


def _instant(settings: HistorySettings) -> str:
    seen = f"{sequence_sql(settings, 't.')} = s.{quoted(settings.sequence)}"
    return f"{_same(settings.key)} AND {seen}"


def _same(names: tuple[str, ...]) -> str:
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in names)


def _versions(batch: Batch, rows: DataFrame, planned: MergePlan) -> DataFrame:
    """The rows of the table that a plan's versions are: new ones, and known ones with new dates."""
    settings = planned.settings
    renewed = F.col("__version_action") == "update"
    latest = current_values(settings, planned.columns)
    now = F.lit(batch.time).cast("timestamp")
    fresh: dict[str | None, Column] = {
        settings.surrogate_key: F.col("__number"),
        settings.recorded_at: now,
    }
    others = []
    for position, name in enumerate(planned.extra):
        was = F.col("__version")["other"][f"r{position}"]
        if name == settings.changed_at:
            others.append(now.alias(name))
        elif name in fresh:
            others.append(F.when(renewed, was).otherwise(fresh[name]).alias(name))
        else:
            others.append(F.when(renewed, was).alias(name))
    return rows.select(
        *[latest.get(name, named(name)).alias(name) for name in planned.columns],
        *[named(name) for name in settings.interval],
        *others,
    )


def _clustered_by_key(rows: DataFrame, count: int, settings: HistorySettings) -> DataFrame:
    """The rows in as many files as they deserve, each with a stretch of keys of its own.

    The table's sort order does the rest, so that what a later batch can't reach is left out.
    """
    if count <= _SMALL:
        return rows.coalesce(1)
    keys = [named(name) for name in settings.key]
    return rows.repartitionByRange(max(2, count // _ROWS_PER_FILE), *keys)


def _view(batch: Batch, rows: DataFrame, kind: str) -> str:
    name = f"strandline_{kind}_{batch.branch}"
    rows.createOrReplaceTempView(name)
    return name
