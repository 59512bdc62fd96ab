"""Alerts of runs without a server's automation: a hook sends them to the same channels.

Promise: where a server has our automations, they send and this hook does not, so that one failure
is one message. Nothing here can make a run fail that did not, or hide why one did.
"""

from __future__ import annotations

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL
from prefect.utilities.urls import url_for

from blocks.alert_channels import block_of, send
from contracts.alerts.alert_model import (
    Alert,
    AlertFile,
    CircuitOpen,
    QualityBelowThreshold,
    RunCrashed,
    RunFailed,
)
from contracts.alerts.event_names import TAG, automation_name
from contracts.alerts.failure_reasons import INTERRUPTED, kind_of, sendable
from contracts.alerts.load_alert_file import alert_file, load_alerts
from contracts.errors import QualityGateError, SettingsError, SourceCircuitOpenError

_OWN_ALERT: dict[str, type[Alert]] = {
    QualityGateError.__name__: QualityBelowThreshold,
    SourceCircuitOpenError.__name__: CircuitOpen,
}
_NEXT: dict[type[Alert], str] = {
    QualityBelowThreshold: "strandline quarantine, with the table's name",
    CircuitOpen: "see that the source database runs; strandline source status",
    RunFailed: "strandline runs",
    RunCrashed: "run it again: nothing half done is visible",
}


# Prefect calls hooks with these exact names, by keyword where it acts for a run that died.
def send_failure_alert(flow: Flow[..., object], flow_run: FlowRun, state: State[object]) -> None:
    """Send the alert of a run that failed or crashed, unless a server's automation does."""
    log = get_logger("strandline")
    try:
        file = load_alerts(alert_file())
    except SettingsError as error:
        log.warning("no alert was sent: %s", error)
        return
    named_alert = _alert_of(file, flow.name, state)
    if named_alert is None:
        return
    name, alert = named_alert
    channels = file.routed(alert)
    if not channels or _has_automation(name):
        return
    subject, body = _message(alert, flow.name, flow_run, state)
    for channel in channels:
        block = block_of(file.channels[channel], alert.severity)
        try:
            send(block, subject=subject, body=body)
        except Exception as error:  # noqa: BLE001 - a failing channel must not stop the next
            log.warning("the alert %s did not reach %s: %s", name, channel, type(error).__name__)


def _alert_of(file: AlertFile, flow: str, state: State[object]) -> tuple[str, Alert] | None:
    """Name and alert of how the run ended; None: no alert is configured for it."""
    message = state.message or ""
    if state.is_crashed():
        kinds: list[type[Alert]] = [] if message == INTERRUPTED else [RunCrashed]
    else:
        own = _OWN_ALERT.get(kind_of(message))
        kinds = [*([own] if own else []), RunFailed]
    for kind in kinds:
        for name, alert in file.alerts.items():
            if isinstance(alert, kind) and alert.enabled and flow in _flows(alert, flow):
                return name, alert
    return None


def _flows(alert: Alert, flow: str) -> tuple[str, ...]:
    return alert.flows if isinstance(alert, RunFailed | RunCrashed) else (flow,)


def _has_automation(alert: str) -> bool:
    """Whether a server has this alert's automation; not one that ends with this process."""
    if not PREFECT_API_URL.value():
        return False
    try:
        with get_client(sync_client=True) as client:
            automations = client.read_automations_by_name(automation_name(alert))
    except Exception:  # noqa: BLE001 - see below
        # A hook that fails here would lose the alert. Whatever keeps the server from answering (no
        # network, a refusal, an invalid reply) keeps it from sending too: then this run sends.
        return False
    return any(TAG in each.tags and each.enabled for each in automations)


def _message(alert: Alert, flow: str, flow_run: FlowRun, state: State[object]) -> tuple[str, str]:
    ended = "crashed" if state.is_crashed() else "failed"
    page = url_for(flow_run) if PREFECT_API_URL.value() else None
    seconds = flow_run.estimated_run_time.total_seconds()
    return f"{alert.severity}: {flow}, run {flow_run.name}, {ended}", "\n".join(
        (
            sendable(state.message or ""),
            f"It took {seconds:.1f} s in {flow_run.run_count} attempt(s).",
            f"Run: {page}" if page else f"Run: {flow_run.id}, without a server to show it",
            f"Next: {_NEXT[type(alert)]}",
        )
    )
