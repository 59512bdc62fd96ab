"""What a batch has to reach before it is published, and how a metric of it is limited."""

from __future__ import annotations

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
