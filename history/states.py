"""The published states of a history: finding one, and reading only what differs between two.

What was published when is in the table's own log. A snapshot that was written on a branch and is
half of a load is in no log and is therefore no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import NotFoundError
from history.expiry import past_of

_BROADCAST = 500_000


@dataclass(frozen=True, slots=True)
class State:
    """What readers of the table saw from a moment on; `batch_id` is None where no load made it."""

    snapshot_id: int
    published_at: datetime
    batch_id: str | None


def states(spark: SparkSession, table: str) -> tuple[State, ...]:
    """All states that can still be read, oldest first."""
    past = past_of(spark, table)
    return tuple(
        State(snapshot, at, past.snapshots[snapshot].batch)
        for at, snapshot in past.published
        if snapshot in past.snapshots
    )


def named_state(known: Sequence[State], name: str) -> State | None:
    """The state that a batch made, or whose snapshot has that id; None: there is none.

    Upkeep says of its own snapshots which batch came last; that batch's state is the first one.
    """
    for state in known:
        if name in (state.batch_id, str(state.snapshot_id)):
            return state
    return None


def state_at(known: Sequence[State], moment: datetime, *, where: str) -> State:
    """The state that readers saw at the moment.

    Raises:
        NotFoundError: It has expired, or there was none yet.
    """
    found = [state for state in known if state.published_at <= moment]
    if found:
        return found[-1]
    oldest = known[0].published_at.astimezone(UTC).isoformat(timespec="seconds") if known else ""
    raise NotFoundError(
        where=where,
        expected="a published state of that moment",
        found=f"that the oldest one is of {oldest}" if known else "no state at all",
        next_step="Name a later moment. How long states are kept is a matter of upkeep.",
    )


def state_before(known: Sequence[State], state: State) -> State | None:
    """The last state that says something of an earlier batch; None: the state is the first."""
    earlier = [each for each in known if each.published_at < state.published_at]
    others = [each for each in earlier if each.batch_id != state.batch_id]
    return others[-1] if others else None


def read_state(spark: SparkSession, table: str, snapshot_id: int) -> DataFrame:
    """The versions of one state."""
    return spark.read.option("versionAsOf", str(snapshot_id)).table(table)


def differing(
    spark: SparkSession, table: str, earlier: int, later: int
) -> tuple[DataFrame, DataFrame]:
    """The versions of two states, without rows that are in the same place of the same file.

    The files and the deleted positions of both are compared in the metadata, so that of a small
    change few rows are joined, and the table itself is not shuffled. It does not matter which of
    the snapshots came first, or whether one descends from the other.
    """
    old, new = _files(spark, table, earlier), _files(spark, table, later)
    gone, back = _positions(spark, table, earlier, later)
    before = _rows(read_state(spark, table, earlier), _only(old, new), gone)
    after = _rows(read_state(spark, table, later), _only(new, old), back)
    return before, after


def _files(spark: SparkSession, table: str, snapshot_id: int) -> DataFrame:
    files = read_state(spark, f"{table}.files", snapshot_id)
    return files.where("content = 0").select("file_path")


def _only(one: DataFrame, other: DataFrame) -> DataFrame:
    return one.join(other, "file_path", "left_anti")


def _positions(
    spark: SparkSession, table: str, earlier: int, later: int
) -> tuple[DataFrame, DataFrame]:
    """(file, position) of rows that are deleted in one state and not in the other."""
    place = ["delete_file_path", "content_offset"]
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
    # A delete vector that both have says the same in both: its positions need not be compared.
    old = old.join(F.broadcast(new_vectors), place, "left_anti").select("file_path", "pos")
    new = new.join(F.broadcast(old_vectors), place, "left_anti").select("file_path", "pos")
    return new.exceptAll(old), old.exceptAll(new)


def _rows(versions: DataFrame, files: DataFrame, positions: DataFrame) -> DataFrame:
    """The rows of the files, and those at the positions, in one pass."""
    whole = F.broadcast(files.select(F.col("file_path").alias("__whole")))
    spots = _joined(
        positions.select(F.col("file_path").alias("__path"), F.col("pos").alias("__pos"))
    )
    at_spot: Column = (F.col("__file") == F.col("__path")) & (F.col("__row") == F.col("__pos"))
    found = (
        versions.select("*", F.col("_file").alias("__file"), F.col("_pos").alias("__row"))
        .join(whole, F.col("__file") == F.col("__whole"), "left")
        .join(spots, at_spot, "left")
        .where("__whole IS NOT NULL OR __path IS NOT NULL")
    )
    return found.select(versions.columns)


def _joined(spots: DataFrame) -> DataFrame:
    """Sent to the rows where that is less than sending the rows."""
    few = spots.limit(_BROADCAST + 1).count() <= _BROADCAST
    return F.broadcast(spots) if few else spots
