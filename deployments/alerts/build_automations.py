"""Alerts as Prefect automations: the trigger and the actions of each.

Every trigger has two branches: the alert's own, and a test event that names the alert. So a test
goes through the automation itself, its messages and its blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import singledispatch
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import (
    AutomationCore,
    CompoundTrigger,
    EventTrigger,
    Posture,
    TriggerTypes,
)

from contracts.alerts import event_names as names
from contracts.alerts.alert_model import (
    Alert,
    AlertFile,
    AnomalyBurst,
    BackupStale,
    CheckFailureBurst,
    CircuitOpen,
    QualityBelowThreshold,
    RunCrashed,
    RunFailed,
    RunTooLong,
    Severity,
    TableStale,
    Zombie,
)
from contracts.alerts.alert_time_windows import words
from contracts.alerts.failure_reasons import EXCEPTION, INTERRUPTED
from contracts.errors import QualityGateError, SourceCircuitOpenError
from deployments.alerts.message_templates import answer_message, message_of, subject_of

__all__ = ["automations", "either", "silenced"]

BlockOf = Callable[[str, Severity], UUID]
"""The id of the block that sends a channel's messages of a severity."""

ResolvingBlockOf = Callable[[str, Severity], UUID | None]
"""The id of the block that resolves a channel's incidents; None: it has none to resolve."""

_RUN = "prefect.flow-run."
_ZOMBIE = "Zombie"
_ENDS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Suspended", "Paused", _ZOMBIE)
_OVER = {f"{_RUN}{state}" for state in _ENDS}
_HEARTBEAT = f"{_RUN}heartbeat"
_ONE_END = timedelta(minutes=5)
"""How long a further end of a run counts as the same: worker and server may both report it."""


def silenced(file: AlertFile) -> tuple[str, ...]:
    """Alerts that reach no receiver: none of their channels is set up."""
    return tuple(name for name, alert in file.alerts.items() if not file.routed(alert))


def automations(
    file: AlertFile,
    block: BlockOf,
    pages: str,
    *,
    resolving: ResolvingBlockOf = lambda _channel, _severity: None,
) -> Iterator[AutomationCore]:
    """The automations of a file.

    `block` is called for each channel that an alert is routed to, `resolving` where the alert has
    an end that is told too; `pages` is the address that messages link to.

    An alert without a channel gets no automation. A zombie is ended all the same.
    """
    for name, alert in file.alerts.items():
        if isinstance(alert, Zombie):
            yield _ending_zombies(name, alert)
        channels = file.routed(alert)
        if not channels:
            continue
        message = message_of(name, alert, pages)
        actions: list[ActionTypes] = [
            SendNotification(
                block_document_id=block(channel, alert.severity),
                subject=message.subject,
                body=message.body,
            )
            for channel in channels
        ]
        yield AutomationCore(
            name=names.automation_name(name),
            description=" ".join((type(alert).__doc__ or "").split()),
            enabled=alert.enabled,
            tags=[names.TAG],
            trigger=CompoundTrigger(
                require="any", within=None, triggers=[_trigger(alert), _test_trigger(name)]
            ),
            actions=actions,
        )
        if isinstance(alert, CircuitOpen):
            ends: list[ActionTypes] = [
                _end_action(name, alert, pages, block(channel, alert.severity), resolver)
                for channel in channels
                for resolver in [resolving(channel, alert.severity)]
            ]
            yield _telling_the_end(name, alert, ends)


def _telling_the_end(name: str, alert: CircuitOpen, actions: list[ActionTypes]) -> AutomationCore:
    """The automation that tells that a source answers again."""
    return AutomationCore(
        name=f"{names.automation_name(name)}, the end",
        description="A source that runs left alone answers again.",
        enabled=alert.enabled,
        tags=[names.TAG],
        trigger=EventTrigger(
            expect={names.CIRCUIT_CLOSED},
            match={names.ID: names.source_resource("*")},
            for_each={names.ID},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=actions,
    )


def _end_action(
    name: str, alert: CircuitOpen, pages: str, block: UUID, resolver: UUID | None
) -> SendNotification:
    """Resolve the incident where the channel has incidents, which are known by their subject."""
    message = answer_message(name, pages)
    return SendNotification(
        block_document_id=resolver or block,
        subject=subject_of(alert) if resolver else message.subject,
        body=message.body,
    )


def _test_trigger(name: str) -> EventTrigger:
    return EventTrigger(
        expect={names.ALERT_TEST},
        match={names.ID: names.alert_resource(name)},
        posture=Posture.Reactive,
        threshold=1,
    )


def _ending_zombies(name: str, alert: Zombie) -> AutomationCore:
    """The automation that ends a silent run; the alert itself waits for that end.

    A run that ended in time can't be ended again, so that a late heartbeat raises no alert.
    """
    return AutomationCore(
        name=f"{names.automation_name(name)}, the end of the run",
        description=f"A run that is silent for {words(alert.silent)} is set to Crashed.",
        enabled=alert.enabled,
        tags=[names.TAG],
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_OVER},
            match={names.ID: f"{_RUN}*"},
            match_related=_flows(alert.flows),
            for_each={names.ID},
            posture=Posture.Proactive,
            threshold=1,
            within=alert.silent,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name=_ZOMBIE,
                message=f"No heartbeat for {words(alert.silent)}.",
            )
        ],
    )


def _flows(flows: Iterable[str]) -> dict[str, str | list[str]]:
    return {"prefect.resource.role": "flow", names.NAME: list(flows)}


@singledispatch
def _trigger(alert: Alert) -> TriggerTypes:
    """The trigger of an alert."""
    # A kind that has no trigger here; tests/shape/test_kinds.py checks each kind.
    message = f"no trigger for {type(alert).__name__}"
    raise NotImplementedError(message)


@_trigger.register
def _run_failed(alert: RunFailed) -> TriggerTypes:
    """Any failure except those that have alerts of their own."""
    excluded = either(
        *(f"{EXCEPTION}{kind.__name__}: " for kind in (QualityGateError, SourceCircuitOpenError))
    )
    return EventTrigger(
        expect={f"{_RUN}Failed", f"{_RUN}TimedOut"},
        match={names.ID: f"{_RUN}*", "prefect.state-message": f"!{excluded}*"},
        match_related=_flows(alert.flows),
        for_each={names.ID},
        posture=Posture.Reactive,
        threshold=1,
        within=_ONE_END,
    )


@_trigger.register
def _run_crashed(alert: RunCrashed) -> TriggerTypes:
    return EventTrigger(
        expect={f"{_RUN}Crashed"},
        match={names.ID: f"{_RUN}*", "prefect.state-message": f"!{INTERRUPTED}"},
        match_related=_flows(alert.flows),
        for_each={names.ID},
        posture=Posture.Reactive,
        threshold=1,
        within=_ONE_END,
    )


@_trigger.register
def _quality(_: QualityBelowThreshold) -> TriggerTypes:
    return EventTrigger(
        expect={names.BATCH_JUDGED},
        match={names.ID: names.table_resource("*"), names.VERDICT: "fail"},
        posture=Posture.Reactive,
        threshold=1,
    )


@_trigger.register
def _check_failures(alert: CheckFailureBurst) -> TriggerTypes:
    return _burst(names.CHECK_FAILED, alert)


@_trigger.register
def _anomalies(alert: AnomalyBurst) -> TriggerTypes:
    return _burst(names.ANOMALY_FOUND, alert)


def _burst(event: str, alert: CheckFailureBurst | AnomalyBurst) -> TriggerTypes:
    return EventTrigger(
        expect={event},
        match={names.ID: names.table_resource("*")},
        for_each={names.ID},
        posture=Posture.Reactive,
        threshold=alert.times,
        within=alert.within,
    )


@_trigger.register
def _circuit(alert: CircuitOpen) -> TriggerTypes:
    return EventTrigger(
        expect={names.CIRCUIT_OPENED},
        match={names.ID: names.source_resource("*")},
        for_each={names.ID},
        posture=Posture.Reactive,
        threshold=1,
        within=alert.at_most_every,
    )


@_trigger.register
def _too_long(alert: RunTooLong) -> TriggerTypes:
    began = {"running": "Running", "pending": "Pending"}[alert.phase]
    over = _OVER | ({f"{_RUN}Running"} if alert.phase == "pending" else set())
    related = [_flows(alert.flows)]
    if alert.tag is not None:
        related.append({"prefect.resource.role": "tag", names.ID: f"prefect.tag.{alert.tag}"})
    return EventTrigger(
        after={f"{_RUN}{began}"},
        expect=over,
        match={names.ID: f"{_RUN}*"},
        match_related=related,
        for_each={names.ID},
        posture=Posture.Proactive,
        threshold=1,
        within=alert.after,
    )


@_trigger.register
def _stale(alert: TableStale) -> TriggerTypes:
    """Each load restarts the wait, and so does the event that first watches the table."""
    loads = {names.TABLE_PUBLISHED}
    if alert.unless == "loaded":
        loads |= {names.TABLE_UNCHANGED}
    return EventTrigger(
        after={names.TABLE_WATCHED, *loads},
        expect=loads,
        match={names.ID: [names.table_resource(target) for target in alert.tables]},
        for_each={names.ID},
        posture=Posture.Proactive,
        threshold=1,
        within=alert.after,
    )


@_trigger.register
def _backup(alert: BackupStale) -> TriggerTypes:
    """Each backup restarts the wait; it begins with the first one."""
    return EventTrigger(
        after={names.BACKUP_MADE},
        expect={names.BACKUP_MADE},
        match={names.ID: names.lakehouse_resource("*")},
        for_each={names.ID},
        posture=Posture.Proactive,
        threshold=1,
        within=alert.after,
    )


@_trigger.register
def _zombie(alert: Zombie) -> TriggerTypes:
    return EventTrigger(
        expect={f"{_RUN}{_ZOMBIE}"},
        match={names.ID: f"{_RUN}*"},
        match_related=_flows(alert.flows),
        for_each={names.ID},
        posture=Posture.Reactive,
        threshold=1,
        within=_ONE_END,
    )


def either(*prefixes: str) -> str:
    """One pattern for texts that begin with any of the prefixes, up to the shortest's length.

    A label can exclude one pattern only. Each position matches any prefix's letter there.
    """
    return "".join(
        letters.pop() if len(letters) == 1 else f"[{''.join(sorted(letters))}]"
        for letters in map(set, zip(*prefixes, strict=False))
    )
