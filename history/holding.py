"""Holding rows: computed once, kept without the plan that made them, and counted on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Observation


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that are computed, and what was counted of them meanwhile."""

    rows: DataFrame
    counts: Mapping[str, Any]


def held(frame: DataFrame, counts: Mapping[str, Column] | None = None) -> Held:
    """The frame's rows, without its plan, with the named aggregates over them.

    A cached frame keeps its plan, and every statement built on it is compared with all of that
    plan again: for small batches that takes longer than anything else. Spark frees the rows when
    nothing refers to them any more.

    Args:
        frame: What is computed now, by one job.
        counts: Aggregates by name; they cost no job of their own.
    """
    if not counts:
        return Held(frame.localCheckpoint(eager=True), {})
    if type(frame).__module__.startswith("pyspark.sql.connect"):
        # Over Spark Connect a checkpoint tells nothing of what was observed.
        return surveyed(frame.localCheckpoint(eager=True), counts)
    observation = Observation()
    rows = frame.observe(observation, *_named(counts)).localCheckpoint(eager=True)
    return Held(rows, observation.get)


def surveyed(frame: DataFrame, counts: Mapping[str, Column]) -> Held:
    """The frame as it is, to be computed wherever it is used, and the named aggregates over it."""
    return Held(frame, frame.agg(*_named(counts)).collect()[0].asDict())


def _named(counts: Mapping[str, Column]) -> list[Column]:
    return [each.alias(name) for name, each in counts.items()]
