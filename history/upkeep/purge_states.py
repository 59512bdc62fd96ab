"""Removing every state of a table but the current one, with all that only those states hold.

Promise: afterwards no snapshot, branch or tag but the current state is left, and no file of the
others: no data file, no delete file, and no manifest, whose lower and upper bounds are values of
rows. What readers see does not change. Stopped in between, it can be run again.

Iceberg writes a removed file's entry, with its bounds, into the manifests of the snapshot that
removed it. So the manifests of the current state are written anew before the others expire.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from history.iceberg import branches
from history.iceberg.current_snapshot import BATCH_ID, current_state
from history.iceberg.history_table import exists, kept_events
from history.iceberg.read_snapshot import rows_at
from history.iceberg.snapshot_log import snapshot_log
from history.model.change_batch import audit_branch_name
from history.upkeep.compaction import join_manifests
from history.upkeep.snapshot_expiry import TAG

_MAIN = "main"
_LATER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PurgedStates:
    """What was removed of a table: snapshots, and the branches and tags that were dropped."""

    snapshots: int = 0
    files: int = 0
    refs: tuple[str, ...] = ()

    def __add__(self, other: PurgedStates) -> PurgedStates:
        return PurgedStates(
            self.snapshots + other.snapshots, self.files + other.files, (*self.refs, *other.refs)
        )


@dataclass(frozen=True, slots=True)
class LeftFiles:
    """What lies in a table's directory beside its current state.

    Attributes:
        data: Paths of data files that no snapshot references.
        manifests: Paths of manifests and manifest lists that no snapshot references.
    """

    data: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()


def foreign_refs(spark: SparkSession, table: str) -> tuple[str, ...]:
    """The tags of a table, and of its kept events, that no load and no upkeep made.

    Whoever made one wanted that state kept: removing it needs their word.
    """
    names = []
    for each in (table, kept_events(table)):
        if exists(spark, each):
            refs = snapshot_log(spark, each).refs
            names += [
                f"{each}: {ref.name}"
                for ref in refs
                if not ref.name.startswith(audit_branch_name("") if ref.is_branch else TAG)
                and ref.name != _MAIN
            ]
    return tuple(names)


def purge_history(spark: SparkSession, table: str) -> PurgedStates:
    """Leave of a history, and of its kept events, the state that readers see and nothing else.

    Args:
        spark: A session with the Iceberg extensions.
        table: `catalog.namespace.name` of the history. No load of it may run meanwhile.
    """
    state = current_state(spark, table)
    if state is None:
        return PurgedStates()
    join_manifests(spark, table)
    if BATCH_ID in state.properties:
        # The next load reads them from the newest snapshots, of which one will be left.
        branches.append_rows(spark.table(table).limit(0), table, state.properties)
    purged = _purge(spark, table, keep=())
    if not exists(spark, kept_events(table)):
        return purged
    pinned = () if state.kept_snapshot is None else (f"{TAG}{state.kept_snapshot}",)
    return purged + _purge(spark, kept_events(table), keep=pinned)


def purge_table(spark: SparkSession, table: str) -> PurgedStates:
    """The same for a table that is no history, such as a ledger; others may write meanwhile."""
    if not snapshot_log(spark, table).snapshots:
        return PurgedStates()
    join_manifests(spark, table)
    return _purge(spark, table, keep=())


def _purge(spark: SparkSession, table: str, *, keep: Collection[str]) -> PurgedStates:
    log = snapshot_log(spark, table)
    dropped = []
    for ref in log.refs:
        if ref.name == _MAIN or ref.name in keep:
            continue
        kind = "BRANCH" if ref.is_branch else "TAG"
        branches.alter(spark, f"ALTER TABLE {table} DROP {kind} IF EXISTS `{ref.name}`")
        dropped.append(f"{table}: {ref.name}")
    # By the writers' clocks, whatever they show.
    newest = max(each.committed for each in log.snapshots.values())
    catalog, _, name = table.partition(".")
    counts = spark.sql(
        f"CALL {catalog}.system.expire_snapshots(table => '{name}', "
        f"older_than => TIMESTAMP '{(newest + _LATER).isoformat()}', retain_last => 1)"
    ).collect()[0]
    left = len(snapshot_log(spark, table).snapshots)
    return PurgedStates(
        len(log.snapshots) - left, sum(count for count in counts if count), tuple(dropped)
    )


def left_files(spark: SparkSession, table: str) -> LeftFiles:
    """What lies in the table's directory that none of its snapshots references; lists it."""
    listed = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(_location(spark, table))
        .select(_path("path").alias("path"))
    )
    known = _referenced(spark, table).distinct()
    unknown = [row.path for row in listed.join(known, "path", "left_anti").collect()]
    return LeftFiles(
        tuple(sorted(path for path in unknown if path.endswith((".parquet", ".puffin")))),
        tuple(sorted(path for path in unknown if path.endswith(".avro"))),
    )


def physical_rows(spark: SparkSession, table: str, snapshot_id: int) -> DataFrame:
    """The rows in the data files of a snapshot, also those that deletes hide from readers."""
    rows = rows_at(spark, table, snapshot_id)
    # Iceberg gives the deleted rows too where the column that tells them is asked for.
    return rows.where(F.col("_deleted").isNotNull())


def _referenced(spark: SparkSession, table: str) -> DataFrame:
    columns = {
        "all_data_files": "file_path",
        "all_delete_files": "file_path",
        "all_manifests": "path",
        "snapshots": "manifest_list",
    }
    frames: Sequence[DataFrame] = [
        spark.table(f"{table}.{name}").select(_path(column).alias("path"))
        for name, column in columns.items()
    ]
    union = frames[0]
    for each in frames[1:]:
        union = union.unionByName(each)
    return union


def _path(column: str) -> Column:
    """A file's path without its scheme and authority, which differ between who tells it."""
    return F.regexp_replace(column, r"^[a-zA-Z0-9+.-]+:(//[^/]*)?", "")


def _location(spark: SparkSession, table: str) -> str:
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table}").where("col_name = 'Location'").collect()
    return str(rows[0].data_type)
