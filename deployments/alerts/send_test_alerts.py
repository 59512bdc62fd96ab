"""Tests that alerts arrive: a marked event for each, through the server to every channel.

Promise: an alert counts as proven only when the server reports each of its actions as executed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from prefect.blocks.abstract import NotificationError
from prefect.client.orchestration import SyncPrefectClient
from prefect.events import emit_event

from blocks.alert_channels import block_of, send
from contracts.alerts import event_names as names
from contracts.alerts.alert_model import AlertFile

__all__ = ["AlertTrial", "try_alerts"]

_ENDS = ("prefect.automation.action.executed", "prefect.automation.action.failed")
_POLL_SECONDS = 0.5
_NO_RESULT = "no result from the server in time"
_DIRECT_BODY = "Sent by strandline alerts test itself: the server did not say that it sent its own."


@dataclass(frozen=True, slots=True)
class AlertTrial:
    """How the test of an alert went in one channel.

    `seconds` is from the test event until the server reports the message as sent; None: it never
    did. `reason` is empty on success.
    """

    alert: str
    channel: str
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _TestEvent:
    """A test event: its id, and when it was emitted."""

    id: str
    at: datetime


def try_alerts(
    client: SyncPrefectClient,
    file: AlertFile,
    automations: Mapping[str, UUID],
    *,
    seconds: float,
) -> tuple[AlertTrial, ...]:
    """Send a test event for each alert that has an automation, and wait for the results.

    Args:
        client: The server.
        file: The alerts.
        automations: The automation of each alert to be tried, by the alert's name.
        seconds: How long to wait, for all of them together.
    """
    began = datetime.now(UTC)
    tests = {name: _emit_test_event(name) for name in automations}
    results: dict[tuple[str, int], Mapping[str, Any]] = {}
    wanted = {
        (name, index)
        for name in automations
        for index, _ in enumerate(file.routed(file.alerts[name]))
    }
    deadline = time.monotonic() + seconds
    while wanted - set(results) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        for event in _action_events(client, list(automations.values()), began):
            name = _alert_of(event, tests)
            if name is not None:
                results[name, event["payload"]["action_index"]] = event
    trials = [
        _trial(file, name, index, tests[name], results.get((name, index)))
        for name, index in sorted(wanted)
    ]
    silent = {each.channel: each.alert for each in trials if each.reason == _NO_RESULT}
    reasons = {channel: _direct_result(file, channel, name) for channel, name in silent.items()}
    return tuple(
        replace(each, reason=f"{_NO_RESULT}; {reasons[each.channel]}")
        if each.reason == _NO_RESULT
        else each
        for each in trials
    )


def _emit_test_event(name: str) -> _TestEvent:
    event = emit_event(
        names.ALERT_TEST,
        resource={names.ID: names.alert_resource(name), names.NAME: name},
        payload={"test": True},
    )
    now = datetime.now(UTC)
    return _TestEvent(str(event.id) if event else "", now)


def _action_events(
    client: SyncPrefectClient, automations: Sequence[UUID], since: datetime
) -> list[dict[str, Any]]:
    response = client.request(
        "POST",
        "/events/filter",
        json={
            "filter": {
                "event": {"name": list(_ENDS)},
                "resource": {"id": [f"prefect.automation.{each}" for each in automations]},
                "occurred": {"since": (since - timedelta(seconds=1)).isoformat()},
            },
            "limit": 50,
        },
    ).json()
    events: list[dict[str, Any]] = list(response["events"])
    while response.get("next_page"):
        query = dict(parse_qsl(urlsplit(response["next_page"]).query))
        response = client.request("GET", "/events/filter/next", params=query).json()
        events += response["events"]
    return events


def _alert_of(event: Mapping[str, Any], tests: Mapping[str, _TestEvent]) -> str | None:
    """The alert whose test caused this event."""
    related = {each[names.ID] for each in event["related"]}
    return next(
        (name for name, each in tests.items() if f"prefect.event.{each.id}" in related), None
    )


def _trial(
    file: AlertFile, name: str, index: int, test: _TestEvent, event: Mapping[str, Any] | None
) -> AlertTrial:
    alert = file.alerts[name]
    channel = file.routed(alert)[index]
    if event is None:
        return AlertTrial(name, channel, None, _NO_RESULT)
    took = (datetime.fromisoformat(event["occurred"]) - test.at).total_seconds()
    if event["event"] == _ENDS[0]:
        return AlertTrial(name, channel, round(max(took, 0.0), 1))
    payload = event["payload"]
    log = str(payload.get("notification_log") or "").strip().splitlines()
    return AlertTrial(name, channel, None, ": ".join([payload["reason"], *log[-1:]]))


def _direct_result(file: AlertFile, channel: str, name: str) -> str:
    """Send to the channel directly: the server reports no action that it will try again."""
    if channel not in file.channels:
        return f"{file.off[channel]} here, so that it can't be tried from here"
    block = block_of(file.channels[channel], file.alerts[name].severity)
    try:
        send(block, subject=f"TEST: {channel}", body=_DIRECT_BODY)
    except NotificationError as error:
        return f"from here: {''.join(error.log.strip().splitlines()[-1:]) or 'refused'}"
    except Exception as error:  # noqa: BLE001 - any library's error is the answer
        return f"from here: {_plain(error)}"
    return "from here it was sent"


def _plain(error: Exception) -> str:
    """The type of an error and the HTTP status; its text may hold an address with a token."""
    response = getattr(error, "response", None)
    status = f" {response.status_code}" if response is not None else ""
    return f"{type(error).__name__}{status}"
