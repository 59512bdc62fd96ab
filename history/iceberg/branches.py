"""Branches of one load: written beside main, published by moving main."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameWriterV2, SparkSession
from pyspark.sql import functions as F

from contracts.errors import CommitConflictError

_ATTEMPTS = 10


def branch_of(table: str, branch: str) -> str:
    """The identifier by which a branch is written."""
    return f"{table}.branch_{branch}"


def create(spark: SparkSession, table: str, branch: str, snapshot_id: int) -> None:
    """Begin the branch at a snapshot; replaces one that an earlier attempt left."""
    alter(
        spark,
        f"ALTER TABLE {table} CREATE OR REPLACE BRANCH `{branch}` AS OF VERSION {snapshot_id}",
    )


def drop(spark: SparkSession, table: str, branch: str) -> None:
    """Drop the branch; the next snapshot expiry removes its unpublished files."""
    alter(spark, f"ALTER TABLE {table} DROP BRANCH IF EXISTS `{branch}`")


def alter(spark: SparkSession, statement: str) -> None:
    """Change a branch or tag; try again if another writer changed the table's metadata meanwhile.

    Iceberg itself retries commits of rows, but not of branches and tags.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            spark.sql(statement)
        except (Py4JJavaError, PySparkException) as error:
            if "CommitFailed" not in str(error) or attempt == _ATTEMPTS:
                raise
            time.sleep(0.05 * attempt)
        else:
            return


def head(spark: SparkSession, table: str, branch: str) -> int:
    """The snapshot at the head of a branch."""
    name = branch.replace("'", "")
    rows = spark.sql(f"SELECT snapshot_id FROM {table}.refs WHERE name = '{name}'").collect()  # noqa: S608
    return int(rows[0].snapshot_id)


def fast_forward(spark: SparkSession, table: str, branch: str) -> int:
    """Move main to the branch's head, if main is where the branch began; returns that snapshot.

    A lost response is no failure: the table's metadata then tells whether main has moved.

    Raises:
        CommitConflictError: Another writer published in between.
    """
    catalog, _, name = table.partition(".")
    try:
        moved = spark.sql(f"CALL {catalog}.system.fast_forward('{name}', 'main', '{branch}')")
        return int(moved.collect()[0].updated_ref)
    except (Py4JJavaError, PySparkException) as error:
        if (snapshot_id := _published_anyway(spark, table, branch)) is not None:
            return snapshot_id
        message = str(error)
        if "ancestor" not in message and "CommitFailed" not in message and "onflict" not in message:
            raise
        raise published_first(table) from None


def published_first(table: str) -> CommitConflictError:
    """The error about another writer that was faster."""
    return CommitConflictError(
        where=table,
        expected="the table as it was when the load was planned",
        found="that another writer published first",
        next_step="Run the load again; it is planned anew on what was published.",
    )


def _published_anyway(spark: SparkSession, table: str, branch: str) -> int | None:
    """The branch's head, if it is main's or one of its ancestors; None also if unreadable."""
    try:
        refs = spark.sql(f"SELECT name, snapshot_id FROM {table}.refs").collect()  # noqa: S608
        snapshots = spark.sql(f"SELECT snapshot_id, parent_id FROM {table}.snapshots").collect()  # noqa: S608
    except (Py4JJavaError, PySparkException):
        return None
    heads = {row.name: row.snapshot_id for row in refs}
    parents = {row.snapshot_id: row.parent_id for row in snapshots}
    branch_head, ancestor = heads.get(branch), heads.get("main")
    while ancestor is not None and ancestor != branch_head:
        ancestor = parents.get(ancestor)
    return ancestor


@dataclass(frozen=True, slots=True)
class BranchChanges:
    """What a branch adds to the snapshot it began at, from the counts in the table's metadata.

    Attributes:
        head: The newest snapshot of the branch.
        appended_after: The snapshot before the rows were appended.
        appended: Rows in the data files that were added.
        removed: Rows that were marked deleted.
        files: Data and delete files that were written.
        size: Their bytes.
    """

    head: int
    appended_after: int
    appended: int
    removed: int
    files: int
    size: int


def changes_on_branch(spark: SparkSession, table: str, branch: str, base: int) -> BranchChanges:
    """What was written on a branch that began at the snapshot `base`: at most two commits."""
    branch_head = head(spark, table, branch)
    rows = spark.sql(
        f"SELECT snapshot_id, parent_id, summary FROM {table}.snapshots "  # noqa: S608
        f"WHERE snapshot_id IN ({branch_head}, {base}) OR parent_id = {base}"
    ).collect()
    snapshots = {row.snapshot_id: row for row in rows}
    before, after = snapshots[base].summary, snapshots[branch_head].summary
    summaries = [after]
    if snapshots[branch_head].parent_id != base:
        summaries.append(snapshots[snapshots[branch_head].parent_id].summary)

    def total(name: str) -> int:
        return int(after.get(name, "0")) - int(before.get(name, "0"))

    def added(name: str) -> int:
        return sum(int(each.get(name, "0")) for each in summaries)

    return BranchChanges(
        head=branch_head,
        appended_after=snapshots[branch_head].parent_id,
        appended=total("total-records"),
        removed=total("total-position-deletes"),
        files=added("added-data-files") + added("added-delete-files"),
        size=added("added-files-size"),
    )


def append_rows(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Append rows to a table or branch with the properties in the snapshot's summary."""
    _writer(frame, target, properties).append()


def overwrite_rows(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Replace all rows of a table or branch, with the properties in the snapshot's summary."""
    _writer(frame, target, properties).overwrite(F.lit(True))


def _writer(frame: DataFrame, target: str, properties: Mapping[str, str]) -> DataFrameWriterV2:
    writer = frame.writeTo(target)
    for name, value in properties.items():
        writer = writer.option(f"snapshot-property.{name}", value)
    return writer
