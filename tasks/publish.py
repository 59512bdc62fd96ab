"""Publish: move the target's main to the audited branch, in one step for every reader."""

from __future__ import annotations

from dataclasses import replace

from history import LoadReport, Written, publish_changes
from tasks.merge import batch_of
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch, Verdict


def _figures(report: LoadReport) -> Figures:
    return {"versions opened": report.opened}


@step("publish", figures=_figures, publishes=True)
def publish(run: Run, staged: StagedBatch, verdict: Verdict, written: Written) -> LoadReport:
    """Make the batch visible.

    Raises:
        CommitConflictError: Another writer published first; merge and audit again.
    """
    report = publish_changes(run.spark, batch_of(run, staged, verdict), written)
    # Published by a try whose answer was lost, or that ended before it could tell.
    return replace(report, published=True) if report.replayed else report
