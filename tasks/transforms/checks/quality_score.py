"""How the checks went over a batch, and the score that follows from it."""

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


def score(found: Iterable[Finding]) -> float | None:
    """The score of a batch: 1 - sum(weight * failed) / sum(weight * evaluated).

    None when nothing was evaluated: a batch without rows is neither good nor bad.
    """
    judged = tuple(found)
    evaluated = sum(each.weight * each.evaluated for each in judged)
    if not evaluated:
        return None
    return 1.0 - sum(each.weight * each.failed for each in judged) / evaluated
