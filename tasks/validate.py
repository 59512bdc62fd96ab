"""Validate: keep what was refused, judge the batch as a whole, and close the gate on a bad one.

Promise: a batch below its contract's threshold goes no further; the target is untouched, and what
speaks against the batch is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.errors import QualityGateError
from contracts.rules import RULES
from history.columns import named
from history.refusal import QUARANTINE_SCHEMA, quarantine
from tasks.handoff import Finding, StagedBatch, Verdict
from tasks.run import Run
from tasks.step import Figures, step
from tasks.transforms import staging
from tasks.transforms.checks import duplicates, reasons, score

_WORST = 3


def _figures(verdict: Verdict) -> Figures:
    return {
        "quarantined": verdict.quarantined,
        **({} if verdict.score is None else {"score": round(verdict.score, 4)}),
    }


@step("validate", figures=_figures)
def validate(run: Run, staged: StagedBatch) -> Verdict:
    """Judge the staged batch.

    Raises:
        QualityGateError: The score is below the contract's threshold.
    """
    contract = run.contract
    stage = run.spark.table(staged.table)
    found = (*staged.findings, *_set_findings(run, stage))
    if staged.refused:
        rows = quarantined_rows(run, stage.where(F.col(staging.KIND) == staging.REFUSED))
        quarantine(run.spark, rows, run.ledger("quarantine"))
    reached = score(found)
    verdict = Verdict(
        score=reached,
        threshold=contract.quality_threshold,
        passed=reached is None or reached >= contract.quality_threshold,
        findings=found,
        quarantined=staged.refused,
    )
    if not verdict.passed:
        raise QualityGateError(
            where=f"{contract.name}, batch {run.batch_id}",
            expected=f"a quality score of at least {contract.quality_threshold:.2%}",
            found=f"{reached:.2%} ({_worst(found)})",
            next_step=f"Nothing was published. strandline quarantine {contract.name} "
            "shows the refused rows with their reasons.",
        )
    return verdict


def quarantined_rows(run: Run, refused: DataFrame) -> DataFrame:
    """Refused rows of the stage in the quarantine's columns."""
    fields = {
        "target_table": F.lit(run.target),
        "batch_id": F.lit(run.batch_id),
        "source_table": F.lit(run.contract.source.relation),
        "row_digest": F.col(staging.DIGEST),
        "record_key": F.to_json(F.struct(*[named(name) for name in run.contract.key])),
        "reasons": reasons(run.contract, F.col(staging.FAILED)),
        "row": F.col(staging.SOURCE_ROW),
        "refused_at": F.lit(run.started).cast("timestamp"),
        "released_at": F.lit(None).cast("timestamp"),
    }
    return refused.select(*[fields[name].alias(name) for name in QUARANTINE_SCHEMA.fieldNames()])


def _set_findings(run: Run, stage: DataFrame) -> Iterable[Finding]:
    events = stage.where(F.col(staging.KIND) != staging.REFUSED)
    for position, check in enumerate(staging.set_checks(run.contract)):
        digest = staging.set_digest(position)
        rows, surplus = (
            duplicates(events, [digest])
            .crossJoin(events.agg(F.count(digest).alias("rows")))
            .select("rows", "surplus")
            .collect()[0]
        )
        finding = Finding(check.id, check.columns, check.severity.value, surplus, rows)
        yield replace(finding, weight=check.weight, note=RULES[check.rule].says)


def _worst(found: Iterable[Finding]) -> str:
    failed = sorted((f for f in found if f.failed), key=lambda f: -f.weight * f.failed)
    return ", ".join(f"{f.check}: {f.failed} of {f.evaluated}" for f in failed[:_WORST])
