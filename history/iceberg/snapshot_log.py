"""The log of a table: its snapshots, branches and tags, and which snapshot was current when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from history.iceberg.current_snapshot import BATCH_ID, KEPT_SNAPSHOT

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot; `batch` and `kept` are from its summary, None where it has no such entry."""

    id: int
    parent: int | None
    committed: datetime
    batch: str | None = None
    kept: int | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag."""

    name: str
    is_branch: bool
    snapshot: int


@dataclass(frozen=True, slots=True)
class SnapshotLog:
    """The snapshots, branches and tags of a table.

    `published` lists when which snapshot became the current one, oldest first.
    """

    snapshots: Mapping[int, Snapshot]
    refs: tuple[Ref, ...]
    published: tuple[tuple[datetime, int], ...]

    @property
    def head(self) -> int | None:
        """The snapshot that main points to."""
        return next((ref.snapshot for ref in self.refs if ref.name == "main"), None)

    def ancestry(self, head: int | None) -> Iterator[Snapshot]:
        """A snapshot and its ancestors that have not expired, newest first."""
        while head is not None and head in self.snapshots:
            yield self.snapshots[head]
            head = self.snapshots[head].parent


def snapshot_log(spark: SparkSession, table: str) -> SnapshotLog:
    """Read the log of a table, from its metadata alone."""
    snapshots = spark.table(f"{table}.snapshots").select(
        "snapshot_id",
        "parent_id",
        F.unix_micros("committed_at").alias("at"),
        F.col("summary")[BATCH_ID].alias("batch"),
        F.col("summary")[KEPT_SNAPSHOT].alias("kept"),
    )
    history = spark.table(f"{table}.history").select(
        "snapshot_id", F.unix_micros("made_current_at").alias("at")
    )
    refs = spark.table(f"{table}.refs").select("name", "type", "snapshot_id")
    return SnapshotLog(
        snapshots={
            row.snapshot_id: Snapshot(
                row.snapshot_id,
                row.parent_id,
                _moment(row["at"]),
                row.batch,
                int(row.kept) if row.kept else None,
            )
            for row in snapshots.collect()
        },
        refs=tuple(Ref(row.name, row.type == "BRANCH", row.snapshot_id) for row in refs.collect()),
        published=tuple(sorted((_moment(row["at"]), row.snapshot_id) for row in history.collect())),
    )


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
