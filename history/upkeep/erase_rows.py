"""Erasing rows of a history: they leave its versions and its kept events.

Promise: written on a branch, audited there, published by one move of `main`; all other rows stay as
they are. Batch, watermark and reads are carried over, so the next load goes on as if the rows had
never been there. The files that held them stay until `history.upkeep.purge_states` removes them.

Of a key that has other rows too, each erased version leaves a delete of the key in its place: a
rebuild from events then gives the same versions, and no neighbour grows over the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import AuditError
from history.iceberg import branches
from history.iceberg.current_snapshot import (
    BATCH_ID,
    KEPT_SNAPSHOT,
    CurrentState,
    current_snapshot,
    current_state,
)
from history.iceberg.history_table import ensure_kept, exists, kept_events
from history.iceberg.read_snapshot import rows_at
from history.model.change_batch import audit_branch_name
from history.model.history_settings import HistorySettings
from history.planning.event_validation import DELETE
from history.spark.checkpoint import checkpoint, unpersisting
from history.spark.column_quoting_and_comparison import named, quoted
from history.upkeep.compaction import CompactionLimits, rewrite_data_files, sortable
from history.upkeep.rewrite_values import row_totals
from history.upkeep.snapshot_expiry import TAG

_BRANCH = audit_branch_name("erase")
_VIEW = "strandline_erased_rows"

ANY_DELETE = CompactionLimits(small_files=1_000_000, small_file_mb=0, delete_ratio=1e-9)
"""Limits by which exactly the files are rewritten of which any row was deleted."""


@dataclass(frozen=True, slots=True)
class RowErasure:
    """Which rows are erased.

    Attributes:
        marked: A frame of versions or kept events as it is, with the column `mark`: null for rows
            that stay, and what the counts are told by for those that do not.
        mark: The name of that column.
        whole_keys: A key's rows are all erased, or none of them.
    """

    marked: Callable[[DataFrame], DataFrame]
    mark: str
    whole_keys: bool


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """How many rows were erased, by their mark.

    `keys` are the keys of all of them, as rows of the key columns; None: there are none.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    kept_events: Mapping[str, int] = field(default_factory=dict)
    keys: DataFrame | None = None

    @property
    def rows(self) -> int:
        """Those of both tables."""
        return sum(self.versions.values()) + sum(self.kept_events.values())


def marked_rows(spark: SparkSession, table: str, erasure: RowErasure) -> ErasedRows:
    """What an erasure would erase of what readers see now, without the keys."""
    state = current_state(spark, table)
    if state is None:
        return ErasedRows()
    versions = erasure.marked(rows_at(spark, table, state.snapshot_id))
    kept: Mapping[str, int] = {}
    if state.kept_snapshot is not None:
        rows = rows_at(spark, kept_events(table), state.kept_snapshot)
        kept = _counts(erasure.marked(rows), erasure.mark)
    return ErasedRows(_counts(versions, erasure.mark), kept)


def erase_rows(
    spark: SparkSession, table: str, settings: HistorySettings, erasure: RowErasure
) -> ErasedRows:
    """Erase rows from the versions and the kept events.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history.
        settings: How the history is kept.
        erasure: Which rows.

    Raises:
        AuditError: Other rows are not as they were; nothing was published.
        CommitConflictError: Another writer published meanwhile; nothing was published.
    """
    state = current_state(spark, table)
    if state is None:
        return ErasedRows()
    try:
        with unpersisting():
            return _erase(_Erasing(spark, table, settings, erasure, state))
    finally:
        for each in (table, kept_events(table)):
            if exists(spark, each):
                branches.drop(spark, each, _BRANCH)


@dataclass(frozen=True, slots=True)
class _Erasing:
    spark: SparkSession
    table: str
    settings: HistorySettings
    erasure: RowErasure
    state: CurrentState

    @property
    def kept(self) -> str:
        return kept_events(self.table)

    @property
    def keys(self) -> list[str]:
        return [*self.settings.key]

    def stays(self, marked: DataFrame) -> DataFrame:
        return marked.where(F.col(self.erasure.mark).isNull()).drop(self.erasure.mark)

    def leaves(self, marked: DataFrame) -> DataFrame:
        return marked.where(F.col(self.erasure.mark).isNotNull())


def _erase(run: _Erasing) -> ErasedRows:
    spark, table, state = run.spark, run.table, run.state
    before = rows_at(spark, table, state.snapshot_id)
    leaving = checkpoint(
        run.leaves(run.erasure.marked(before)).select(
            *_identity(run.settings, before.columns), run.erasure.mark
        )
    ).rows
    kept = None
    if state.kept_snapshot is not None:
        kept = run.erasure.marked(rows_at(spark, run.kept, state.kept_snapshot))
    erased = ErasedRows(
        _counts(leaving, run.erasure.mark),
        {} if kept is None else _counts(kept, run.erasure.mark),
    )
    keys = leaving.select(*map(named, run.keys))
    if kept is not None:
        keys = keys.unionByName(run.leaves(kept).select(*map(named, run.keys)))
    keys = checkpoint(keys.distinct(), lasting=True).rows
    branches.create(spark, table, _BRANCH, state.snapshot_id)
    target = branches.branch_of(table, _BRANCH)
    if erased.versions:
        _delete(run, leaving, target)
    rewrite_data_files(spark, table, _BRANCH, _order(run, before), ANY_DELETE)
    properties = dict(state.properties)
    pinned = _rewritten_kept_events(run, before, leaving, kept, erased)
    if pinned is not None:
        properties[KEPT_SNAPSHOT] = str(pinned)
    if BATCH_ID in properties:
        branches.append_rows(spark.table(table).limit(0), target, properties)
    head = branches.head(spark, table, _BRANCH)
    _refuse_other_rows(
        table, run.stays(run.erasure.marked(before)), rows_at(spark, table, head), run.erasure
    )
    branches.fast_forward(spark, table, _BRANCH)
    return ErasedRows(erased.versions, erased.kept_events, keys)


def _identity(settings: HistorySettings, columns: list[str]) -> list[str]:
    """What tells a version from all others, with what a delete in its place needs."""
    names = (*settings.key, settings.valid_from, settings.sequence, *settings.tie_breaker)
    names = (*names, *settings.dated_by)
    return [name for name in dict.fromkeys(names) if name in columns]


def _delete(run: _Erasing, leaving: DataFrame, target: str) -> None:
    same = [*run.keys, run.settings.valid_from]
    leaving.select(*map(named, same)).distinct().createOrReplaceTempView(_VIEW)
    condition = " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in same)
    try:
        run.spark.sql(
            f"MERGE INTO {target} t USING {_VIEW} s ON {condition} WHEN MATCHED THEN DELETE"
        )
    finally:
        run.spark.catalog.dropTempView(_VIEW)


def _order(run: _Erasing, rows: DataFrame) -> tuple[str, ...]:
    return sortable(rows.schema, (*run.settings.key, run.settings.valid_from))


def _rewritten_kept_events(
    run: _Erasing,
    before: DataFrame,
    leaving: DataFrame,
    kept: DataFrame | None,
    erased: ErasedRows,
) -> int | None:
    """The kept events without those erased, as a snapshot that has nothing of the older ones.

    None: they stay as they are.
    """
    spark = run.spark
    staying = None if kept is None else run.stays(kept)
    deletes = None
    if not run.erasure.whole_keys and erased.versions:
        others = run.stays(run.erasure.marked(before)).select(*map(named, run.keys)).distinct()
        if staying is not None:
            # A delete of a key that has no version any more says that there was one.
            staying = staying.where(F.col("__op") != DELETE).unionByName(
                staying.where(F.col("__op") == DELETE).join(others, run.keys, "left_semi")
            )
        found = checkpoint(
            leaving.join(others, run.keys, "left_semi").drop(run.erasure.mark),
            {"rows": F.count(F.lit(1))},
        )
        deletes = found.rows if found.counts["rows"] else None
    if deletes is None and not erased.kept_events:
        return None
    schema = before.select(
        *[named(name) for name in before.columns if name not in run.settings.filled]
    ).schema
    if kept is None:
        events = spark.createDataFrame([], schema.add("__op", "string"))
        ensure_kept(spark, run.table, events.schema, run.settings)
        staying = spark.table(run.kept).limit(0)
    rows = staying if staying is not None else spark.table(run.kept).limit(0)
    if deletes is not None:
        rows = rows.unionByName(
            deletes.drop(run.settings.valid_from).withColumn("__op", F.lit(DELETE)),
            allowMissingColumns=True,
        )
    return _written_anew(run, rows)


def _written_anew(run: _Erasing, rows: DataFrame) -> int:
    """The snapshot of the kept events that holds these rows, and began from none, with its tag."""
    spark, kept = run.spark, run.kept
    base = current_snapshot(spark, kept)
    branches.create(spark, kept, _BRANCH, base or 0)
    target = branches.branch_of(kept, _BRANCH)
    # `main` of the kept events has no rows: batches write on branches of it, which tags keep.
    write = branches.append_rows if not _has_rows(spark, kept) else branches.overwrite_rows
    write(rows, target, {})
    head = branches.head(spark, kept, _BRANCH)
    _refuse_other_rows(kept, rows, rows_at(spark, kept, head), None)
    branches.alter(
        spark,
        f"ALTER TABLE {kept} CREATE OR REPLACE TAG `{TAG}{head}` AS OF VERSION {head}",
    )
    return head


def _has_rows(spark: SparkSession, table: str) -> bool:
    return bool(spark.table(table).limit(1).collect())


def _refuse_other_rows(
    table: str, wanted: DataFrame, found: DataFrame, erasure: RowErasure | None
) -> None:
    """Compare what is on the branch with what was to stay.

    Raises:
        AuditError: It is not that.
    """
    left = 0 if erasure is None else sum(_counts(erasure.marked(found), erasure.mark).values())
    names = wanted.columns
    totals = [row_totals(rows.select(*map(named, names))) for rows in (wanted, found)]
    if left or totals[0] != totals[1]:
        raise AuditError(
            where=table,
            expected=f"the {totals[0].rows:,} other rows as they were, and no row that is erased",
            found=f"{totals[1].rows:,} rows, of which {left:,} should be gone",
            next_step="Nothing was published. Report this, with the counts.",
        )


def _counts(marked: DataFrame, mark: str) -> Mapping[str, int]:
    rows = marked.where(F.col(mark).isNotNull()).groupBy(mark).count().collect()
    return {row[0]: int(row[1]) for row in rows}
