"""Audit: check the rules of history on the branch, for the keys that the batch touched."""

from __future__ import annotations

from history import audit_changes
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import MergedBatch


def _figures(_: None) -> Figures:
    return {}


@step("audit", figures=_figures)
def audit(run: Run, merged: MergedBatch) -> None:
    """Refuse to publish a history that breaks a rule.

    Raises:
        AuditError: A rule is broken; the branch is dropped and main is as it was.
    """
    audit_changes(run.spark, merged.batch, merged.written)
