"""Decisions about refused rows and closed gates, one row each, in a ledger that only grows."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.ledger_tables import append_row, ensure_ledger
from tasks.run.quarantine_decision import Action, Decision
from tasks.run.run_context import Run, ledger_table

QUALITY_DECISIONS = "quality_decisions"

_OF_LOADS = (Action.MENDED, Action.GONE)


def record_decision(
    run: Run,
    decision: Decision,
    *,
    contract_version: str,
    selected_by: str,
    rows_selected: int,
    rows_refused_again: int = 0,
    columns: tuple[str, ...] = (),
) -> None:
    """Append a decision; called before anything of it is carried out.

    A person's is in the audit log first: what can't be recorded there is not carried out.

    Args:
        run: The run that carries it out; its batch identifies the decision.
        decision: Who decided what.
        contract_version: The contract by which rows are judged.
        selected_by: By what rows were selected, without a value.
        rows_selected: How many rows it is about.
        rows_refused_again: How many of them the contract refuses again.
        columns: The columns that a correction changes.
    """
    if decision.action not in _OF_LOADS:
        entry = AuditEntry(
            action=AuditAction(str(decision.action)),
            subject=run.target,
            actor=decision.by,
            reason=decision.reason,
            contract=run.name,
            contract_version=contract_version,
            batch_id=run.batch_id,
            run_id=run.run_id,
            counts={"rows_selected": rows_selected, "rows_refused_again": rows_refused_again},
            details={
                "account": current_actor(),
                "selected_by": selected_by,
                **({"columns": ", ".join(columns)} if columns else {}),
            },
        )
        record_audit(run.spark, run.settings, [entry], at=datetime.now(UTC))
    ensure_ledger(run.spark, run.settings, QUALITY_DECISIONS)
    append_row(
        run.spark,
        ledger_table(run.settings, QUALITY_DECISIONS),
        {
            "decision_id": run.batch_id,
            "decided_at": decision.at,
            "decided_by": decision.by,
            "action": str(decision.action),
            "reason": decision.reason,
            "contract": run.name,
            "contract_version": contract_version,
            "target_table": run.target,
            "selected_by": selected_by,
            "rows_selected": rows_selected,
            "rows_refused_again": rows_refused_again,
            "columns_changed": ", ".join(columns),
        },
    )
