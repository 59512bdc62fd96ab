"""`strandline alerts`: apply the alert file to a server's automations, list and test alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import RenderableType
from rich.text import Text

from contracts.alerts.alert_model import Alert, AlertFile
from contracts.alerts.alert_time_windows import words
from contracts.alerts.event_names import automation_name
from contracts.alerts.load_alert_file import alert_file, load_alerts
from contracts.errors import NotFoundError, RetryableError, SettingsError
from contracts.yaml_reading.problem_report import did_you_mean
from strandline.terminal.console_output import AsJson, CommandOutput
from strandline.terminal.number_format import NOTHING, many
from strandline.terminal.text_table import Heading, text_table

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from deployments.alerts.apply_automations import Applied
    from deployments.alerts.send_test_alerts import AlertTrial

File = Annotated[
    Path | None,
    Parameter(
        help="The alert file; default: STRANDLINE_ALERTS, .strandline/alerts.yaml, or the one that "
        "comes along."
    ),
]
DryRun = Annotated[bool, Parameter(negative="", help="Say what would be done, change nothing.")]
Names = Annotated[str, Parameter(help="Alerts by name; none for all.")]
Wait = Annotated[
    int, Parameter(validator=Number(gte=1), help="How many seconds to wait for results.")
]

_APPLIED = (Heading("automation"), Heading("change"), Heading("id", spare=True))
_ALERTS = (
    Heading("alert"),
    Heading("severity"),
    Heading("goes to"),
    Heading("on the server"),
    Heading("when", prose=True),
)
_TRIALS = (
    Heading("alert"),
    Heading("channel"),
    Heading("result"),
    Heading("took", number=True),
    Heading("reason", prose=True),
)

app = App(name="alerts", help="Alerts: who hears of what goes wrong.")


@app.command
def apply(*, file: File = None, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Make the automations of the Prefect server agree with the alert file."""
    screen = CommandOutput.of(as_json=json)
    alerts = load_alerts(file or alert_file())
    with screen.waiting("Asking the server"):
        from deployments.alerts import apply_automations
    with _server() as client:
        change = apply_automations.differences if dry_run else apply_automations.apply_alerts
        outcomes = change(client, alerts)
        alerts = apply_automations.known_to(client, alerts)
    data = {
        "dry_run": dry_run,
        "automations": [
            {"name": each.name, "change": str(each.change), "id": each.id and str(each.id)}
            for each in outcomes
        ],
        **_channel_data(alerts),
    }
    screen.answer(
        data,
        *([Text("nothing was changed; this is what would be done", "dim")] if dry_run else []),
        text_table(_APPLIED, [_applied(each) for each in outcomes], width=screen.out.width),
        *_remarks(alerts),
    )


@app.command(name="list")
def list_alerts(*, file: File = None, json: AsJson = False) -> None:
    """List the alerts, where they go, and whether the server has them."""
    screen = CommandOutput.of(as_json=json)
    alerts = load_alerts(file or alert_file())
    with screen.waiting("Asking the server"):
        states, alerts = _on_the_server(alerts)
    rows = [
        (
            Text(name, "bold"),
            str(alert.severity),
            ", ".join(alerts.routed(alert)) or Text("nobody", "red"),
            states.get(name, NOTHING),
            _condition(alert),
        )
        for name, alert in alerts.alerts.items()
    ]
    data = {
        "alerts": [
            {
                "alert": name,
                "when": _condition(alert),
                "severity": str(alert.severity),
                "enabled": alert.enabled,
                "channels": alerts.routed(alert),
                "on_the_server": states.get(name),
            }
            for name, alert in alerts.alerts.items()
        ],
        **_channel_data(alerts),
    }
    screen.answer(data, text_table(_ALERTS, rows, width=screen.out.width), *_remarks(alerts))


@app.command(name="test")
def prove(*names: Names, file: File = None, wait: Wait = 60, json: AsJson = False) -> int:
    """Send a test of each alert through the server to its channels, and say which arrived."""
    screen = CommandOutput.of(as_json=json)
    alerts = load_alerts(file or alert_file())
    _refuse_unknown(names, alerts)
    with screen.waiting("Waiting for the server to send"):
        from deployments.alerts import apply_automations
        from deployments.alerts.send_test_alerts import try_alerts

        with _server() as client:
            alerts = apply_automations.known_to(client, alerts)
            ready = _ready(apply_automations.differences(client, alerts), names, alerts)
            trials = try_alerts(client, alerts, ready, seconds=wait)
    failed = [each for each in trials if each.seconds is None]
    data = {"failed": len(failed), "trials": trials, **_channel_data(alerts)}
    total = many(len(trials), "message")
    summary = (
        Text(f"{len(failed)} of {total} did not arrive", "bold red")
        if failed
        else Text(f"{total} sent", "green")
    )
    screen.answer(
        data,
        text_table(_TRIALS, [_trial(each) for each in trials], width=screen.out.width),
        *_remarks(alerts),
        summary,
    )
    return RetryableError.exit_code if failed else 0


def _server() -> SyncPrefectClient:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise SettingsError(
            where="Prefect",
            expected="a server whose automations send the alerts",
            found="no PREFECT_API_URL",
            next_step="Start one (prefect server start) and set PREFECT_API_URL.",
        )
    return get_client(sync_client=True)


def _on_the_server(alerts: AlertFile) -> tuple[dict[str, str], AlertFile]:
    """Whether the server has each alert, where there is a server."""
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        return {}, alerts
    from deployments.alerts import apply_automations

    labels = {"created": "no", "updated": "differs", "unchanged": "yes"}
    with _server() as client:
        outcomes = apply_automations.differences(client, alerts)
        alerts = apply_automations.known_to(client, alerts)
    changes = {each.name: str(each.change) for each in outcomes}
    by_alert = {name: changes.get(automation_name(name)) for name in alerts.alerts}
    return {name: labels.get(change or "", "no") for name, change in by_alert.items()}, alerts


def _ready(outcomes: Sequence[Applied], names: Sequence[str], alerts: AlertFile) -> dict[str, UUID]:
    """The automations to test; one that differs from the alert file proves nothing."""
    by_name = {each.name: each for each in outcomes}
    requested = names or [name for name, alert in alerts.alerts.items() if alerts.routed(alert)]
    automations = {name: by_name.get(automation_name(name)) for name in requested}
    silent = [name for name, each in automations.items() if each is None]
    if silent or not automations:
        raise SettingsError(
            where=f"the channels of {', '.join(silent) or 'the alert file'}",
            expected="at least one that is set up",
            found="; ".join(f"{name}: {why}" for name, why in alerts.off.items()) or "none",
            next_step="Set the variables, then strandline alerts apply.",
        )
    outdated = [
        name for name, each in automations.items() if each and str(each.change) != "unchanged"
    ]
    if outdated:
        raise SettingsError(
            where="the automations of the Prefect server",
            expected="those that the alert file says",
            found=f"others, or none, for {', '.join(outdated)}",
            next_step="strandline alerts apply",
        )
    disabled = [name for name in requested if not alerts.alerts[name].enabled]
    return {
        name: each.id
        for name, each in automations.items()
        if each is not None and each.id is not None and name not in disabled
    }


def _refuse_unknown(names: Sequence[str], alerts: AlertFile) -> None:
    for name in names:
        if name not in alerts.alerts:
            raise NotFoundError(
                where="the alert file",
                expected="an alert of that name",
                found=f"none named {name}; {did_you_mean(name, alerts.alerts)}",
                next_step="strandline alerts list",
            )


def _condition(alert: Alert) -> str:
    """What an alert waits for: its kind, and its options that differ from their defaults."""
    options = []
    for name, info in type(alert).model_fields.items():
        value = getattr(alert, name)
        if name in {"severity", "enabled", "when"} or value == info.default:
            continue
        plain = words(value) if isinstance(value, timedelta) else value
        listed = ", ".join(plain) if isinstance(plain, tuple) else plain
        options.append(f"{name.replace('_', ' ')} {listed}")
    return f"{alert.when}: {', '.join(options)}" if options else alert.when


def _channel_data(alerts: AlertFile) -> dict[str, object]:
    silent = [name for name, alert in alerts.alerts.items() if not alerts.routed(alert)]
    return {"channels_off": alerts.off, "silent": silent}


def _remarks(alerts: AlertFile) -> list[RenderableType]:
    """The channels that are off, and the alerts without a channel."""
    kept = {channel for channel, _ in alerts.kept}
    lines: list[RenderableType] = [
        Text(
            f"channel {name} is as the server has it: {why}"
            if name in kept
            else f"channel {name} is off: {why}",
            "dim",
        )
        for name, why in alerts.off.items()
    ]
    silent = [name for name, alert in alerts.alerts.items() if not alerts.routed(alert)]
    if silent:
        lines.append(Text(f"nobody hears of {', '.join(silent)}", "bold yellow"))
    return lines


def _applied(each: Applied) -> tuple[Text, Text, str]:
    style = {"created": "green", "updated": "yellow", "removed": "red"}.get(str(each.change), "dim")
    return Text(each.name, "bold"), Text(str(each.change), style), str(each.id or NOTHING)


def _trial(each: AlertTrial) -> tuple[Text, str, Text, str, str]:
    arrived = each.seconds is not None
    return (
        Text(each.alert, "bold"),
        each.channel,
        Text("sent", "green") if arrived else Text("failed", "bold red"),
        f"{each.seconds:.1f} s" if each.seconds is not None else NOTHING,
        each.reason,
    )
