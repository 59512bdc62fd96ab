"""What a batch has to reach before it is published, and how a metric of it is limited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from contracts.model.anomaly_settings import AnomalySettings


class Comparison(StrEnum):
    """How the standard compares a metric with a limit; its own words."""

    EQUAL = "mustBe"
    NOT_EQUAL = "mustNotBe"
    GREATER = "mustBeGreaterThan"
    GREATER_OR_EQUAL = "mustBeGreaterOrEqualTo"
    LESS = "mustBeLessThan"
    LESS_OR_EQUAL = "mustBeLessOrEqualTo"
    BETWEEN = "mustBeBetween"
    NOT_BETWEEN = "mustNotBeBetween"


class Unit(StrEnum):
    """What a metric counts: rows, or their share of all rows in percent."""

    ROWS = "rows"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The limit of a metric: one value, or two of a range, both included."""

    comparison: Comparison
    values: tuple[float, ...]
    unit: Unit = Unit.ROWS

    def holds(self, metric: float) -> bool:
        """Whether the metric is within the limit."""
        return _HOLDS[self.comparison](metric, self.values[0], self.values[-1])

    def __str__(self) -> str:
        """The limit in words, such as `at most 5 %`."""
        unit = " %" if self.unit is Unit.PERCENT else ""
        values = " and ".join(f"{value:g}{unit}" for value in self.values)
        return f"{_WORDS[self.comparison]} {values}"


_HOLDS: Mapping[Comparison, Callable[[float, float, float], bool]] = {
    Comparison.EQUAL: lambda metric, value, _: metric == value,
    Comparison.NOT_EQUAL: lambda metric, value, _: metric != value,
    Comparison.GREATER: lambda metric, value, _: metric > value,
    Comparison.GREATER_OR_EQUAL: lambda metric, value, _: metric >= value,
    Comparison.LESS: lambda metric, value, _: metric < value,
    Comparison.LESS_OR_EQUAL: lambda metric, value, _: metric <= value,
    Comparison.BETWEEN: lambda metric, low, high: low <= metric <= high,
    Comparison.NOT_BETWEEN: lambda metric, low, high: not low <= metric <= high,
}
_WORDS = {
    Comparison.EQUAL: "exactly",
    Comparison.NOT_EQUAL: "other than",
    Comparison.GREATER: "more than",
    Comparison.GREATER_OR_EQUAL: "at least",
    Comparison.LESS: "less than",
    Comparison.LESS_OR_EQUAL: "at most",
    Comparison.BETWEEN: "between",
    Comparison.NOT_BETWEEN: "not between",
}


@dataclass(frozen=True, slots=True)
class QualityGate:
    """When a batch is published.

    Attributes:
        threshold: The least score of a batch, 0 to 1.
        refused_percent: At most so many percent of its rows may be refused.
        critical_null_percent: At most so many percent of a critical column's values may be null.
        held_for: How long the stage of a batch that was not published is kept.
        anomalies: How unusual rows are found; None: they are not looked for.
    """

    threshold: float = 0.95
    refused_percent: float = 5.0
    critical_null_percent: float = 5.0
    held_for: timedelta = timedelta(days=30)
    anomalies: AnomalySettings | None = None
