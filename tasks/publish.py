"""Publish: move the target's main to the audited branch, in one step for every reader."""

from __future__ import annotations

from dataclasses import replace

from history import LoadReport, publish_changes
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import MergedBatch


def _figures(report: LoadReport) -> Figures:
    return {"versions opened": report.opened}


@step("publish", figures=_figures, publishes=True)
def publish(run: Run, merged: MergedBatch) -> LoadReport:
    """Make the batch visible.

    Raises:
        CommitConflictError: Another writer published first; merge and audit again.
    """
    report = publish_changes(run.spark, merged.batch, merged.written)
    # Published by an attempt whose answer was lost, or that ended before it could report.
    return replace(report, published=True) if report.replayed else report
