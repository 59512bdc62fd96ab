"""Merge: plan the batch against the published history and write it on a branch of the target.

Promise: readers see nothing of it yet, and a batch that was published before changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.model.reserved_column_names import OPERATION
from history import Batch, ClosingLimit, write_changes
from history.iceberg.current_snapshot import WATERMARK, current_state
from history.iceberg.history_table import exists, find_state
from history.model.control_totals import ControlTotals
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.observability.audit_log import current_actor
from tasks.observability.audit_log.audit_of_tables import batch_properties
from tasks.run.run_context import PIPELINE, Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import MergedBatch, StagedBatch
from tasks.transforms import stage_plan
from tasks.transforms.checks.pandera_schema import refuse_mismatches
from tasks.transforms.checks.verdict import NOT_JUDGED, Verdict
from tasks.transforms.rows_from_quarantine import READ_AT


def _figures(merged: MergedBatch) -> Figures:
    report = merged.written.report
    return {"opened": report.opened, "closed": report.closed, "late": report.late}


@step("merge", figures=_figures)
def merge(
    run: Run, contract: CompiledContract, staged: StagedBatch, verdict: Verdict
) -> MergedBatch:
    """Write the batch's changes of the history on its branch.

    Raises:
        SchemaDriftError: The changes are not as the contract promises, or the target can't take
            the contract's columns.
        MassClosingError: A full read lacks more of the open keys than the contract allows.
    """
    stage = run.spark.table(staged.table)
    changes = changes_of(contract, stage)
    _refuse_mismatches(run, contract, changes)
    if not exists(run.spark, run.target):
        run.spark.sql(contract.create_table)
    keys = stage.select(*[named(name) for name in contract.key])
    batch = batch_of(run, contract, staged, verdict)
    return MergedBatch(batch, write_changes(run.spark, changes, batch, keys))


@step("merge", figures=_figures)
def merge_released(run: Run, contract: CompiledContract, staged: StagedBatch) -> MergedBatch:
    """Write the changes that released rows make, on the batch's branch.

    Each row takes the place that it would have had; the watermark stays where it is.

    Raises:
        SchemaDriftError: The changes are not as the contract promises, or the target can't take
            the contract's columns.
    """
    stage = run.spark.table(staged.table)
    _refuse_mismatches(run, contract, changes_of(contract, stage))
    if not exists(run.spark, run.target):
        run.spark.sql(contract.create_table)
    batch = batch_of(run, contract, advanced(run, staged), NOT_JUDGED)
    batch = replace(batch, released=True)
    changes = changes_of(contract, stage, read_at=F.col(READ_AT) if contract.is_state else None)
    return MergedBatch(batch, write_changes(run.spark, changes, batch))


def _refuse_mismatches(run: Run, contract: CompiledContract, changes: DataFrame) -> None:
    refuse_mismatches(
        changes.drop(OPERATION),
        contract.events,
        where=f"{run.name}, changes of batch {run.batch_id}",
        cause="Another process changed the stage: load again.",
    )


def advanced(run: Run, staged: StagedBatch) -> StagedBatch:
    """The batch with a watermark that is not before the published one; it never moves back."""
    state = find_state(run.spark, run.target)
    properties = state.properties if state is not None else {}
    judged_until = json.loads(properties.get(PIPELINE, "{}")).get("judged_until")
    return replace(
        staged,
        watermark=_later(staged.watermark, properties.get(WATERMARK)),
        judged_until=_later(staged.judged_until, judged_until),
    )


def _later(moment: datetime | None, text: str | None) -> datetime | None:
    other = None if text is None else datetime.fromisoformat(text)
    return max((each for each in (moment, other) if each is not None), default=None)


def batch_of(run: Run, contract: CompiledContract, staged: StagedBatch, verdict: Verdict) -> Batch:
    """The staged batch as the history engine takes it."""
    state = current_state(run.spark, run.target)
    counts = {
        "run_id": run.run_id,
        "started": run.started.isoformat(),
        "rows_read": staged.rows_read,
        "rows_staged": staged.staged,
        "rows_refused": staged.refused,
        "rows_ignored": staged.ignored,
        "rows_repeated": staged.repeated,
        "rows_erased": staged.erased,
        "score": verdict.score,
        "judged_until": staged.judged_until.isoformat() if staged.judged_until else None,
        "key_ids": staged.key_ids,
    }
    return Batch(
        table=run.target,
        settings=contract.history,
        id=run.batch_id,
        time=run.started,
        quarantine=run.ledger("quarantine"),
        source=contract.relation,
        read=staged.read,
        opened=_expected_open_versions(run, contract, staged),
        closing=ClosingLimit(
            percent=contract.closing_limit.percent,
            rows=contract.closing_limit.rows,
            at_most=run.closes_at_most,
        ),
        watermark=staged.watermark.isoformat() if staged.watermark else None,
        properties={
            **batch_properties(state, f"{contract.name} {contract.version}", actor=current_actor()),
            PIPELINE: json.dumps(counts, separators=(",", ":")),
        },
    )


def changes_of(
    contract: CompiledContract, stage: DataFrame, *, read_at: Column | None = None
) -> DataFrame:
    """The staged change events, as the history engine takes them.

    `read_at` is the instant of a row's own read, where the batch is not of one read.
    """
    # Column comments come along, for a column that is yet to be added.
    columns = [
        named(name).alias(name, metadata={"comment": contract.comments[name]})
        for name in contract.events.fieldNames()
    ]
    events = stage.where(F.col(stage_plan.KIND) == stage_plan.EVENT)
    if read_at is not None:
        columns.append(read_at.alias(contract.history.sequence))
    return events.select(*columns, F.col(OPERATION))


def _expected_open_versions(
    run: Run, contract: CompiledContract, staged: StagedBatch
) -> ControlTotals | None:
    """The open versions that a full read implies, for the audit to compare with."""
    if staged.open_rows is None:
        return None
    excluded = None
    if staged.refused or staged.ignored:
        stage = run.spark.table(staged.table)
        without_event = F.col(stage_plan.KIND).isin(
            stage_plan.REFUSED, stage_plan.DUPLICATE, stage_plan.IGNORED
        )
        excluded = stage.where(without_event).select(*[named(name) for name in contract.key])
    return ControlTotals(
        rows=staged.open_rows,
        digest=staged.open_rows_digest,
        column=contract.history.fingerprint,
        excluded_keys=excluded,
    )
