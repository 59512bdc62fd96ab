"""Branches of one load: written beside main, published by moving main."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameWriterV2, SparkSession
from pyspark.sql import functions as F

from contracts.errors import CommitConflictError
from history.iceberg.java_table import java_table
from history.iceberg.table_metadata import table_metadata

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
    return table_metadata(spark, table).refs[branch].snapshot


def fast_forward(spark: SparkSession, table: str, branch: str) -> int:
    """Move main to the branch's head, if main is where the branch began, and drop the branch.

    A lost response is no failure: the table's metadata then tell whether main has moved.

    Returns:
        The snapshot that readers see from now on.

    Raises:
        CommitConflictError: Another writer published in between.
    """
    snapshot = head(spark, table, branch)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            move_main(spark, table, branch)
        except (Py4JJavaError, PySparkException) as error:
            if _is_published(spark, table, snapshot):
                return snapshot
            message = str(error)
            if "ancestor" in message:
                raise published_first(table) from None
            if "CommitFailed" not in message and "onflict" not in message:
                raise
            # Others have changed a branch or a tag, or have published: the next attempt shows.
            if attempt == _ATTEMPTS:
                raise published_first(table) from None
            time.sleep(0.05 * attempt)
        else:
            break
    return snapshot


def move_main(spark: SparkSession, table: str, branch: str) -> None:
    """Move main to the head of a descendant branch and drop the branch, by one commit.

    Over Spark Connect it takes two: the branch may be left, which the next load drops.
    """
    loaded = java_table(spark, table)
    if loaded is not None:
        loaded.manageSnapshots().fastForwardBranch("main", branch).removeBranch(branch).commit()
        return
    catalog = table.partition(".")[0]
    spark.sql(f"CALL {catalog}.system.fast_forward('{table}', 'main', '{branch}')")
    with suppress(PySparkException):
        drop(spark, table, branch)


def published_first(table: str) -> CommitConflictError:
    """The error about another writer that was faster."""
    return CommitConflictError(
        where=table,
        expected="the table as it was when the load was planned",
        found="that another writer published first",
        next_step="Run the load again; it is planned anew on what was published.",
    )


def _is_published(spark: SparkSession, table: str, snapshot: int) -> bool:
    """Whether main is at the snapshot or at a later one; False also if that can't be read."""
    try:
        metadata = table_metadata(spark, table)
    except (Py4JJavaError, PySparkException):
        return False
    main = metadata.refs.get("main")
    return main is not None and snapshot in {each.id for each in metadata.ancestry(main.snapshot)}


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
    """What was written on a branch that began at the snapshot `base`: at most two commits.

    The second one appends rows; the first one deletes rows or appends some.
    """
    metadata = table_metadata(spark, table)
    snapshots = metadata.snapshots
    newest = snapshots[metadata.refs[branch].snapshot]
    before, after = snapshots[base].summary, newest.summary
    summaries, appended_after = [after], newest.parent or base
    if appended_after != base:
        first = snapshots[appended_after].summary
        summaries.append(first)
        if int(first.get("added-data-files", "0")):
            appended_after = base

    def total(name: str) -> int:
        return int(after.get(name, "0")) - int(before.get(name, "0"))

    def added(name: str) -> int:
        return sum(int(each.get(name, "0")) for each in summaries)

    return BranchChanges(
        head=newest.id,
        appended_after=appended_after,
        appended=total("total-records"),
        removed=total("total-position-deletes"),
        files=added("added-data-files") + added("added-delete-files"),
        size=added("added-files-size"),
    )


def append_rows(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Append rows to a table or branch with the properties in the snapshot's summary."""
    _writer(frame, target, properties).append()


def append_in_order(frame: DataFrame, target: str) -> None:
    """Append rows that lie as the table's files have them: nothing is sorted for it.

    Each task has a file open for each of the table's partitions that it meets.
    """
    writer = _writer(frame, target, {}).option("use-table-distribution-and-ordering", "false")
    writer.option("fanout-enabled", "true").append()


def overwrite_rows(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Replace all rows of a table or branch, with the properties in the snapshot's summary."""
    _writer(frame, target, properties).overwrite(F.lit(True))


def _writer(frame: DataFrame, target: str, properties: Mapping[str, str]) -> DataFrameWriterV2:
    writer = frame.writeTo(target)
    for name, value in properties.items():
        writer = writer.option(f"snapshot-property.{name}", value)
    return writer
