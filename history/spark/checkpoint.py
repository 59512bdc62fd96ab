"""Rows computed once, kept without the plan that made them, and counted on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Observation

from history.spark.session_kind import over_connect

_checkpoints: ContextVar[list[DataFrame] | None] = ContextVar("checkpoints", default=None)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Rows that are computed, and the aggregates over them."""

    rows: DataFrame
    counts: Mapping[str, Any]


def checkpoint(
    frame: DataFrame, counts: Mapping[str, Column] | None = None, *, lasting: bool = False
) -> Checkpoint:
    """The frame's rows, without its plan, with the named aggregates over them.

    A cached frame keeps its plan, and every statement built on it is compared with all of that
    plan again: for small batches that takes longer than anything else. Spark frees the rows when
    its garbage collector finds that nothing refers to them, which may be late: see `unpersisting`.

    Args:
        frame: What is computed now, by one job.
        counts: Aggregates by name; they cost no job of their own.
        lasting: Whether the rows outlast the `unpersisting` block, until `unpersist` frees them.
    """
    result = _checkpoint(frame, counts or {})
    frames = _checkpoints.get()
    if frames is not None and not lasting:
        frames.append(result.rows)
    return result


def aggregated(frame: DataFrame, counts: Mapping[str, Column]) -> Checkpoint:
    """The frame as it is, to be computed wherever it is used, and the named aggregates over it."""
    return Checkpoint(frame, frame.agg(*_named(counts)).collect()[0].asDict())


@contextmanager
def unpersisting() -> Iterator[None]:
    """Free the rows of the block's checkpoints when it ends, unless they are lasting."""
    frames: list[DataFrame] = []
    token = _checkpoints.set(frames)
    try:
        yield
    finally:
        _checkpoints.reset(token)
        for frame in frames:
            unpersist(frame)


def unpersist(rows: DataFrame) -> None:
    """Free a checkpoint's rows, which can't be read afterwards. Spark Connect frees its own.

    Other rows are not held, and stay as they are.
    """
    if not over_connect(rows):
        checkpoint = rows._jdf.queryExecution().logical()  # noqa: SLF001 - Python has no name for it
        if checkpoint.nodeName() == "LogicalRDD":
            checkpoint.rdd().unpersist(False)


def observe(frame: DataFrame, aggregates: Mapping[str, Column]) -> tuple[DataFrame, Observation]:
    """The frame, which tells the named aggregates over its rows once it has been written."""
    observation = Observation()
    return frame.observe(observation, *_named(aggregates)), observation


def _checkpoint(frame: DataFrame, counts: Mapping[str, Column]) -> Checkpoint:
    if not counts:
        return Checkpoint(frame.localCheckpoint(eager=True), {})
    if over_connect(frame):
        # Over Spark Connect a checkpoint does not return what was observed.
        return aggregated(frame.localCheckpoint(eager=True), counts)
    rows, observation = observe(frame, counts)
    return Checkpoint(rows.localCheckpoint(eager=True), observation.get)


def _named(counts: Mapping[str, Column]) -> list[Column]:
    return [each.alias(name) for name, each in counts.items()]
