"""The verdict on a batch: whether it is published, and if not, why.

Promise: a batch goes no further if its score is below the contract's threshold, if too many of its
rows were refused, or if a limit that the contract sets does not hold. None of the three can be
outweighed by the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.model import QualityGate
from tasks.transforms.checks.figure_text import (
    limit_text,
    metric_text,
    percent_text,
    share_text,
)
from tasks.transforms.checks.quality_score import Finding, Judged

_WORST = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a batch.

    Attributes:
        score: In [0, 1]; None when nothing was evaluated.
        threshold: The least score that is published.
        passed: Whether the batch goes on.
        findings: How each check went.
        quarantined: The rows that were refused, also those that an earlier batch has counted.
        rows: The rows that were counted.
        refused_percent: The share of them that was refused.
        refused_limit: The greatest share that is published, in percent.
        reasons: Why it does not go on, one clause each; none if it does.
    """

    score: float | None
    threshold: float
    passed: bool
    findings: tuple[Finding, ...] = ()
    quarantined: int = 0
    rows: int = 0
    refused_percent: float = 0.0
    refused_limit: float = 100.0
    reasons: tuple[str, ...] = ()


NOT_JUDGED = Verdict(score=None, threshold=0.0, passed=True)
"""Of rows that no gate judges: they are only compared, or a person decided about them."""


def judge(
    gate: QualityGate, judged: Judged, findings: Iterable[Finding], *, quarantined: int
) -> Verdict:
    """The verdict on a batch by its contract's gate."""
    results = tuple(findings)
    reasons = tuple(_reasons(gate, judged, results))
    return Verdict(
        score=judged.score,
        threshold=gate.threshold,
        passed=not reasons,
        findings=results,
        quarantined=quarantined,
        rows=judged.rows,
        refused_percent=judged.refused_percent,
        refused_limit=gate.refused_percent,
        reasons=reasons,
    )


def _reasons(gate: QualityGate, judged: Judged, findings: tuple[Finding, ...]) -> Iterable[str]:
    if judged.score is not None and judged.score < gate.threshold:
        worst = _worst(findings)
        yield f"the score is {share_text(judged.score, gate.threshold)}" + (
            f" ({worst})" if worst else ""
        )
    if judged.refused_percent > gate.refused_percent:
        refused = percent_text(judged.refused_percent, gate.refused_percent)
        yield (
            f"{refused} of the rows were refused, at most {limit_text(gate.refused_percent)} may be"
        )
    for finding in findings:
        if finding.stops:
            columns = f" ({', '.join(finding.columns)})" if finding.columns else ""
            metric = metric_text(finding.metric, finding.limit)
            metric = f" is {metric}" if metric else ""
            yield f"{finding.check}{columns}{metric}, must be {finding.limit}"


def _worst(findings: Iterable[Finding]) -> str:
    failed = sorted((f for f in findings if f.failed), key=lambda f: -f.weight * f.failed)
    return ", ".join(f"{f.check}: {f.failed} of {f.evaluated}" for f in failed[:_WORST])
