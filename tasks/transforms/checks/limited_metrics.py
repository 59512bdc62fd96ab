"""The finding of a check from the rows that failed it, and its limit over the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from contracts.model import Check, Comparison, Threshold, Unit
from tasks.transforms.checks.figure_text import limit_text, number_text
from tasks.transforms.checks.quality_score import Finding, Outcome

NO_ROWS = "there were no rows"

_COMPARED: Mapping[Comparison, tuple[str, Callable[[float, float, float], bool]]] = (
    MappingProxyType(
        {
            Comparison.EQUAL: ("exactly", lambda metric, value, _: metric == value),
            Comparison.NOT_EQUAL: ("other than", lambda metric, value, _: metric != value),
            Comparison.GREATER: ("more than", lambda metric, value, _: metric > value),
            Comparison.GREATER_OR_EQUAL: ("at least", lambda metric, value, _: metric >= value),
            Comparison.LESS: ("less than", lambda metric, value, _: metric < value),
            Comparison.LESS_OR_EQUAL: ("at most", lambda metric, value, _: metric <= value),
            Comparison.BETWEEN: ("between", lambda metric, low, high: low <= metric <= high),
            Comparison.NOT_BETWEEN: (
                "not between",
                lambda metric, low, high: not low <= metric <= high,
            ),
        }
    )
)
"""How a metric is compared with a limit: the words for it, and the comparison."""


def holds(limit: Threshold, metric: float) -> bool:
    """Whether the metric is within the limit."""
    return _COMPARED[limit.comparison][1](metric, limit.values[0], limit.values[-1])


def in_words(limit: Threshold) -> str:
    """The limit in words, such as `at most 5%`."""
    text = limit_text if limit.unit is Unit.PERCENT else number_text
    values = " and ".join(text(value) for value in limit.values)
    return f"{_COMPARED[limit.comparison][0]} {values}"


def counted_finding(
    check: Check, *, refuses: bool, failed: int, rows: int, columns: tuple[str, ...], note: str = ""
) -> Finding:
    """The finding of a check that `failed` of the `rows` it looked at failed.

    Args:
        check: The check.
        refuses: Whether it refuses its rows, which then count in full.
        failed: How many rows failed it.
        rows: How many it looked at.
        columns: What it looked at.
        note: Over what it was computed.
    """
    finding = Finding(
        check=check.id,
        columns=columns,
        severity=check.severity.value,
        failed=failed,
        evaluated=rows,
        weight=1.0 if refuses else check.weight,
        note=note,
        rule=check.rule,
        dimension=check.dimension,
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
    )
    return finding if check.threshold is None else limited(finding, check.threshold)


def limited(finding: Finding, threshold: Threshold) -> Finding:
    """The finding with the number or share of its failed rows compared with the limit.

    Without rows it is not evaluated: no rows are neither good nor bad.
    """
    if not finding.evaluated:
        return unevaluated(finding, NO_ROWS, limit=in_words(threshold))
    metric = float(finding.failed)
    if threshold.unit is Unit.PERCENT:
        metric = 100.0 * finding.failed / finding.evaluated
    return compared(finding, metric, threshold)


def compared(finding: Finding, metric: float, threshold: Threshold) -> Finding:
    """The finding with a metric of the batch compared with the limit."""
    outcome = Outcome.PASSED if holds(threshold, metric) else Outcome.FAILED
    return replace(finding, metric=metric, limit=in_words(threshold), outcome=outcome)


def unevaluated(finding: Finding, reason: str, *, limit: str = "") -> Finding:
    """The finding of a check that could not be evaluated, with the reason."""
    return replace(finding, outcome=Outcome.NOT_EVALUATED, note=reason, limit=limit)
