"""A batch that its contract's gate did not let through: its stage is kept, and it can be published.

Promise: the rows that were judged are the rows that are published, if a person decides so; until
then they lie protected, as on any stage. A later run of the table removes them when their time is
up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists
from tasks.compiler.compile_contract import CompiledContract
from tasks.lifecycle.leftover_cleanup import keep_stage
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.ledger_tables import append_row, ensure_ledger
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.verdict import Verdict

HELD_BATCHES = "held_batches"

_STAGED = TypeAdapter(StagedBatch)
_VERDICT = TypeAdapter(Verdict)


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that was kept, as the ledger has it.

    Attributes:
        batch_id: The batch.
        run_id: The run that staged it.
        contract: Its contract.
        contract_version: The version by which it was judged.
        started: When it was taken; timezone-aware.
        until: When its stage is removed; timezone-aware.
        snapshot_id: The state of the target when the gate closed; None: it had none.
        staged: The stage, with its counts, its read and its watermark.
        verdict: Why the gate closed.
    """

    batch_id: str
    run_id: str
    contract: str
    contract_version: str
    started: datetime
    until: datetime
    snapshot_id: int | None
    staged: StagedBatch
    verdict: Verdict


def hold_batch(
    run: Run, contract: CompiledContract, staged: StagedBatch, verdict: Verdict
) -> datetime:
    """Keep the stage of a batch that is not published; returns until when.

    Called where the gate closes, before the failure is raised: what follows clears the stages that
    are not kept.
    """
    now = datetime.now(UTC)
    until = now + contract.quality.held_for
    state = current_state(run.spark, run.target) if exists(run.spark, run.target) else None
    ensure_ledger(run.spark, run.settings, HELD_BATCHES)
    append_row(
        run.spark,
        run.ledger(HELD_BATCHES),
        {
            "batch_id": run.batch_id,
            "job_id": run.run_id,
            "contract": run.name,
            "contract_version": contract.version,
            "target_table": run.target,
            "stage_table": staged.table,
            "started_at": run.started,
            "held_at": now,
            "held_until": until,
            "snapshot_id": None if state is None else state.snapshot_id,
            "score": verdict.score,
            "reasons": "; ".join(verdict.reasons),
            "rows_read": staged.rows_read,
            "rows_staged": staged.staged,
            "rows_refused": staged.refused,
            "staged": _STAGED.dump_json(staged).decode(),
            "verdict": _VERDICT.dump_json(verdict).decode(),
        },
    )
    entry = AuditEntry(
        action=AuditAction.CLOSE_GATE,
        subject=run.target,
        actor=current_actor(),
        reason="the batch is below what the contract's gate lets through",
        contract=run.name,
        contract_version=contract.version,
        batch_id=run.batch_id,
        run_id=run.run_id,
        counts={
            "rows_read": staged.rows_read,
            "rows_staged": staged.staged,
            "rows_refused": staged.refused,
            "reasons": len(verdict.reasons),
        },
        key_ids=staged.key_ids,
        details={"score": str(verdict.score), "held_until": until.isoformat()},
    )
    record_audit(run.spark, run.settings, [entry], at=now)
    keep_stage(run, until=until)
    return until


def find_batch(ledger: DataFrame, target: str, batch_id: str) -> HeldBatch | None:
    """The batch of that name, as it was kept last; None: it never was.

    Args:
        ledger: The ledger `held_batches`.
        target: The history table that it was meant for.
        batch_id: The batch.
    """
    rows = (
        ledger.where((F.col("target_table") == target) & (F.col("batch_id") == batch_id))
        .orderBy(F.col("held_at").desc())
        .select(
            "job_id",
            "contract",
            "contract_version",
            F.unix_micros("started_at").alias("started_at"),
            F.unix_micros("held_until").alias("held_until"),
            "snapshot_id",
            "staged",
            "verdict",
        )
        .limit(1)
        .collect()
    )
    if not rows:
        return None
    row = rows[0]
    return HeldBatch(
        batch_id=batch_id,
        run_id=row.job_id,
        contract=row.contract,
        contract_version=row.contract_version,
        started=_moment(row.started_at),
        until=_moment(row.held_until),
        snapshot_id=row.snapshot_id,
        staged=_STAGED.validate_json(row.staged),
        verdict=_VERDICT.validate_json(row.verdict),
    )


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
