"""The results of the checks over a batch, and the score that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check went over the whole batch."""

    check: str
    columns: tuple[str, ...]
    severity: str
    failed: int
    evaluated: int
    weight: float = 1.0
    note: str = ""


def score(findings: Iterable[Finding]) -> float | None:
    """The score of a batch: 1 - sum(weight * failed) / sum(weight * evaluated).

    None when nothing was evaluated: a batch without rows is neither good nor bad.
    """
    results = tuple(findings)
    evaluated = sum(each.weight * each.evaluated for each in results)
    if not evaluated:
        return None
    return 1.0 - sum(each.weight * each.failed for each in results) / evaluated
