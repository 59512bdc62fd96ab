"""How the checks went over a batch, and the score that follows from it.

The score can be worked out on paper. A row that is refused scores 0. Any other row scores 1 minus
the weight of the heaviest check that it failed. The batch scores the mean of its rows. A check
that rows pass has no part in it: adding one changes no score, and adding one that rows fail never
raises it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contracts.model import Severity


class Outcome(StrEnum):
    """How a check ended. What was not evaluated counts neither for nor against the batch."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check went over the whole batch.

    Attributes:
        check: Its id.
        columns: What it looks at.
        severity: `refuse` or `warn`.
        failed: The rows that failed it.
        evaluated: The rows that it looked at.
        weight: What it costs the score of a row that fails it and is not refused, 0 to 1.
        note: Over what it was computed, or why it was not evaluated.
        rule: The rule's name in the registry.
        dimension: The aspect of quality, as the standard names it.
        metric: The value that a limit on the whole batch is about.
        limit: The limit in words; empty: the check has none.
        outcome: How it ended.
    """

    check: str
    columns: tuple[str, ...]
    severity: str
    failed: int
    evaluated: int
    weight: float = 1.0
    note: str = ""
    rule: str = ""
    dimension: str = ""
    metric: float | None = None
    limit: str = ""
    outcome: Outcome = Outcome.PASSED

    @property
    def stops(self) -> bool:
        """Whether it stops the batch: its limit does not hold, and it is no mere warning."""
        failed = self.outcome is Outcome.FAILED
        return failed and bool(self.limit) and self.severity == Severity.REFUSE


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of a batch that were judged and counted.

    Attributes:
        rows: How many.
        refused: Those that a check refused.
        lost: What all of them lack of a full score: 1 for a refused row, else the weight of the
            heaviest check that it failed.
    """

    rows: int = 0
    refused: int = 0
    lost: float = 0.0

    @property
    def score(self) -> float | None:
        """The mean of the rows' scores; None without rows: nothing was evaluated."""
        return 1.0 - self.lost / self.rows if self.rows else None

    @property
    def refused_percent(self) -> float:
        """The share of refused rows, in percent; 0 without rows."""
        return 100.0 * self.refused / self.rows if self.rows else 0.0
