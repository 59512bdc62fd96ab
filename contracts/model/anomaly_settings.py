"""How a contract wants unusual rows to be found."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.model.severity import Severity


@dataclass(frozen=True, slots=True)
class Feature:
    """A number that a row is compared by.

    `columns` is one numeric source column, or two of time: then it is the time from the first to
    the second, in seconds.
    """

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """Clustering of a batch's rows (spec 1.3).

    Attributes:
        features: What rows are compared by; empty: every numeric source column that is no key,
            code or position.
        exclude: Source columns that are no feature although they are numeric.
        severity: What an unusual row is: refused, or counted.
        weight: What it costs the score of its row, 0 to 1.
        minimum_rows: A batch of fewer rows is not evaluated.
        sample_rows: The model is made of at most so many rows.
    """

    features: tuple[Feature, ...] = ()
    exclude: tuple[str, ...] = ()
    severity: Severity = Severity.WARN
    weight: float = 0.0
    minimum_rows: int = 1_000
    sample_rows: int = 20_000
