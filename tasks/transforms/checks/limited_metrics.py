"""A finding whose metric has a limit over the whole batch."""

from __future__ import annotations

from dataclasses import replace

from contracts.model import Threshold, Unit
from tasks.transforms.checks.quality_score import Finding, Outcome

NO_ROWS = "there were no rows"


def limited(finding: Finding, threshold: Threshold) -> Finding:
    """The finding with the number or share of its failed rows compared with the limit.

    Without rows it is not evaluated: no rows are neither good nor bad.
    """
    if not finding.evaluated:
        return unevaluated(finding, NO_ROWS, limit=str(threshold))
    metric = float(finding.failed)
    if threshold.unit is Unit.PERCENT:
        metric = 100.0 * finding.failed / finding.evaluated
    return compared(finding, metric, threshold)


def compared(finding: Finding, metric: float, threshold: Threshold) -> Finding:
    """The finding with a metric of the batch compared with the limit."""
    outcome = Outcome.PASSED if threshold.holds(metric) else Outcome.FAILED
    return replace(finding, metric=metric, limit=str(threshold), outcome=outcome)


def unevaluated(finding: Finding, reason: str, *, limit: str = "") -> Finding:
    """The finding of a check that could not be evaluated, with the reason."""
    return replace(finding, outcome=Outcome.NOT_EVALUATED, note=reason, limit=limit)
