"""Branches of one load: written aside, published by moving main."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import CommitConflictError

_ATTEMPTS = 10


def branch_of(table: str, branch: str) -> str:
    """The identifier under which a branch is written."""
    return f"{table}.branch_{branch}"


def create(spark: SparkSession, table: str, branch: str, snapshot_id: int) -> None:
    """Begin the branch at a snapshot, in place of one that an earlier try left."""
    alter(
        spark,
        f"ALTER TABLE {table} CREATE OR REPLACE BRANCH `{branch}` AS OF VERSION {snapshot_id}",
    )


def drop(spark: SparkSession, table: str, branch: str) -> None:
    """Forget the branch; its unpublished files go with the next snapshot expiry."""
    alter(spark, f"ALTER TABLE {table} DROP BRANCH IF EXISTS `{branch}`")


def alter(spark: SparkSession, statement: str) -> None:
    """Change a branch or tag; anew where another writer changed the table's metadata meanwhile.

    Iceberg does so by itself for rows, but not for branches and tags.
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

    An answer that is lost on its way is no failure: whether main has moved is then looked up.

    Raises:
        CommitConflictError: Another writer published in between.
    """
    catalog, _, rest = table.partition(".")
    try:
        moved = spark.sql(f"CALL {catalog}.system.fast_forward('{rest}', 'main', '{branch}')")
        return int(moved.collect()[0].updated_ref)
    except (Py4JJavaError, PySparkException) as error:
        if (snapshot_id := _published_anyway(spark, table, branch)) is not None:
            return snapshot_id
        text = str(error)
        if "ancestor" not in text and "CommitFailed" not in text and "onflict" not in text:
            raise
        raise CommitConflictError(
            where=table,
            expected="the table as it was when the load was planned",
            found="that another writer published first",
            next_step="Run the load again; it is planned anew on what was published.",
        ) from None


def _published_anyway(spark: SparkSession, table: str, branch: str) -> int | None:
    """The branch's head, if it is main's or one of its ancestors; None also if nobody can tell."""
    try:
        refs = spark.sql(f"SELECT name, snapshot_id FROM {table}.refs").collect()  # noqa: S608
        snapshots = spark.sql(f"SELECT snapshot_id, parent_id FROM {table}.snapshots").collect()  # noqa: S608
    except (Py4JJavaError, PySparkException):
        return None
    heads = {row.name: row.snapshot_id for row in refs}
    parents = {row.snapshot_id: row.parent_id for row in snapshots}
    wanted, at = heads.get(branch), heads.get("main")
    while at is not None and at != wanted:
        at = parents.get(at)
    return at


@dataclass(frozen=True, slots=True)
class BranchChanges:
    """What a branch holds beyond the snapshot it began at, as the table itself counts it.

    Attributes:
        head: The snapshot at the branch's end.
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
    end = head(spark, table, branch)
    rows = spark.sql(
        f"SELECT snapshot_id, parent_id, summary FROM {table}.snapshots "  # noqa: S608
        f"WHERE snapshot_id IN ({end}, {base}) OR parent_id = {base}"
    ).collect()
    found = {row.snapshot_id: row for row in rows}
    before, after = found[base].summary, found[end].summary
    written = [after]
    if found[end].parent_id != base:
        written.append(found[found[end].parent_id].summary)

    def total(name: str) -> int:
        return int(after.get(name, "0")) - int(before.get(name, "0"))

    def added(name: str) -> int:
        return sum(int(each.get(name, "0")) for each in written)

    return BranchChanges(
        head=end,
        appended_after=found[end].parent_id,
        appended=total("total-records"),
        removed=total("total-position-deletes"),
        files=added("added-data-files") + added("added-delete-files"),
        size=added("added-files-size"),
    )


def append_rows(frame: DataFrame, target: str, properties: Mapping[str, str]) -> None:
    """Append rows to a table or branch with the properties in the snapshot's summary."""
    writer = frame.writeTo(target)
    for name, text in properties.items():
        writer = writer.option(f"snapshot-property.{name}", text)
    writer.append()
