"""Proving that alerts arrive: a marked event for each, through the server to every channel.

Promise: an alert counts as proven only when the server says of each of its actions that it was
carried out.
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
_BETWEEN_SECONDS = 0.5
_NO_RESULT = "no result from the server in time"
_FROM_HERE = "Sent by strandline alerts test itself: the server did not say that it sent its own."


@dataclass(frozen=True, slots=True)
class AlertTrial:
    """How the test of an alert went in one channel.

    `seconds` is from telling the server to its word that the message was sent; None: it never was.
    `reason` is empty where all is well.
    """

    alert: str
    channel: str
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A test event: its id, and when it was told."""

    id: str
    at: datetime


def try_alerts(
    client: SyncPrefectClient,
    file: AlertFile,
    automations: Mapping[str, UUID],
    *,
    seconds: float,
) -> tuple[AlertTrial, ...]:
    """Send a test event for each alert that has an automation, and wait for what comes of it.

    Args:
        client: The server.
        file: The alerts.
        automations: The automation of each alert to be tried, by the alert's name.
        seconds: How long to wait, for all of them together.
    """
    began = datetime.now(UTC)
    sent = {name: _told(name) for name in automations}
    results: dict[tuple[str, int], Mapping[str, Any]] = {}
    wanted = {
        (name, place)
        for name in automations
        for place, _ in enumerate(file.routed(file.alerts[name]))
    }
    until = time.monotonic() + seconds
    while wanted - set(results) and time.monotonic() < until:
        time.sleep(_BETWEEN_SECONDS)
        for event in _ended(client, list(automations.values()), began):
            name = _of_which(event, sent)
            if name is not None:
                results[name, event["payload"]["action_index"]] = event
    trials = [
        _judged(file, name, place, sent[name], results.get((name, place)))
        for name, place in sorted(wanted)
    ]
    silent = {each.channel: each.alert for each in trials if each.reason == _NO_RESULT}
    why = {channel: _why(file, channel, name) for channel, name in silent.items()}
    return tuple(
        replace(each, reason=f"{_NO_RESULT}; {why[each.channel]}")
        if each.reason == _NO_RESULT
        else each
        for each in trials
    )


def _told(name: str) -> _Sent:
    event = emit_event(
        names.ALERT_TEST,
        resource={names.ID: names.alert_resource(name), names.NAME: name},
        payload={"test": True},
    )
    now = datetime.now(UTC)
    return _Sent(str(event.id) if event else "", now)


def _ended(
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
    found: list[dict[str, Any]] = list(response["events"])
    while response.get("next_page"):
        query = dict(parse_qsl(urlsplit(response["next_page"]).query))
        response = client.request("GET", "/events/filter/next", params=query).json()
        found += response["events"]
    return found


def _of_which(event: Mapping[str, Any], sent: Mapping[str, _Sent]) -> str | None:
    """The alert whose test led to this event."""
    related = {each[names.ID] for each in event["related"]}
    return next(
        (name for name, each in sent.items() if f"prefect.event.{each.id}" in related), None
    )


def _judged(
    file: AlertFile, name: str, place: int, sent: _Sent, event: Mapping[str, Any] | None
) -> AlertTrial:
    alert = file.alerts[name]
    channel = file.routed(alert)[place]
    if event is None:
        return AlertTrial(name, channel, None, _NO_RESULT)
    took = (datetime.fromisoformat(event["occurred"]) - sent.at).total_seconds()
    if event["event"] == _ENDS[0]:
        return AlertTrial(name, channel, round(max(took, 0.0), 1))
    payload = event["payload"]
    log = str(payload.get("notification_log") or "").strip().splitlines()
    return AlertTrial(name, channel, None, ": ".join([payload["reason"], *log[-1:]]))


def _why(file: AlertFile, channel: str, name: str) -> str:
    """The server says nothing of an action that it will try again: the channel is asked itself."""
    if channel not in file.channels:
        return f"{file.off[channel]} here, so that it can't be tried from here"
    block = block_of(file.channels[channel], file.alerts[name].severity)
    try:
        send(block, subject=f"TEST: {channel}", body=_FROM_HERE)
    except NotificationError as error:
        return f"from here: {''.join(error.log.strip().splitlines()[-1:]) or 'refused'}"
    except Exception as error:  # noqa: BLE001 - any library's error is the answer
        return f"from here: {_plain(error)}"
    return "from here it was sent"


def _plain(error: Exception) -> str:
    """The kind of an error and the answer's status; its text may hold an address with a token."""
    response = getattr(error, "response", None)
    status = f" {response.status_code}" if response is not None else ""
    return f"{type(error).__name__}{status}"
