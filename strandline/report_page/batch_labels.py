"""How the charts and tables of the report name a batch, and what its gate did with it."""

from __future__ import annotations

from strandline.page_elements.html_elements import Html
from strandline.page_elements.page_parts import outcome_mark
from strandline.queries.quality_report import JudgedBatch
from strandline.terminal.number_format import minute
from tasks.transforms.checks.quality_score import Outcome


def gate_mark(batch: JudgedBatch) -> Html:
    """What the gate did with a batch."""
    words = {Outcome.PASSED: "open", Outcome.FAILED: "closed", Outcome.NOT_EVALUATED: "no rows"}
    return outcome_mark(batch.outcome, words[Outcome(batch.outcome)])


def run_label(batch: JudgedBatch) -> str:
    """A run as a table names it."""
    return minute(batch.judged_at)


def day_label(batch: JudgedBatch) -> str:
    """A run as an axis names it."""
    return batch.judged_at.date().isoformat()
