"""Records of a history replaced by others that say less, or removed, with what is left of them.

Promise: written on a branch, audited there, published by one move of `main`, versions and kept
events together. The audit compares digests: what was not to change did not, what was to change did.
Both tables are written anew, so that no file of the new state has a value of the old. A run that
was stopped has published nothing. Batch, watermark and reads are carried over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import AuditError
from history.iceberg import branches
from history.iceberg.current_snapshot import KEPT_SNAPSHOT, CurrentState
from history.iceberg.history_table import kept_events
from history.iceberg.read_snapshot import rows_at
from history.model.change_batch import audit_branch_name
from history.model.recorded_source_reads import READ
from history.spark.column_quoting_and_comparison import named, quoted, same
from history.upkeep.rewrite_values import RowTotals, row_totals
from history.upkeep.snapshot_expiry import TAG

REPLACED_BY = "strandline.replaced-records"
"""The entry of a snapshot's summary that names the run which replaced records, and so says that
older snapshots have what it removed."""

_BRANCH = audit_branch_name("replace-records")


@dataclass(frozen=True, slots=True)
class RecordReplacement:
    """Which records are replaced, and by what.

    Attributes:
        key: The key columns.
        records: The records, each once: their key columns, and in `new_key(name)` those of the key
            columns that get another value. Read several times: a checkpoint.
        new_keys: The key columns that get another value; none: the records are removed.
        replaced: Given the rows of the records under their new keys, the rows as they are to be.
        emptied: The columns that are null afterwards.
        changed: Those that may have another value afterwards, beside these and the new keys.
    """

    key: tuple[str, ...]
    records: DataFrame
    new_keys: tuple[str, ...] = ()
    replaced: Callable[[DataFrame], DataFrame] = lambda rows: rows
    emptied: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def kept_columns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Of these columns, those whose values stay."""
        other = {*self.emptied, *self.changed, *self.new_keys}
        return tuple(name for name in names if name not in other)


@dataclass(frozen=True, slots=True)
class ReplacedRows:
    """How many rows of the records there were in each of the tables."""

    versions: int = 0
    kept_events: int = 0


def new_key(name: str) -> str:
    """The column of `RecordReplacement.records` with the new value of a key column."""
    return f"__new_{name}"


def replace_records(
    spark: SparkSession,
    table: str,
    replacement: RecordReplacement,
    state: CurrentState,
    *,
    run_id: str,
    before_publish: Callable[[ReplacedRows], None],
) -> int:
    """Replace or remove the records; returns the snapshot that was published.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history.
        replacement: Which, and how.
        state: What readers see now.
        run_id: Names the run in the summary of the new snapshot.
        before_publish: Called with the counts when all is written and audited.

    Raises:
        AuditError: Something else changed, or something did not; nothing was published.
        CommitConflictError: Another writer published meanwhile; nothing was published.
    """
    properties = {**state.properties, REPLACED_BY: run_id}
    if state.last_read is not None:
        # The snapshot that recorded it is let go afterwards.
        properties.setdefault(READ, state.last_read.to_json)
    kept = kept_events(table)
    _loosen(spark, table, replacement.emptied)
    try:
        kept_rows = 0
        if state.kept_snapshot is not None:
            kept_rows, head = _written(spark, kept, state.kept_snapshot, replacement, {})
            branches.alter(
                spark,
                f"ALTER TABLE {kept} CREATE OR REPLACE TAG `{TAG}{head}` AS OF VERSION {head}",
            )
            properties[KEPT_SNAPSHOT] = str(head)
        versions, _ = _written(spark, table, state.snapshot_id, replacement, properties)
        before_publish(ReplacedRows(versions, kept_rows))
        return branches.fast_forward(spark, table, _BRANCH)
    finally:
        branches.drop(spark, table, _BRANCH)
        if state.kept_snapshot is not None:
            branches.drop(spark, kept, _BRANCH)


def _loosen(spark: SparkSession, table: str, emptied: Sequence[str]) -> None:
    """Let the columns be null; what is required of loads is checked by these."""
    for field in spark.table(table).schema.fields:
        if field.name in emptied and not field.nullable:
            branches.alter(
                spark, f"ALTER TABLE {table} ALTER COLUMN {quoted(field.name)} DROP NOT NULL"
            )


def _written(
    spark: SparkSession,
    table: str,
    snapshot_id: int,
    replacement: RecordReplacement,
    properties: Mapping[str, str],
) -> tuple[int, int]:
    """How many rows of the records the table has, and the head of its audited branch."""
    before = rows_at(spark, table, snapshot_id)
    theirs, others = _of(before, replacement), _without(before, replacement, new=False)
    wanted = others
    if replacement.new_keys:
        wanted = others.unionByName(_replaced(theirs, before.columns, replacement))
    branches.create(spark, table, _BRANCH, snapshot_id)
    target = branches.branch_of(table, _BRANCH)
    branches.overwrite_rows(wanted, target, {})
    # The manifest with the bounds of the replaced files is that snapshot's, and no later one's.
    branches.append_rows(wanted.limit(0), target, properties)
    head = branches.head(spark, table, _BRANCH)
    after = rows_at(spark, table, head)
    kept = replacement.kept_columns(before.columns)
    totals = row_totals(theirs.select(*map(named, kept)))
    _refuse_other_rows(table, others, after, replacement)
    if replacement.new_keys:
        _refuse_unlike(table, totals, after, replacement, kept)
    return totals.rows, head


def _of(rows: DataFrame, replacement: RecordReplacement) -> DataFrame:
    """The rows of the records, with the columns of `records`."""
    on = same("t", "s", replacement.key)
    news = [F.col(f"s.{quoted(new_key(name))}") for name in replacement.new_keys]
    columns = [F.col(f"t.{quoted(name)}") for name in rows.columns]
    return rows.alias("t").join(replacement.records.alias("s"), on).select(*columns, *news)


def _replaced(
    theirs: DataFrame, columns: Sequence[str], replacement: RecordReplacement
) -> DataFrame:
    kinds = {field.name: field.dataType for field in theirs.schema.fields}
    replaced = replacement.replaced(theirs)
    keyed = replaced.withColumns(
        {name: named(new_key(name)).cast(kinds[name]) for name in replacement.new_keys}
    )
    empty = {name: F.lit(None).cast(kinds[name]) for name in replacement.emptied if name in kinds}
    return (keyed.withColumns(empty) if empty else keyed).select(*map(named, columns))


def _without(rows: DataFrame, replacement: RecordReplacement, *, new: bool) -> DataFrame:
    """The rows of other records than those, by their old or by their new keys."""
    records = _keys(replacement, new=new)
    on = same("t", "s", replacement.key)
    return rows.alias("t").join(records.alias("s"), on, "left_anti")


def _keys(replacement: RecordReplacement, *, new: bool) -> DataFrame:
    names = {
        name: new_key(name) if new and name in replacement.new_keys else name
        for name in replacement.key
    }
    return replacement.records.select(*[named(each).alias(name) for name, each in names.items()])


def _refuse_other_rows(
    table: str, others: DataFrame, after: DataFrame, replacement: RecordReplacement
) -> None:
    """Rows of other records are as they were, and none has one of the old keys."""
    rest = _without(after, replacement, new=bool(replacement.new_keys))
    before, now = row_totals(others), row_totals(rest)
    if before != now:
        raise _audit(table, f"the {before.rows:,} rows of other records as they were", now.rows)


def _refuse_unlike(
    table: str,
    totals: RowTotals,
    after: DataFrame,
    replacement: RecordReplacement,
    kept: Sequence[str],
) -> None:
    """The rows of the records say what they may still say, and nothing else."""
    on = same("t", "s", replacement.key)
    records = _keys(replacement, new=True)
    theirs = after.alias("t").join(records.alias("s"), on, "left_semi")
    now = row_totals(theirs.select(*map(named, kept)))
    if totals != now:
        raise _audit(table, f"the {totals.rows:,} rows of the records as they may be", now.rows)
    emptied = [name for name in replacement.emptied if name in after.columns]
    if emptied:
        has_value = [named(name).isNotNull().cast("int") for name in emptied]
        left = theirs.where(sum(has_value, start=F.lit(0)) > 0).count()
        if left:
            raise _audit(table, f"no value in {', '.join(emptied)}", left)


def _audit(table: str, expected: str, found: int) -> AuditError:
    return AuditError(
        where=table,
        expected=expected,
        found=f"{found:,} rows that are not so",
        next_step="Nothing was published. Report this, with the counts.",
    )
