"""The published states of a history: finding one, and reading only what differs between two.

The table's own log records what was published when. A snapshot that was written on a branch and is
half of a load is not in the log and is therefore no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import NotFoundError
from history.iceberg.snapshot_log import snapshot_log
from history.spark.column_quoting_and_comparison import named

_MAX_FILES, _MAX_POSITIONS = 1_000, 200_000
"""The greatest difference for which `changed_rows` leaves out equal rows."""


@dataclass(frozen=True, slots=True)
class PublishedState:
    """What readers of the table saw from a moment on; `batch_id` is None if no load wrote it."""

    snapshot_id: int
    published_at: datetime
    batch_id: str | None


def published_states(spark: SparkSession, table: str) -> tuple[PublishedState, ...]:
    """All states that can still be read, oldest first."""
    past = snapshot_log(spark, table)
    return tuple(
        PublishedState(snapshot, at, past.snapshots[snapshot].batch)
        for at, snapshot in past.published
        if snapshot in past.snapshots
    )


def state_named(states: Sequence[PublishedState], name: str) -> PublishedState | None:
    """The state that a batch made, or whose snapshot has that id; None: there is none.

    Upkeep repeats the last batch's id in its own snapshots; that batch's state is the first one.
    """
    for state in states:
        if name in (state.batch_id, str(state.snapshot_id)):
            return state
    return None


def state_at(states: Sequence[PublishedState], moment: datetime, *, where: str) -> PublishedState:
    """The state that readers saw at the moment.

    Raises:
        NotFoundError: It has expired, or there was none yet.
    """
    earlier = [state for state in states if state.published_at <= moment]
    if earlier:
        return earlier[-1]
    oldest = states[0].published_at.astimezone(UTC).isoformat(timespec="seconds") if states else ""
    raise NotFoundError(
        where=where,
        expected="a published state of that moment",
        found=f"that the oldest one is of {oldest}" if states else "no state at all",
        next_step="Name a later moment. How long states are kept is a matter of upkeep.",
    )


def state_before(states: Sequence[PublishedState], state: PublishedState) -> PublishedState | None:
    """The last state of an earlier batch; None: the state is the first."""
    earlier = [each for each in states if each.published_at < state.published_at]
    others = [each for each in earlier if each.batch_id != state.batch_id]
    return others[-1] if others else None


def read_state(spark: SparkSession, table: str, snapshot_id: int) -> DataFrame:
    """The versions of one state."""
    return spark.read.option("versionAsOf", str(snapshot_id)).table(table)


def changed_rows(
    spark: SparkSession, table: str, earlier: int, later: int
) -> tuple[DataFrame, DataFrame]:
    """The versions of two states, without rows at the same position of the same file.

    The files and the deleted positions of both are compared in the metadata, so that of a small
    change few rows are joined, and the table itself is not shuffled. It does not matter which of
    the snapshots came first, or whether one descends from the other. If too much differs, both
    states are returned whole.
    """
    before, after = (read_state(spark, table, snapshot) for snapshot in (earlier, later))
    old, new = _files(spark, table, earlier), _files(spark, table, later)
    positions = [frame.localCheckpoint() for frame in _positions(spark, table, earlier, later)]
    position_count = max(frame.limit(_MAX_POSITIONS + 1).count() for frame in positions)
    if max(len(old - new), len(new - old)) > _MAX_FILES or position_count > _MAX_POSITIONS:
        return before, after
    removed, restored = positions
    return _rows(before, old - new, removed), _rows(after, new - old, restored)


def _files(spark: SparkSession, table: str, snapshot_id: int) -> frozenset[str]:
    files = read_state(spark, f"{table}.files", snapshot_id)
    return frozenset(
        row.file_path for row in files.where("content = 0").select("file_path").collect()
    )


def _positions(
    spark: SparkSession, table: str, earlier: int, later: int
) -> tuple[DataFrame, DataFrame]:
    """(file, position) of rows that are deleted in one state and not in the other."""
    vector = ["delete_file_path", "content_offset"]
    old, new = (
        read_state(spark, f"{table}.position_deletes", snapshot).select(
            "file_path",
            "pos",
            "delete_file_path",
            F.coalesce("content_offset", F.lit(-1)).alias("content_offset"),
        )
        for snapshot in (earlier, later)
    )
    old_vectors, new_vectors = (
        read_state(spark, f"{table}.files", snapshot)
        .where("content = 1")
        .select(
            F.col("file_path").alias("delete_file_path"),
            F.coalesce("content_offset", F.lit(-1)).alias("content_offset"),
        )
        for snapshot in (earlier, later)
    )
    # A delete vector of both states deletes the same rows: its positions need not be compared.
    old = old.join(F.broadcast(new_vectors), vector, "left_anti").select("file_path", "pos")
    new = new.join(F.broadcast(old_vectors), vector, "left_anti").select("file_path", "pos")
    return new.exceptAll(old), old.exceptAll(new)


def _rows(versions: DataFrame, files: frozenset[str], positions: DataFrame) -> DataFrame:
    """The rows of the files, and those at the positions, in one pass."""
    positions = positions.select(F.col("file_path").alias("__path"), F.col("pos").alias("__pos"))
    # Joined by the position alone, a long, which is far cheaper than by a path for each row; no
    # path of a data file begins with another one's.
    at_position = (F.col("__row") == F.col("__pos")) & F.startswith(
        F.col("__file"), F.col("__path")
    )
    rows = (
        versions.select("*", F.col("_file").alias("__file"), F.col("_pos").alias("__row"))
        .join(F.broadcast(positions), at_position, "left")
        .where(F.col("__file").isin(*sorted(files)) | F.col("__path").isNotNull())
    )
    return rows.select(*[named(name) for name in versions.columns])
