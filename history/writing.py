"""Writing a plan to the audit branches: what closes by a merge, what opens by an append.

A MERGE whose clauses are MATCHED only is an inner join: the plan is broadcast and the table is
never shuffled. Two commits on a branch are one change for readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from history import branches
from history.columns import named, quoted
from history.settings import HistorySettings
from history.table import BATCH_ID, HIGH_WATER, KEPT_SNAPSHOT, Published, ensure_kept, kept_events

if TYPE_CHECKING:
    from history.loading import _Load

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


def write_kept(load: _Load, plan: DataFrame, state: Published) -> int | None:
    """Write the kept events' changes on their own branch; returns the snapshot to pin."""
    keep = F.col("__keep")
    rows = plan.where(keep.isNotNull())
    actions = {row["__keep"] for row in rows.select("__keep").distinct().collect()}
    if not actions:
        return state.kept_snapshot
    columns = [named(name) for name in load.columns]
    shaped = rows.select(*columns, F.col("__op"))
    base = ensure_kept(load.spark, load.table, shaped.schema)
    table, spark = kept_events(load.table), load.spark
    branches.start(spark, table, load.branch, state.kept_snapshot or base)
    target = branches.branch_of(table, load.branch)
    if actions & {"replace", "remove"}:
        view = _view(load, rows.where(keep.isin("replace", "remove")), "kept")
        condition = _match(load.settings)
        spark.sql(f"MERGE INTO {target} t USING {view} s ON {condition} WHEN MATCHED THEN DELETE")
    if actions & {"add", "replace"}:
        branches.append(shaped.where(keep.isin("add", "replace")), target, {})
    pinned = branches.head(spark, table, load.branch)
    # The tag keeps the snapshot readable however the branches end; it is pinned by main below.
    spark.sql(f"ALTER TABLE {table} CREATE OR REPLACE TAG `kept_{pinned}` AS OF VERSION {pinned}")
    branches.drop(spark, table, load.branch)
    return pinned


def write_versions(load: _Load, numbered: Numbered, state: Published, kept: int | None) -> None:
    """Write the versions' changes on the audit branch, with the batch in the summary."""
    spark, settings = load.spark, load.settings
    properties = {
        **load.properties,
        BATCH_ID: load.batch_id,
        HIGH_WATER: str(numbered.high_water),
        KEPT_SNAPSHOT: str(kept or ""),
    }
    branches.start(spark, load.table, load.branch, state.snapshot_id)
    target = branches.branch_of(load.table, load.branch)
    plan, action = numbered.plan, F.col("__action")
    actions = {row["__action"] for row in plan.select("__action").distinct().collect()}
    if actions & {"update", "remove", "replace"}:
        view = _view(load, plan.where(action.isin("update", "remove", "replace")), "plan")
        with branches.summary(spark, properties):
            spark.sql(_merge(target, view, settings, load.columns, actions))
    opening = _opened(load, plan.where(action.isin("add", "replace")))
    if actions & {"add", "replace"} or actions <= {None}:
        # An empty append carries the summary when only kept events changed.
        branches.append(opening, target, properties)


def _merge(
    target: str,
    view: str,
    settings: HistorySettings,
    columns: tuple[str, ...],
    actions: set[str | None],
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


def _opened(load: _Load, rows: DataFrame) -> DataFrame:
    settings = load.settings
    latest = {
        name: F.col("__latest")[f"r{position}"]
        for position, name in enumerate(settings.overwritten(load.columns))
    }
    shown = [latest.get(name, named(name)).alias(name) for name in load.columns]
    now = F.lit(load.batch_time).cast("timestamp")
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


def _view(load: _Load, rows: DataFrame, kind: str) -> str:
    name = f"strandline_{kind}_{load.branch}"
    rows.withColumn("__now", F.lit(load.batch_time).cast("timestamp")).createOrReplaceTempView(name)
    return name
