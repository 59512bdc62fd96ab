"""Validate: quarantine refused rows, judge the batch as a whole, and stop a bad one.

Promise: a batch that its contract's gate does not let through goes no further. The target and its
watermark are untouched; the refused rows are kept with their reasons, the stage for a stated time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import QualityGateError
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists
from history.writing.quarantine_table import (
    SOURCE_FORM,
    append_to_quarantine,
    event_position,
    quarantine_columns,
    record_key,
)
from tasks.compiler.compile_contract import CompiledContract
from tasks.judging.refuse_duplicates import duplicate_rows, refuse_duplicates
from tasks.lifecycle.hold_batch import hold_batch
from tasks.observability.emit_prefect_events import emit_verdict
from tasks.observability.past_batches import PastBatches, past_batches
from tasks.observability.quality_artifacts import show_verdict
from tasks.observability.quality_ledger import (
    QUALITY_FINDINGS,
    record_quality,
    record_unusual_rows,
)
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch, ValidBatch
from tasks.transforms import stage_plan
from tasks.transforms.anomalies.anomaly_model import AnomalyModel
from tasks.transforms.anomalies.model_comparison import compare_models
from tasks.transforms.checks.batch_checks import batch_findings, needs_past, past_run_findings
from tasks.transforms.checks.figure_text import limit_text, threshold_text
from tasks.transforms.checks.implicit_checks import ANOMALY
from tasks.transforms.checks.pandera_schema import refuse_mismatches
from tasks.transforms.checks.quality_score import Finding
from tasks.transforms.checks.row_checks import reasons, stored_mask
from tasks.transforms.checks.verdict import Verdict, judge


def _figures(valid: ValidBatch) -> Figures:
    verdict = valid.verdict
    return {
        "quarantined": verdict.quarantined,
        **({} if verdict.score is None else {"score": round(verdict.score, 4)}),
    }


@step("validate", figures=_figures)
def validate(run: Run, contract: CompiledContract, staged: StagedBatch) -> ValidBatch:
    """Check the staged batch as a whole, and judge it.

    Raises:
        SchemaDriftError: The stage's columns are not those that the contract compiles to.
        QualityGateError: The batch does not reach what the contract asks of it.
    """
    stage = run.spark.table(staged.table)
    _refuse_mismatches(run, contract, stage)
    staged, set_findings = refuse_duplicates(run, contract, staged)
    judged_at = datetime.now(UTC)
    findings = (*_batch_findings(run, contract, staged, judged_at), *set_findings)
    _quarantine(run, contract, staged)
    verdict = judge(contract.quality, staged.judged, findings, quarantined=staged.refused)
    _record_unusual_rows(run, contract, staged, verdict, judged_at)
    record_quality(run, staged, verdict, contract_version=contract.version, judged_at=judged_at)
    emit_verdict(run, staged, verdict)
    show_verdict(run, staged, verdict)
    if not verdict.passed:
        until, gate = hold_batch(run, contract, staged, verdict), contract.quality
        raise QualityGateError(
            where=f"{contract.name}, batch {run.batch_id}",
            expected=f"a quality score of at least {threshold_text(gate.threshold)}, at most "
            f"{limit_text(gate.refused_percent)} of the rows refused, and every limit kept",
            found="; ".join(verdict.reasons),
            next_step=f"Nothing was published. strandline quarantine {contract.name} "
            "shows the refused rows with their reasons. To publish the batch all the same, until "
            f"{until:%Y-%m-%d}: strandline quarantine publish {contract.name} "
            f"{run.batch_id} --reason ...",
        )
    return ValidBatch(contract, staged, verdict)


def _batch_findings(
    run: Run, contract: CompiledContract, staged: StagedBatch, at: datetime
) -> tuple[Finding, ...]:
    """The findings about the batch as a whole, and those of unusual rows and figures."""
    measures, past = contract.stage.measures, PastBatches()
    if needs_past(measures) or contract.anomalies is not None:
        ledger = run.spark.table(run.ledger(QUALITY_FINDINGS))
        past = past_batches(ledger, run.target, without={run.batch_id, *_undone(run)})
    found: list[Finding] = [_with_model_change(each, staged, past) for each in staged.findings]
    if staged.facts is not None:
        hours = contract.freshness_hours
        found += batch_findings(measures, staged.facts, past.metrics, freshness_hours=hours)
    if contract.anomalies is not None:
        found += past_run_findings(staged.judged, staged.findings, past.figures, at)
    return tuple(found)


def _undone(run: Run) -> frozenset[str]:
    """The batches that were taken back: they are no measure of later ones."""
    state = current_state(run.spark, run.target) if exists(run.spark, run.target) else None
    return frozenset() if state is None else state.undone


def _with_model_change(finding: Finding, staged: StagedBatch, past: PastBatches) -> Finding:
    """The finding of unusual rows, with how far the model lies from the last one."""
    if finding.rule != ANOMALY or not staged.anomalies:
        return finding
    model = AnomalyModel.from_json(staged.anomalies)
    note = f"by a model of {model.sample_rows:,} of {model.rows:,} rows"
    if past.model is not None:
        note += f". {compare_models(model, past.model).summary}"
    return replace(finding, note=note)


def _record_unusual_rows(
    run: Run, contract: CompiledContract, staged: StagedBatch, verdict: Verdict, at: datetime
) -> None:
    if not any(each.rule == ANOMALY and each.failed for each in verdict.findings):
        return
    found = F.col(stage_plan.ANOMALY)
    unusual = run.spark.table(staged.table).where(found.isNotNull())
    rows = unusual.select(
        record_key(contract.key).alias("record_key"),
        found["feature"].alias("feature"),
        found["distance"].alias("distance"),
    )
    record_unusual_rows(run, rows, judged_at=at)


def _quarantine(run: Run, contract: CompiledContract, staged: StagedBatch) -> None:
    """Append the rows that checks refused, and those that duplicates made to be refused."""
    if staged.refused > staged.duplicates:
        stage = run.spark.table(staged.table)
        refused = stage.where(F.col(stage_plan.KIND) == stage_plan.REFUSED)
        rows = quarantined_rows(run, contract, staged, refused)
        append_to_quarantine(run.spark, rows, run.ledger("quarantine"))
    if staged.duplicates:
        rows = duplicate_rows(run, contract, staged)
        append_to_quarantine(run.spark, rows, run.ledger("quarantine"))


def _refuse_mismatches(run: Run, contract: CompiledContract, stage: DataFrame) -> None:
    refuse_mismatches(
        stage.drop(*contract.stage.own_columns),
        contract.events,
        where=f"{run.name}, stage of batch {run.batch_id}",
        cause="Another process changed the stage: load again.",
    )


def quarantined_rows(
    run: Run, contract: CompiledContract, staged: StagedBatch, refused: DataFrame
) -> DataFrame:
    """Refused rows of the stage in the quarantine's columns."""
    fields = {
        "target_table": F.lit(run.target),
        "batch_id": F.lit(run.batch_id),
        "source_table": F.lit(run.relation),
        "row_digest": F.col(stage_plan.DIGEST),
        "record_key": record_key(contract.key),
        "reasons": reasons(
            contract.stage.checks,
            stored_mask(F.col(stage_plan.FAILED), contract.stage.checks),
            F.col(stage_plan.UNFIT_COLUMNS),
            F.col(stage_plan.ANOMALY)["feature"] if contract.stage.finds_anomalies else None,
        ),
        "row": F.col(stage_plan.SOURCE_ROW),
        "refused_at": F.lit(run.started),
        "form": F.lit(SOURCE_FORM),
        "event_position": event_position(contract.history),
        "read_at": F.lit(None if staged.read is None else staged.read.at),
    }
    return refused.select(*quarantine_columns(fields))
