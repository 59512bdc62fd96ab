"""Validate: quarantine refused rows, score the batch as a whole, and stop a bad one.

Promise: a batch below its contract's threshold goes no further; the target is untouched, and the
refused rows are kept with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import QualityGateError, SchemaDriftError
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import QUARANTINE_SCHEMA, append_to_quarantine
from tasks.compiler.compile_contract import CompiledContract
from tasks.observability.emit_prefect_events import emit_verdict
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import StagedBatch, Verdict
from tasks.transforms import stage_rows
from tasks.transforms.checks.pandera_schema import schema_mismatches
from tasks.transforms.checks.quality_score import Finding, score
from tasks.transforms.checks.row_checks import reasons, repeats

_WORST = 3


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
        QualityGateError: The score is below the contract's threshold.
    """
    stage = run.spark.table(staged.table)
    _refuse_mismatches(run, contract, stage)
    results = (*staged.findings, *_set_findings(contract, stage))
    if staged.refused:
        rows = quarantined_rows(
            run, contract, stage.where(F.col(stage_rows.KIND) == stage_rows.REFUSED)
        )
        append_to_quarantine(run.spark, rows, run.ledger("quarantine"))
    batch_score = score(results)
    verdict = Verdict(
        score=batch_score,
        threshold=contract.quality.threshold,
        passed=batch_score is None or batch_score >= contract.quality.threshold,
        findings=results,
        quarantined=staged.refused,
    )
    emit_verdict(run, staged, verdict)
    if not verdict.passed:
        raise QualityGateError(
            where=f"{contract.name}, batch {run.batch_id}",
            expected=f"a quality score of at least {contract.quality.threshold:.2%}",
            found=f"{batch_score:.2%} ({_worst(results)})",
            next_step=f"Nothing was published. strandline quarantine {contract.name} "
            "shows the refused rows with their reasons.",
        )
    return verdict


def _refuse_mismatches(run: Run, contract: CompiledContract, stage: DataFrame) -> None:
    mismatches = schema_mismatches(stage.drop(*contract.stage.own_columns), contract.events)
    if mismatches:
        raise SchemaDriftError(
            where=f"{run.name}, stage of batch {run.batch_id}",
            expected="the columns and types that the contract promises",
            found="; ".join(mismatches),
            next_step="Nothing was published. Report this: mapping or protection made other types "
            "than the contract states.",
        )


def quarantined_rows(run: Run, contract: CompiledContract, refused: DataFrame) -> DataFrame:
    """Refused rows of the stage in the quarantine's columns."""
    fields = {
        "target_table": F.lit(run.target),
        "batch_id": F.lit(run.batch_id),
        "source_table": F.lit(run.relation),
        "row_digest": F.col(stage_rows.DIGEST),
        "record_key": F.to_json(F.struct(*[named(name) for name in contract.key])),
        "reasons": reasons(
            contract.stage.checks, F.col(stage_rows.FAILED), F.col(stage_rows.UNFIT_COLUMNS)
        ),
        "row": F.col(stage_rows.SOURCE_ROW),
        "refused_at": F.lit(run.started).cast("timestamp"),
        "released_at": F.lit(None).cast("timestamp"),
    }
    return refused.select(*[fields[name].alias(name) for name in QUARANTINE_SCHEMA.fieldNames()])


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


def _worst(findings: Iterable[Finding]) -> str:
    failed = sorted((f for f in findings if f.failed), key=lambda f: -f.weight * f.failed)
    return ", ".join(f"{f.check}: {f.failed} of {f.evaluated}" for f in failed[:_WORST])
