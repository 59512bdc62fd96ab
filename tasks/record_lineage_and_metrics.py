"""Record: what the run did, for people and auditors: lineage, metrics, and the run's own page.

Promise: a batch is recorded once. If a run was stopped between publishing and recording, the next
one records it from the snapshot's own summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from history import LoadReport
from tasks.lifecycle.settle_rows import NOTHING_SETTLED, SettledByLoad
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.audit_log.audit_of_tables import record_published
from tasks.observability.lineage_rows import append_lineage
from tasks.observability.resource_usage import UsageWatch
from tasks.observability.run_metrics import (
    PUBLISHED,
    UNCHANGED,
    append_metrics,
    history_counts,
    metrics_of,
    milliseconds,
)
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import LoadSummary, StagedBatch
from tasks.transforms.checks.verdict import Verdict

_FILE_COUNTS = ("files_read", "bytes_read", "files_written", "bytes_written")


def _figures(summary: LoadSummary) -> Figures:
    return {"seconds": round(summary.elapsed_seconds, 1)}


@step("record", figures=_figures, publishes=True)
def record(
    run: Run,
    staged: StagedBatch,
    verdict: Verdict,
    report: LoadReport,
    watch: UsageWatch,
    *,
    settled: SettledByLoad = NOTHING_SETTLED,
    reason: str = "load",
    step_seconds: Mapping[str, float] = MappingProxyType({}),
) -> LoadSummary:
    """Append the batch's audit record, lineage and metrics; the summary is the run's result.

    The audit record comes first: metrics say that it is there.
    """
    ended = datetime.now(UTC)
    usage = watch.result()
    if not report.replayed:
        # Otherwise it was recorded when it was published, or when this run began.
        _record_audit(run, report, settled, reason, at=ended)
    if report.published:
        append_lineage(run, run.batch_id)
    metrics = metrics_of(run, ended, usage) | {
        "state": PUBLISHED if report.published else UNCHANGED,
        "rows_read": staged.rows_read,
        "rows_refused": staged.refused,
        "rows_ignored": staged.ignored,
        "rows_repeated": staged.repeated,
        "rows_erased": staged.erased,
        "rows_staged": staged.staged,
        "data_quality_score": verdict.score,
        "watermark": staged.watermark,
        "snapshot_id": report.snapshot_id,
        "commit_retries": report.attempts - 1,
        "step_milliseconds": milliseconds(step_seconds),
        **{name: getattr(report, name) for name in _FILE_COUNTS},
        **history_counts(report.counts()),
    }
    if not report.replayed:
        append_metrics(run, metrics)
    return LoadSummary(
        contract=run.name,
        target=run.target,
        batch_id=run.batch_id,
        run_id=run.run_id,
        started=run.started,
        ended=ended,
        staged=staged,
        verdict=verdict,
        report=report,
        memory_mb=usage.memory_mb,
        cpu_percent=usage.cpu_percent,
    )


def _record_audit(
    run: Run, report: LoadReport, settled: SettledByLoad, reason: str, *, at: datetime
) -> None:
    """Record what the load changed; one that changed nothing leaves no record."""
    counts = {
        name: rows for name, rows in (("mended", settled.mended), ("gone", settled.gone)) if rows
    }
    if report.snapshot_id is not None and report.published:
        record_published(
            run.spark,
            run.settings,
            run.target,
            report.snapshot_id,
            reason=reason,
            at=at,
            counts=counts,
        )
    elif counts:
        entry = AuditEntry(
            action=AuditAction.SETTLE,
            subject=run.target,
            actor=current_actor(),
            reason="a later read found refused rows mended or gone",
            contract=run.name,
            batch_id=run.batch_id,
            run_id=run.run_id,
            counts=counts,
        )
        record_audit(run.spark, run.settings, [entry], at=at)
