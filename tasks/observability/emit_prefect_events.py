"""The Prefect events of a load, which trigger alerts and show on pages.

Promise: an event carries names of tables and checks, and counts; never a cell value or a key.
Emitting never fails a load and never waits for a server: a thread sends the events, and outside
of a flow run none are emitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.exceptions import EventTooLarge
from prefect.logging import get_logger

from blocks.coordination.circuit_breaker import Circuit, Transition
from contracts.alerts import event_names as names
from contracts.model import Contract
from history import LoadReport
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.quality_score import Outcome
from tasks.transforms.checks.verdict import Verdict

Figure = str | int | float | None

ANOMALY_RULES = ("anomaly", "past_runs")
"""The rules that no contract sets a limit for: what is usual is learned."""

_TRANSITIONS: Mapping[Transition, str] = {
    Transition.OPENED: names.CIRCUIT_OPENED,
    Transition.HALF_OPENED: names.CIRCUIT_HALF_OPENED,
    Transition.CLOSED: names.CIRCUIT_CLOSED,
}


@dataclass(frozen=True, slots=True)
class CircuitEvent:
    """What is emitted of a circuit: the event's name, its resource and its figures."""

    name: str
    resource: Mapping[str, str]
    figures: Mapping[str, Figure]


def emit_verdict(run: Run, staged: StagedBatch, verdict: Verdict) -> None:
    """Emit the verdict on a batch, and each check that failed."""
    failed = [each for each in verdict.findings if each.outcome is Outcome.FAILED]
    unevaluated = [each for each in verdict.findings if each.outcome is Outcome.NOT_EVALUATED]
    _emit(
        names.BATCH_JUDGED,
        {**run.table_resource, names.VERDICT: "pass" if verdict.passed else "fail"},
        _batch(run)
        | {
            "score": None if verdict.score is None else round(verdict.score, 6),
            "threshold": verdict.threshold,
            "rows_read": staged.rows_read,
            "rows_refused": staged.refused,
            "refused_percent": round(verdict.refused_percent, 4),
            "checks_failed": len(failed),
            "checks_not_evaluated": len(unevaluated),
            "reasons": "; ".join(verdict.reasons),
        },
    )
    for finding in failed:
        _emit(
            names.ANOMALY_FOUND if finding.rule in ANOMALY_RULES else names.CHECK_FAILED,
            {
                **run.table_resource,
                "strandline.check": finding.check,
                "strandline.severity": finding.severity,
            },
            _batch(run)
            | {
                "check": finding.check,
                "failed": finding.failed,
                "evaluated": finding.evaluated,
                "metric": finding.metric,
                "limit": finding.limit,
            },
        )


def emit_loaded(run: Run, staged: StagedBatch, report: LoadReport) -> None:
    """Emit that a load published a new state, or had nothing to publish."""
    _emit(
        names.TABLE_PUBLISHED if report.published else names.TABLE_UNCHANGED,
        run.table_resource,
        _batch(run)
        | {
            "rows_read": staged.rows_read,
            "versions_opened": report.opened,
            "versions_closed": report.closed,
        },
    )


def emit_missed_service_level(run: Run, name: str, *, promised: float, taken: float) -> None:
    """Emit that a load took longer than its contract promises, both in hours."""
    _emit(
        names.SERVICE_LEVEL_MISSED,
        {**run.table_resource, "strandline.service-level": name},
        _batch(run) | {"promised_hours": promised, "taken_hours": round(taken, 4)},
    )


def emit_circuit(
    transition: Transition, connection: str, circuit: Circuit, *, contract: str
) -> None:
    """Emit what became of the circuit of a source, in a load of the contract.

    `circuit` is the one that was opened or is being tried, or the one before it was closed.
    """
    event = circuit_event(transition, connection, circuit, contract=contract)
    _emit(event.name, event.resource, event.figures)


def circuit_event(
    transition: Transition, connection: str, circuit: Circuit, *, contract: str
) -> CircuitEvent:
    """The event that `emit_circuit` emits, for who emits it outside of a flow run."""
    return CircuitEvent(
        _TRANSITIONS[transition],
        {names.ID: names.source_resource(connection), names.NAME: connection},
        {
            "contract": contract,
            "failures": circuit.failures,
            "since": _moment(circuit.since),
            "next_probe": _moment(circuit.next_probe),
            "reason": circuit.reason,
        },
    )


def table_resource(contract: Contract) -> dict[str, str]:
    """A contract's target as events name it."""
    return {
        names.ID: names.table_resource(contract.target),
        names.NAME: contract.target,
        names.CONTRACT: contract.name,
    }


def source_resource(contract: Contract) -> dict[str, str]:
    """A contract's source as events name it."""
    connection = contract.source.connection
    return {
        names.ID: names.source_resource(connection),
        names.NAME: connection,
        names.CONTRACT: contract.name,
    }


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _batch(run: Run) -> dict[str, Figure]:
    return {"contract": run.name, "batch_id": run.batch_id}


def _emit(event: str, resource: Mapping[str, str], figures: Mapping[str, Figure]) -> None:
    if FlowRunContext.get() is None and TaskRunContext.get() is None:
        return
    try:
        emit_event(event, resource=dict(resource), payload=dict(figures))
    except EventTooLarge:
        get_logger("strandline").warning("event %s is too large to be told", event)
