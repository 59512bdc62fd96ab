"""What a table's metadata say: its snapshots with their summaries, its branches and tags.

Read from the metadata file that the catalog points to, by one call and without a job. Over Spark
Connect the metadata tables say the same.

Iceberg, "Table Spec", "Table Metadata Fields" and "Snapshots".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from history.iceberg.java_table import metadata_document

__all__ = ["Ref", "Snapshot", "TableMetadata", "current_and_properties", "table_metadata"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `summary` is what its writer said of it, without the operation."""

    id: int
    parent: int | None
    committed: datetime
    summary: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag."""

    name: str
    is_branch: bool
    snapshot: int


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """The metadata of a table at one moment.

    `published` lists when which snapshot became the current one, oldest first.
    """

    snapshots: Mapping[int, Snapshot]
    refs: Mapping[str, Ref]
    published: tuple[tuple[datetime, int], ...]

    def ancestry(self, head: int | None) -> Iterator[Snapshot]:
        """A snapshot and its ancestors that have not expired, newest first."""
        while head is not None and head in self.snapshots:
            yield self.snapshots[head]
            head = self.snapshots[head].parent


def table_metadata(spark: SparkSession, table: str) -> TableMetadata:
    """The table's metadata as they are now.

    Raises:
        AnalysisException: There is no such table.
    """
    document = metadata_document(spark, table)
    return _from_metadata_tables(spark, table) if document is None else _from_json(document)


def current_and_properties(spark: SparkSession, table: str) -> tuple[int | None, dict[str, str]]:
    """The snapshot that readers see, None before the first one, and the table's properties.

    Raises:
        AnalysisException: There is no such table.
    """
    document = metadata_document(spark, table)
    if document is not None:
        return _current(document.get("current-snapshot-id")), dict(document["properties"])
    properties = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {table}").collect()}
    text = properties.get("current-snapshot-id", "none")
    return None if text == "none" else int(text), properties


def _current(number: int | None) -> int | None:
    # Format versions 1 and 2 may say "none" by a number.
    return None if number in {None, -1} else number


def _from_json(document: Mapping[str, Any]) -> TableMetadata:
    return TableMetadata(
        snapshots={
            each["snapshot-id"]: Snapshot(
                each["snapshot-id"],
                each.get("parent-snapshot-id"),
                _moment(each["timestamp-ms"] * 1_000),
                {
                    name: text
                    for name, text in (each.get("summary") or {}).items()
                    if name != "operation"
                },
            )
            for each in document.get("snapshots", ())
        },
        refs={
            name: Ref(name, each["type"] == "branch", each["snapshot-id"])
            for name, each in document.get("refs", {}).items()
        },
        published=tuple(
            sorted(
                (_moment(each["timestamp-ms"] * 1_000), each["snapshot-id"])
                for each in document.get("snapshot-log", ())
            )
        ),
    )


def _without_operation(summary: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in summary.items() if name != "operation"}


def _from_metadata_tables(spark: SparkSession, table: str) -> TableMetadata:
    snapshots = spark.table(f"{table}.snapshots").select(
        "snapshot_id", "parent_id", F.unix_micros("committed_at").alias("at"), "summary"
    )
    history = spark.table(f"{table}.history").select(
        "snapshot_id", F.unix_micros("made_current_at").alias("at")
    )
    refs = spark.table(f"{table}.refs").select("name", "type", "snapshot_id")
    return TableMetadata(
        snapshots={
            row.snapshot_id: Snapshot(
                row.snapshot_id, row.parent_id, _moment(row["at"]), dict(row.summary or {})
            )
            for row in snapshots.collect()
        },
        refs={
            row.name: Ref(row.name, row.type == "BRANCH", row.snapshot_id) for row in refs.collect()
        },
        published=tuple(sorted((_moment(row["at"]), row.snapshot_id) for row in history.collect())),
    )


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
