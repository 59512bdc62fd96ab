"""Validate: quarantine refused rows, score the batch as a whole, and stop a bad one.

Promise: a batch below its contract's threshold goes no further; the target is untouched, and the
refused rows are kept with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import QualityGateError
from history.writing.quarantine_table import (
    SOURCE_FORM,
    append_to_quarantine,
    event_position,
    quarantine_columns,
    record_key,
)
from tasks.compiler.compile_contract import CompiledContract
from tasks.observability.emit_prefect_events import emit_verdict
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch
from tasks.transforms import stage_rows
from tasks.transforms.checks.pandera_schema import refuse_mismatches
from tasks.transforms.checks.quality_score import Finding
from tasks.transforms.checks.row_checks import reasons, repeats, stored_mask
from tasks.transforms.checks.verdict import Verdict, judge


def _figures(verdict: Verdict) -> Figures:
    return {
        "quarantined": verdict.quarantined,
        **({} if verdict.score is None else {"score": round(verdict.score, 4)}),
    }


@step("validate", figures=_figures)
def validate(run: Run, contract: CompiledContract, staged: StagedBatch) -> Verdict:
    """Check and score the staged batch.

    Raises:
        SchemaDriftError: The stage's columns are not those that the contract compiles to.
        QualityGateError: The batch does not reach what the contract asks of it.
    """
    stage = run.spark.table(staged.table)
    _refuse_mismatches(run, contract, stage)
    results = (*staged.findings, *_set_findings(contract, stage))
    if staged.refused:
        rows = quarantined_rows(
            run, contract, staged, stage.where(F.col(stage_rows.KIND) == stage_rows.REFUSED)
        )
        append_to_quarantine(run.spark, rows, run.ledger("quarantine"))
    verdict = judge(contract.quality, staged.judged, results, quarantined=staged.refused)
    emit_verdict(run, staged, verdict)
    if not verdict.passed:
        raise QualityGateError(
            where=f"{contract.name}, batch {run.batch_id}",
            expected=f"a quality score of at least {contract.quality.threshold:.2%}, at most "
            f"{contract.quality.refused_percent:g} % of the rows refused, and every limit kept",
            found="; ".join(verdict.reasons),
            next_step=f"Nothing was published. strandline quarantine {contract.name} "
            "shows the refused rows with their reasons.",
        )
    return verdict


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
        "row_digest": F.col(stage_rows.DIGEST),
        "record_key": record_key(contract.key),
        "reasons": reasons(
            contract.stage.checks,
            stored_mask(F.col(stage_rows.FAILED), contract.stage.checks),
            F.col(stage_rows.UNFIT_COLUMNS),
        ),
        "row": F.col(stage_rows.SOURCE_ROW),
        "refused_at": F.lit(run.started),
        "form": F.lit(SOURCE_FORM),
        "event_position": event_position(contract.history),
        "read_at": F.lit(None if staged.read is None else staged.read.at),
    }
    return refused.select(*quarantine_columns(fields))


def _set_findings(contract: CompiledContract, stage: DataFrame) -> Iterable[Finding]:
    checks = contract.stage.set_checks
    if not checks:
        return
    events = stage.where(F.col(stage_rows.KIND) != stage_rows.REFUSED)
    digests = [F.col(stage_rows.set_digest(position)) for position, _ in enumerate(checks)]
    counted = events.agg(*[repeats(digest) for digest in digests]).collect()[0]
    for check, (rows, surplus) in zip(checks, counted, strict=True):
        finding = Finding(check.id, check.columns, check.severity.value, surplus, rows)
        yield replace(finding, weight=check.weight, note=contract.check_notes[check.id])
