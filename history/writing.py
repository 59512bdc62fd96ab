"""Writing a plan to the audit branches: what closes by a merge, what opens by an append.

A MERGE whose clauses are MATCHED only is an inner join: the plan is broadcast and the table is
never shuffled. Two commits on a branch are one change for readers.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from history import branches
from history.batch import Batch
from history.columns import named, quoted
from history.settings import HistorySettings
from history.table import (
    BATCH_ID,
    HIGH_WATER,
    KEPT_SNAPSHOT,
    WATERMARK,
    Published,
    ensure_kept,
    kept_events,
)

_SMALL = 100_000
_BUCKETS = 64


@dataclass(frozen=True, slots=True)
class Numbered:
    """A plan whose new versions have their surrogate keys, and the greatest of them."""

    plan: DataFrame
    high_water: int

    @classmethod
    def of(
        cls, plan: DataFrame, settings: HistorySettings, high_water: int, count: int
    ) -> Numbered:
        """Number the `count` versions that open, in the order of key and sequence.

        Small batches get consecutive numbers; large ones are numbered in buckets side by side,
        which leaves gaps but needs no single task to sort them all.
        """
        opening = F.col("__action").isin("add", "replace")
        order = [named(name) for name in (*settings.key, settings.sequence)]
        buckets = 1 if count <= _SMALL else _BUCKETS
        bucket = F.pmod(F.xxhash64(*[named(name).cast("string") for name in settings.key]), buckets)
        rank = F.row_number().over(Window.partitionBy("__bucket", "__opening").orderBy(*order))
        number = F.lit(high_water) + (rank - 1) * buckets + F.col("__bucket") + 1
        numbered = (
            plan.withColumns({"__bucket": bucket, "__opening": opening.eqNullSafe(F.lit(True))})
            .withColumn("__number", F.when(F.col("__opening"), number.cast("bigint")))
        )  # fmt: skip
        if buckets == 1:
            return cls(numbered, high_water + count)
        top = numbered.agg(F.max("__number").alias("top")).collect()[0].top
        return cls(numbered, int(top))


def write_kept(
    spark: SparkSession,
    batch: Batch,
    plan: DataFrame,
    columns: tuple[str, ...],
    state: Published,
    actions: frozenset[str],
) -> int | None:
    """Write the kept events' changes on their own branch; returns the snapshot to pin.

    Args:
        spark: The session.
        batch: What is loaded.
        plan: One row an instant, see `history.timeline.planned`.
        columns: The event columns.
        state: The published state that the plan was made against.
        actions: The kinds of `__keep` that occur in the plan.
    """
    if not actions:
        return state.kept_snapshot
    keep = F.col("__keep")
    rows = plan.where(keep.isNotNull()).select(
        *[named(name) for name in columns], F.col("__op"), keep
    )
    shaped = rows.drop("__keep")
    base = ensure_kept(spark, batch.table, shaped.schema)
    table = kept_events(batch.table)
    branches.start(spark, table, batch.branch, state.kept_snapshot or base)
    target = branches.branch_of(table, batch.branch)
    if actions & {"replace", "remove"}:
        view = _view(batch, rows.where(keep.isin("replace", "remove")), "kept")
        condition = _match(batch.settings)
        spark.sql(f"MERGE INTO {target} t USING {view} s ON {condition} WHEN MATCHED THEN DELETE")
    if actions & {"add", "replace"}:
        branches.append(rows.where(keep.isin("add", "replace")).drop("__keep"), target, {})
    pinned = branches.head(spark, table, batch.branch)
    # The tag keeps the snapshot readable however the branches end; it is pinned by main below.
    spark.sql(f"ALTER TABLE {table} CREATE OR REPLACE TAG `kept_{pinned}` AS OF VERSION {pinned}")
    branches.drop(spark, table, batch.branch)
    return pinned


def write_versions(
    spark: SparkSession,
    batch: Batch,
    numbered: Numbered,
    columns: tuple[str, ...],
    state: Published,
    kept: int | None,
    actions: frozenset[str],
) -> None:
    """Write the versions' changes on the audit branch, with the batch in the summary.

    `kept` is the kept events' snapshot to pin, `actions` the kinds of `__action` that occur in the
    plan; the rest as for `write_kept`.
    """
    watermark = {} if batch.watermark is None else {WATERMARK: batch.watermark}
    properties = {
        **batch.properties,
        **watermark,
        BATCH_ID: batch.id,
        HIGH_WATER: str(numbered.high_water),
        KEPT_SNAPSHOT: str(kept or ""),
    }
    branches.start(spark, batch.table, batch.branch, state.snapshot_id)
    target = branches.branch_of(batch.table, batch.branch)
    plan, action = numbered.plan, F.col("__action")
    if actions & {"update", "remove", "replace"}:
        changed = plan.where(action.isin("update", "remove", "replace"))
        view = _view(batch, changed, "plan")
        with branches.summary(spark, properties):
            spark.sql(_merge(target, view, batch.settings, columns, actions))
    if actions & {"add", "replace"} or not actions:
        # An empty append carries the summary when only kept events or the watermark changed.
        opening = _opened(batch, plan.where(action.isin("add", "replace")), columns)
        branches.append(opening, target, properties)


def _merge(
    target: str,
    view: str,
    settings: HistorySettings,
    columns: tuple[str, ...],
    actions: frozenset[str],
) -> str:
    changed = [settings.valid_from, settings.valid_to, settings.is_current]
    sets = [f"t.{quoted(name)} = s.{quoted(name)}" for name in changed]
    sets += [
        f"t.{quoted(name)} = s.__latest.r{position}"
        for position, name in enumerate(settings.overwritten(columns))
    ]
    if settings.changed_at is not None:
        sets.append(f"t.{quoted(settings.changed_at)} = s.__now")
    clauses = []
    if actions & {"remove", "replace"}:
        clauses.append("WHEN MATCHED AND s.__action IN ('remove', 'replace') THEN DELETE")
    if "update" in actions:
        clauses.append(f"WHEN MATCHED AND s.__action = 'update' THEN UPDATE SET {', '.join(sets)}")
    return f"MERGE INTO {target} t USING {view} s ON {_match(settings)} {' '.join(clauses)}"


def _match(settings: HistorySettings) -> str:
    names = (*settings.key, settings.sequence)
    return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in names)


def _opened(batch: Batch, rows: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    settings = batch.settings
    latest = {
        name: F.col("__latest")[f"r{position}"]
        for position, name in enumerate(settings.overwritten(columns))
    }
    shown = [latest.get(name, named(name)).alias(name) for name in columns]
    now = F.lit(batch.time).cast("timestamp")
    stamps = [name for name in (settings.recorded_at, settings.changed_at) if name is not None]
    numbers = []
    if settings.surrogate_key is not None:
        numbers = [F.col("__number").alias(settings.surrogate_key)]
    return rows.select(
        *numbers,
        *shown,
        named(settings.valid_from),
        named(settings.valid_to),
        named(settings.is_current),
        *[now.alias(name) for name in stamps],
    )


def _view(batch: Batch, rows: DataFrame, kind: str) -> str:
    name = f"strandline_{kind}_{batch.branch}"
    rows.withColumn("__now", F.lit(batch.time).cast("timestamp")).createOrReplaceTempView(name)
    return name
