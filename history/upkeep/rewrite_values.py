"""Rewriting values of a history that mean the same afterwards, such as tokens under another key.

Promise: written on a branch, audited there, published by one move of `main`, versions and kept
events together. The audit compares what the rows mean before and after, by digests that the caller
makes. A rewrite that was stopped has published nothing; run again, it begins anew. Batch,
watermark and reads are carried over, so the next load goes on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import AuditError
from history.iceberg import branches
from history.iceberg.current_snapshot import KEPT_SNAPSHOT, current_state
from history.iceberg.history_table import kept_events
from history.iceberg.read_snapshot import rows_at
from history.model.change_batch import audit_branch_name
from history.spark.column_quoting_and_comparison import comparable, named
from history.upkeep.snapshot_expiry import TAG

_BRANCH = audit_branch_name("rewrite")


@dataclass(frozen=True, slots=True)
class ValueRewrite:
    """How values are rewritten.

    Attributes:
        pending: How many of a row's values still have to be rewritten, as a number.
        rewritten: The frame with those values rewritten; its columns and types stay.
        meaning: The frame with what those values mean in their place, in a form that shows
            nothing.
    """

    pending: Callable[[DataFrame], Column]
    rewritten: Callable[[DataFrame], DataFrame]
    meaning: Callable[[DataFrame], DataFrame]


@dataclass(frozen=True, slots=True)
class PendingValues:
    """How many values of a history still have to be rewritten, in the snapshots that readers see.

    `snapshot_id` None: there is no published state.
    """

    snapshot_id: int | None = None
    versions: int = 0
    kept_events: int = 0

    @property
    def values(self) -> int:
        """Those of both tables."""
        return self.versions + self.kept_events


@dataclass(frozen=True, slots=True)
class RowTotals:
    """How many rows there are, and the sum of their digests."""

    rows: int
    digest: int


def pending_values(spark: SparkSession, table: str, rewrite: ValueRewrite) -> PendingValues:
    """What a rewrite would have to do; reads the columns concerned of both tables."""
    state = current_state(spark, table)
    if state is None:
        return PendingValues()
    kept = 0
    if state.kept_snapshot is not None:
        kept = _pending(rows_at(spark, kept_events(table), state.kept_snapshot), rewrite)
    versions = _pending(rows_at(spark, table, state.snapshot_id), rewrite)
    return PendingValues(state.snapshot_id, versions, kept)


def rewrite_values(
    spark: SparkSession, table: str, rewrite: ValueRewrite, pending: PendingValues
) -> int:
    """Rewrite the pending values; returns the snapshot that was published.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history.
        rewrite: How.
        pending: What `pending_values` found; at least one.

    Raises:
        AuditError: The rows do not mean the same afterwards; nothing was published.
        CommitConflictError: Another writer published meanwhile; nothing was published.
    """
    state = current_state(spark, table)
    if state is None or state.snapshot_id != pending.snapshot_id:
        raise branches.published_first(table)
    properties = dict(state.properties)
    try:
        if pending.kept_events and state.kept_snapshot is not None:
            kept = kept_events(table)
            head = _rewritten_on_branch(spark, kept, state.kept_snapshot, rewrite, {})
            _tag(spark, kept, head)
            properties[KEPT_SNAPSHOT] = str(head)
        if pending.versions:
            _rewritten_on_branch(spark, table, state.snapshot_id, rewrite, properties)
        else:
            branches.create(spark, table, _BRANCH, state.snapshot_id)
            no_rows = spark.table(table).limit(0)
            branches.append_rows(no_rows, branches.branch_of(table, _BRANCH), properties)
        return branches.fast_forward(spark, table, _BRANCH)
    finally:
        branches.drop(spark, table, _BRANCH)
        if state.kept_snapshot is not None:
            branches.drop(spark, kept_events(table), _BRANCH)


def row_totals(rows: DataFrame) -> RowTotals:
    """Count the rows, and sum a 64-bit digest of each; nulls and their places count."""
    values = [comparable(named(field.name), field.dataType) for field in rows.schema.fields]
    digest = F.xxhash64(*values, *[value.isNull() for value in values])
    total = F.coalesce(F.sum(digest.cast("decimal(38,0)")), F.lit(0))
    found = rows.agg(F.count(F.lit(1)).alias("rows"), total.alias("digest")).collect()[0]
    return RowTotals(found.rows, int(found.digest))


def refuse_other_meaning(table: str, before: RowTotals, after: RowTotals) -> None:
    """Compare the totals of a table before and after it was rewritten.

    Raises:
        AuditError: They differ.
    """
    if before != after:
        raise AuditError(
            where=table,
            expected=f"the {before.rows:,} rows to mean the same under the new key",
            found=f"{after.rows:,} rows that do not",
            next_step="Nothing was published. Report this, with the counts.",
        )


def _rewritten_on_branch(
    spark: SparkSession,
    table: str,
    snapshot_id: int,
    rewrite: ValueRewrite,
    properties: Mapping[str, str],
) -> int:
    """The head of a branch on which the table is rewritten, and audited."""
    before = rows_at(spark, table, snapshot_id)
    branches.create(spark, table, _BRANCH, snapshot_id)
    branches.overwrite_rows(
        rewrite.rewritten(before), branches.branch_of(table, _BRANCH), properties
    )
    head = branches.head(spark, table, _BRANCH)
    totals = [row_totals(rewrite.meaning(rows)) for rows in (before, rows_at(spark, table, head))]
    refuse_other_meaning(table, *totals)
    return head


def _tag(spark: SparkSession, table: str, snapshot_id: int) -> None:
    """Keep a snapshot that the history names, as upkeep does."""
    branches.alter(
        spark,
        f"ALTER TABLE {table} CREATE OR REPLACE TAG `{TAG}{snapshot_id}` "
        f"AS OF VERSION {snapshot_id}",
    )


def _pending(rows: DataFrame, rewrite: ValueRewrite) -> int:
    found = rows.agg(F.coalesce(F.sum(rewrite.pending(rows)), F.lit(0)).alias("n")).collect()
    return int(found[0].n)
