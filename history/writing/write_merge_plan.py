"""Writing a plan to the audit branches: stored rows that change are deleted, new rows appended.

The rows that change were read when the plan was made, which then knows where they lie. So they are
marked deleted without reading them again; where that can't be done, a MERGE reads their keys. Two
commits on a branch are one change for readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from history.iceberg import branches, deletion_vectors
from history.iceberg.current_snapshot import (
    BATCH_ID,
    HIGH_WATER,
    KEPT_SNAPSHOT,
    WATERMARK,
    CurrentState,
)
from history.iceberg.history_table import ensure_kept, kept_events
from history.iceberg.read_snapshot import sequence_sql
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import READ
from history.planning.key_range_pruning import KeyRange
from history.planning.merge_plan import MergePlan
from history.planning.scd2_versions import current_values
from history.planning.versions_of_batch_keys import BROADCAST_LIMIT
from history.spark.column_quoting_and_comparison import named, quoted
from history.spark.session_kind import over_connect
from history.writing.surrogate_keys import NumberedPlan

_SMALL = 100_000
_ROWS_PER_FILE = 2_000_000


def write_kept(
    spark: SparkSession, batch: Batch, planned: MergePlan, state: CurrentState
) -> int | None:
    """Write the kept events' changes on their own branch; returns the snapshot to pin."""
    if not planned.keeps:
        return state.kept_snapshot
    settings, counts, action = planned.settings, planned.counts, F.col("__kept_event_action")
    rows = planned.rows.where(action.isNotNull()).select(
        *[named(name) for name in planned.columns], F.col("__op"), action
    )
    table = kept_events(batch.table)
    base = ensure_kept(spark, batch.table, rows.drop("__kept_event_action").schema, settings)
    branches.create(spark, table, batch.branch, state.kept_snapshot or base)
    target = branches.branch_of(table, batch.branch)
    deleted = counts["keep_replace"] + counts["keep_remove"]
    if deleted:
        view = _view(batch, rows.where(action.isin("replace", "remove")), "kept")
        _delete(spark, target, _Deletion(view, deleted, _same_instant(settings), planned.key_range))
    if counts["keep_add"] + counts["keep_replace"]:
        added = rows.where(action.isin("add", "replace")).drop("__kept_event_action")
        branches.append_rows(_clustered_by_key(added, planned.keeps, settings), target, {})
    pinned = branches.head(spark, table, batch.branch)
    # The tag keeps the snapshot readable without its branch; main's summary pins it later.
    branches.alter(
        spark, f"ALTER TABLE {table} CREATE OR REPLACE TAG `kept_{pinned}` AS OF VERSION {pinned}"
    )
    branches.drop(spark, table, batch.branch)
    return pinned


def snapshot_summary(batch: Batch, high_water: int, kept: int | None) -> dict[str, str]:
    """The entries of a batch in its snapshot's summary; `kept` is the kept events' snapshot."""
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

    `numbered` is the plan with its surrogate keys, `properties` the `snapshot_summary`; the other
    arguments are those of `write_kept`.
    """
    settings, action = planned.settings, F.col("__version_action")
    branches.create(spark, batch.table, batch.branch, state.snapshot_id)
    target = branches.branch_of(batch.table, batch.branch)
    replaced = planned.rows.where(action.isin("update", "remove", "replace"))
    if planned.removed and not _marked_by_place(batch, planned, replaced, state):
        view = _view(batch, replaced, "plan")
        on = _same_instant(settings)
        if not planned.counts["touched_closed"]:
            # A key has one open version, so its key alone identifies it: no other column is read.
            on = f"{_same_values(settings.key)} AND t.{quoted(settings.is_current)}"
        _delete(spark, target, _Deletion(view, planned.removed, on, planned.key_range))
    rows = numbered.plan.where(action.isin("add", "replace", "update"))
    versions = versions_of_plan(batch, rows, planned)
    # An empty append carries the summary when only kept events or the watermark changed.
    if not planned.by_range:
        versions = _clustered_by_key(versions, planned.appended, settings)
    branches.append_rows(versions, target, properties)


def _marked_by_place(
    batch: Batch, planned: MergePlan, replaced: DataFrame, state: CurrentState
) -> bool:
    """Mark the replaced rows deleted where the plan found them; False: that was not possible."""
    version = F.col("__version")
    if over_connect(replaced) or planned.surplus or planned.removed > deletion_vectors.MOST_ROWS:
        return False
    places = replaced.select(
        version[deletion_vectors.FILE].alias(deletion_vectors.FILE),
        version[deletion_vectors.POSITION].alias(deletion_vectors.POSITION),
    )
    return deletion_vectors.mark_deleted(places, batch.table, batch.branch, base=state.snapshot_id)


@dataclass(frozen=True, slots=True)
class _Deletion:
    """Rows to delete: those that match a view's rows by the condition `on`, at most `count`."""

    view: str
    count: int
    on: str
    key_range: KeyRange


def _delete(spark: SparkSession, target: str, deletion: _Deletion) -> None:
    hint = "/*+ BROADCAST(v) */" if deletion.count <= BROADCAST_LIMIT else ""
    source = f"(SELECT {hint} * FROM {deletion.view} v)"  # noqa: S608
    on, key_range, arguments = deletion.on, deletion.key_range, {}
    if key_range.is_bounded:
        on += f" AND t.{quoted(key_range.column)} BETWEEN :least AND :greatest"
        arguments = {"least": key_range.least, "greatest": key_range.greatest}
    try:
        spark.sql(
            f"MERGE INTO {target} t USING {source} s ON {on} WHEN MATCHED THEN DELETE",
            args=arguments,
        )
    finally:
        # The view would keep the plan's rows until the session ends.
        spark.catalog.dropTempView(deletion.view)


def _same_instant(settings: HistorySettings) -> str:
    same_sequence = f"{sequence_sql(settings, 't.')} = s.{quoted(settings.sequence)}"
    return f"{_same_values(settings.key)} AND {same_sequence}"


def _same_values(names: tuple[str, ...]) -> str:
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in names)


def versions_of_plan(batch: Batch, rows: DataFrame, planned: MergePlan) -> DataFrame:
    """The table rows of a plan's versions: new ones, and stored ones with a new interval.

    `rows` are those of the plan, with `__number`: the surrogate key of new ones.
    """
    settings = planned.settings
    is_update = F.col("__version_action") == "update"
    latest = current_values(settings, planned.columns)
    batch_time = F.lit(batch.time).cast("timestamp")
    new_values: dict[str | None, Column] = {
        settings.surrogate_key: F.col("__number"),
        settings.recorded_at: batch_time,
    }
    extra = []
    for position, name in enumerate(planned.extra):
        stored = F.col("__version")["other"][f"r{position}"]
        if name == settings.changed_at:
            extra.append(batch_time.alias(name))
        elif name in new_values:
            extra.append(F.when(is_update, stored).otherwise(new_values[name]).alias(name))
        else:
            extra.append(F.when(is_update, stored).alias(name))
    return rows.select(
        *[latest.get(name, named(name)).alias(name) for name in planned.columns],
        *[named(name) for name in settings.interval],
        *extra,
    )


def _clustered_by_key(rows: DataFrame, count: int, settings: HistorySettings) -> DataFrame:
    """The rows in one file; many rows in several files, each with its own range of keys.

    With the table's sort order, a later batch skips files outside of its key range.
    """
    if count <= _SMALL:
        return rows.coalesce(1)
    keys = [named(name) for name in settings.key]
    return rows.repartitionByRange(max(2, count // _ROWS_PER_FILE), *keys)


def _view(batch: Batch, rows: DataFrame, kind: str) -> str:
    name = f"strandline_{kind}_{batch.branch}"
    rows.createOrReplaceTempView(name)
    return name
