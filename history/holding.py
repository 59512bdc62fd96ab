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
    asked = [each.alias(name) for name, each in counts.items()]
    if type(frame).__module__.startswith("pyspark.sql.connect"):
        # Over Spark Connect a checkpoint tells nothing of what was observed.
        rows = frame.localCheckpoint(eager=True)
        return Held(rows, rows.agg(*asked).collect()[0].asDict())
    observation = Observation()
    rows = frame.observe(observation, *asked).localCheckpoint(eager=True)
    return Held(rows, observation.get)
