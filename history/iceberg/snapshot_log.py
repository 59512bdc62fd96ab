"""The log of a table: its snapshots, branches and tags, and which snapshot was current when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession

from history.iceberg.current_snapshot import BATCH_ID, KEPT_SNAPSHOT
from history.iceberg.table_metadata import Ref, table_metadata


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot; `batch` and `kept` are from its summary, None where it has no such entry."""

    id: int
    parent: int | None
    committed: datetime
    batch: str | None = None
    kept: int | None = None


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
    metadata = table_metadata(spark, table)
    return SnapshotLog(
        snapshots={
            each.id: Snapshot(
                each.id,
                each.parent,
                each.committed,
                each.summary.get(BATCH_ID),
                int(kept) if (kept := each.summary.get(KEPT_SNAPSHOT)) else None,
            )
            for each in metadata.snapshots.values()
        },
        refs=tuple(metadata.refs.values()),
        published=metadata.published,
    )
