"""Green's history becomes the published one, by one commit; and the way back, by one commit.

What differs between both is merged on a branch of the published table, compared there with green
row by row, and published by moving main, like a load. So the table keeps its identity, its earlier
states, its batches and its reads, and readers of the table and of its views see either the one or
the other. The way back moves main to the state before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import AuditError, CommitConflictError, NotFoundError
from history.iceberg import branches
from history.iceberg.current_snapshot import (
    BATCH_ID,
    HIGH_WATER,
    KEPT_SNAPSHOT,
    WATERMARK,
    CurrentState,
    current_state,
    is_strandline_property,
)
from history.iceberg.table_metadata import table_metadata
from history.iceberg.table_properties import (
    TableProperties,
    strandline_properties,
    write_properties,
)
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import READ
from history.reading.published_snapshots import read_state
from history.release.green_table import OF_ONE_BATCH, copy_kept
from history.schema_evolution.alter_table_statements import ColumnChanges, alter_table
from history.schema_evolution.schema_compatibility import check_columns
from history.spark.checkpoint import checkpoint, unpersisting
from history.spark.column_quoting_and_comparison import content_digest, count_of, named, quoted
from history.writing.surrogate_keys import NumberedPlan

PREFIX = "release-"
"""How the batch ids of promotions begin."""

_KEPT_RECORDS = (
    "strandline.tracked", "strandline.carried", "strandline.order", "strandline.fingerprint",
    "strandline.partitioning", "strandline.source-kind", "strandline.observed-since",
    "strandline.added.", "strandline.dropped.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion on its branch.

    Attributes:
        snapshot_before: The published snapshot that it began at.
        head: The head of the branch; None: the promotion was published before.
        added: Versions that the published history lacked.
        changed: Versions that differ.
        removed: Versions that green lacks.
    """

    snapshot_before: int
    head: int | None
    added: int = 0
    changed: int = 0
    removed: int = 0


def batch_of_release(release_id: str) -> str:
    """The id of the batch that promotes a release: the same each time it is tried."""
    return f"{PREFIX}{release_id}"


def refuse_unfit_columns(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> None:
    """Refuse event columns that the published table can't come to have.

    Args:
        spark: The session.
        table: The published history.
        events: The event columns that are to be promoted.
        settings: How they are kept.

    Raises:
        SchemaDriftError: Another key or order, or a type that is not a wider one; each is listed.
    """
    have = spark.table(table).schema
    columns = [each for each in have.fieldNames() if each not in settings.filled]
    adopted = TableProperties.from_settings(settings, columns)
    recorded = TableProperties.from_properties(strandline_properties(spark, table), adopted)
    # Columns of the fingerprint may differ: each version of green has green's.
    check_columns(table, events, settings, have, replace(recorded, covered=()))


def _alteration(
    spark: SparkSession, table: str, green: str, settings: HistorySettings
) -> ColumnChanges:
    """What has to be altered of the published table to hold green's columns."""
    have, wanted = (spark.table(each).schema for each in (table, green))
    events = T.StructType([each for each in wanted.fields if each.name not in settings.filled])
    refuse_unfit_columns(spark, table, events, settings)
    there = {*wanted.fieldNames()}
    loosened = tuple(f.name for f in have.fields if f.name not in there and not f.nullable)
    return ColumnChanges.between(have, wanted, loosened)


def write_promotion(
    spark: SparkSession, batch: Batch, green: str, state: CurrentState, entries: Mapping[str, str]
) -> Promotion:
    """Merge green into a branch of the published table; changes nothing that readers see.

    Surrogate keys of versions that both have stay as they are published; others get the next
    numbers.

    Args:
        spark: The session.
        batch: The batch of the promotion.
        green: The green table.
        state: The published state.
        entries: Further entries for the snapshot's summary.

    Raises:
        SchemaDriftError: See `refuse_unfit_columns`.
        AuditError: The branch is not what green is; it is dropped.
    """
    if batch.id in state.batches:
        return Promotion(state.snapshot_id, None)
    table, settings = batch.table, batch.settings
    new = current_state(spark, green)
    if new is None:
        raise _not_loaded(green)
    alteration = _alteration(spark, table, green, settings)
    if not alteration.is_empty:
        alter_table(spark, table, alteration)
    with unpersisting():
        kept = copy_kept(spark, green, new, table, settings, branch=batch.branch)
        branches.create(spark, table, batch.branch, state.snapshot_id)
        try:
            plan, high_water = _numbered(spark, batch, green, state, new)
            target = branches.branch_of(table, batch.branch)
            _merge(spark, batch, plan, target)
            summary = {
                **_carried(new),
                **entries,
                BATCH_ID: batch.id,
                HIGH_WATER: str(high_water),
                KEPT_SNAPSHOT: str(kept or ""),
            }
            if new.properties.get(WATERMARK):
                summary[WATERMARK] = new.properties[WATERMARK]
            if new.last_read is not None and new.last_read not in state.reads:
                summary[READ] = new.last_read.to_json
            empty = spark.createDataFrame([], spark.table(table).schema)
            branches.append_rows(empty, target, summary)
            head = branches.head(spark, table, batch.branch)
            counts = _differences(spark, table, state.snapshot_id, head, settings)
            _audit(spark, table, green, head, settings)
        except BaseException:
            branches.drop(spark, table, batch.branch)
            raise
    return replace(counts, head=head)


def publish_promotion(spark: SparkSession, batch: Batch, green: str, written: Promotion) -> int:
    """Move main to the branch, in one commit, and record how the table is kept from now on.

    Returns:
        The published snapshot.

    Raises:
        CommitConflictError: Another writer published first; nothing was changed.
    """
    if written.head is None:
        snapshot = written.snapshot_before
    else:
        try:
            snapshot = branches.fast_forward(spark, batch.table, batch.branch)
        except CommitConflictError:
            branches.drop(spark, batch.table, batch.branch)
            raise
    _set_records(spark, batch.table, strandline_properties(spark, green), batch.settings)
    return snapshot


def move_back(
    spark: SparkSession, table: str, snapshot_id: int, records: Mapping[str, str],
    settings: HistorySettings,
) -> None:  # fmt: skip
    """Make an earlier published snapshot the published one again, by one commit.

    Args:
        spark: The session.
        table: The history.
        snapshot_id: The snapshot before the promotion.
        records: The table's properties at that time.
        settings: How it was kept.

    Raises:
        NotFoundError: The snapshot has expired.
    """
    metadata = table_metadata(spark, table)
    if snapshot_id not in metadata.snapshots:
        raise NotFoundError(
            where=table,
            expected="the state before the release",
            found="that it has expired",
            next_step="`strandline release start` with the contract as it was brings it back.",
        )
    if metadata.refs["main"].snapshot != snapshot_id:
        catalog = table.partition(".")[0]
        branches.alter(
            spark, f"CALL {catalog}.system.set_current_snapshot('{table}', {snapshot_id}L)"
        )
    _set_records(spark, table, records, settings)


def keep_way_back(spark: SparkSession, table: str, release_id: str, snapshot_id: int) -> None:
    """Keep a snapshot from expiring as long as the release can be rolled back."""
    branches.alter(
        spark,
        f"ALTER TABLE {table} CREATE OR REPLACE TAG `{_tag(release_id)}` "
        f"AS OF VERSION {snapshot_id}",
    )


def give_up_way_back(spark: SparkSession, table: str, release_id: str) -> None:
    """Let that snapshot expire when its time is up."""
    branches.alter(spark, f"ALTER TABLE {table} DROP TAG IF EXISTS `{_tag(release_id)}`")


def _tag(release_id: str) -> str:
    return f"before_release_{release_id}"


def records_of(spark: SparkSession, table: str) -> dict[str, str]:
    """The properties that say how a table is kept."""
    everything = strandline_properties(spark, table)
    return {name: text for name, text in everything.items() if name.startswith(_KEPT_RECORDS)}


def _set_records(
    spark: SparkSession, table: str, records: Mapping[str, str], settings: HistorySettings
) -> None:
    before = strandline_properties(spark, table)
    columns = [name for name in spark.table(table).columns if name not in settings.filled]
    adopted = TableProperties.from_settings(settings, columns)
    write_properties(spark, table, before, TableProperties.from_properties(records, adopted))


def _carried(state: CurrentState) -> dict[str, str]:
    return {
        name: text
        for name, text in state.properties.items()
        if is_strandline_property(name) and name not in OF_ONE_BATCH
    }


def _numbered(
    spark: SparkSession, batch: Batch, green: str, state: CurrentState, new: CurrentState
) -> tuple[DataFrame, int]:
    """Green's versions with the surrogate keys that are published, and the greatest key then."""
    settings = batch.settings
    rows = read_state(spark, green, new.snapshot_id)
    if settings.surrogate_key is None:
        return rows, state.high_water
    at = (*settings.key, settings.sequence)
    blue = read_state(spark, batch.table, state.snapshot_id).select(
        *[named(name).alias(f"__b{position}") for position, name in enumerate(at)],
        named(settings.surrogate_key).alias("__published"),
    )
    on = [named(name).eqNullSafe(F.col(f"__b{position}")) for position, name in enumerate(at)]
    joined = rows.join(blue, on, "left").drop(*[f"__b{position}" for position in range(len(at))])
    action = F.when(F.col("__published").isNull(), "add").otherwise("keep")
    held = checkpoint(
        joined.withColumn("__version_action", action),
        {"new": count_of(F.col("__published").isNull())},
    )
    high_water = max(state.high_water, new.high_water)
    count = int(held.counts["new"])
    numbered = NumberedPlan.of(held.rows, settings, high_water, count)
    number = F.coalesce("__published", "__number").alias(settings.surrogate_key)
    columns = [number if name == settings.surrogate_key else named(name) for name in rows.columns]
    return numbered.plan.select(*columns), numbered.high_water


def _merge(spark: SparkSession, batch: Batch, rows: DataFrame, target: str) -> None:
    """One MERGE: versions that differ are replaced, new ones added, others removed."""
    settings = batch.settings
    view = f"strandline_promotion_{batch.branch}"
    rows.createOrReplaceTempView(view)
    at = (*settings.key, settings.sequence)
    on = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in at)
    values = [name for name in rows.columns if name not in at]
    same = " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in values)
    sets = ", ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in values)
    names = ", ".join(quoted(name) for name in rows.columns)
    sources = ", ".join(f"s.{quoted(name)}" for name in rows.columns)
    extra = [name for name in spark.table(batch.table).columns if name not in rows.columns]
    names += "".join(f", {quoted(name)}" for name in extra)
    sources += "".join(", NULL" for _ in extra)
    try:
        spark.sql(
            f"MERGE INTO {target} t USING {view} s ON {on} "  # noqa: S608 - names are quoted
            f"WHEN MATCHED AND NOT ({same}) THEN UPDATE SET {sets} "
            f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({sources}) "
            "WHEN NOT MATCHED BY SOURCE THEN DELETE"
        )
    finally:
        spark.catalog.dropTempView(view)


def _differences(
    spark: SparkSession, table: str, before: int, after: int, settings: HistorySettings
) -> Promotion:
    """How many versions differ between two states, by key and sequence."""
    at = (*settings.key, settings.sequence)
    frames = [read_state(spark, table, snapshot) for snapshot in (before, after)]
    common = [name for name in frames[0].columns if name in frames[1].columns and name not in at]
    # Equal numbers of two types have two digests; the later type is the wider one.
    schema = frames[1].schema
    old, new = (
        frame.select(
            *[named(name).alias(f"__k{position}") for position, name in enumerate(at)],
            *[named(name).cast(schema[name].dataType).alias(name) for name in common],
        ).select(
            *[f"__k{position}" for position in range(len(at))],
            content_digest(common, schema).alias(alias),
        )
        for frame, alias in zip(frames, ("old", "new"), strict=True)
    )
    on = [f"__k{position}" for position in range(len(at))]
    both = old.join(new, on, "full")
    added, removed = F.col("old").isNull(), F.col("new").isNull()
    counted = both.agg(
        count_of(added).alias("added"),
        count_of(removed).alias("removed"),
        count_of(~added & ~removed & (F.col("old") != F.col("new"))).alias("changed"),
    ).collect()[0]
    return Promotion(before, after, int(counted.added), int(counted.changed), int(counted.removed))


def _audit(
    spark: SparkSession, table: str, green: str, head: int, settings: HistorySettings
) -> None:
    """Compare the branch with green, row by row, but for the surrogate keys."""
    there = read_state(spark, table, head)
    wanted = spark.table(green)
    names = [name for name in wanted.columns if name != settings.surrogate_key]
    counts = [_content(frame, names) for frame in (there, wanted)]
    if counts[0] != counts[1]:
        raise AuditError(
            where=table,
            expected=f"the {counts[1][0]:,} versions of {green} on the branch",
            found=f"{counts[0][0]:,} versions, or other values",
            next_step="Nothing was published. Another writer may have changed one of the tables: "
            "promote again.",
        )


def _content(frame: DataFrame, names: list[str]) -> tuple[int, int, int]:
    """Rows, and two sums over the halves of their digests."""
    text = F.to_json(F.struct(*[named(name).alias(f"c{i}") for i, name in enumerate(names)]))
    digest = F.xxhash64(text)
    half = F.lit(0xFFFFFFFF)
    sums: list[Column] = [
        F.sum(digest.bitwiseAND(half)).alias("low"),
        F.sum(F.shiftrightunsigned(digest, 32)).alias("high"),
    ]
    row = frame.agg(F.count(F.lit(1)).alias("rows"), *sums).collect()[0]
    return int(row.rows), int(row.low or 0), int(row.high or 0)


def _not_loaded(green: str) -> NotFoundError:
    return NotFoundError(
        where=green,
        expected="a green table that was loaded",
        found="an empty one",
        next_step="Run `strandline release compare`, which brings it up to date.",
    )
