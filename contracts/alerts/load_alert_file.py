"""From a YAML file to an `AlertFile`, with every problem of the file reported at once.

Promise: no value of a secret is in any message; a channel that is not set up on this machine is
reported as off and is no problem.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from contracts.alerts.alert_model import (
    Alert,
    AlertFile,
    ChannelBase,
    EmailChannel,
    PagerDutyChannel,
    Severity,
    SlackChannel,
    WebhookChannel,
)
from contracts.errors import SettingsError
from contracts.project.project_settings import SETTINGS, find_setting, project_folder
from contracts.yaml_reading.problem_report import Problem, Report, did_you_mean
from contracts.yaml_reading.yaml_parser import parse

__all__ = ["SHIPPED", "VARIABLE", "alert_file", "load_alerts", "problems"]

SHIPPED = Path(__file__).parent / "alerts.yaml"
"""The alerts that Strandline ships."""

VARIABLE = SETTINGS["alerts"].variable
"""Names the alert file; if set, it takes precedence over any other."""

_OWN = Path(".strandline/alerts.yaml")
"""Below the project's folder."""
_CHANNELS: Mapping[str, type[ChannelBase]] = {
    "email": EmailChannel,
    "slack": SlackChannel,
    "pagerduty": PagerDutyChannel,
    "webhook": WebhookChannel,
}
_COMPUTED = {"off", "kept"}  # fields that are never in the file
_KINDS: Mapping[str, type[Alert]] = {
    get_args(kind.model_fields["when"].annotation)[0]: kind for kind in get_args(get_args(Alert)[0])
}


@dataclass(slots=True)
class _Resolved:
    """Channels with their references replaced, and the references without a value."""

    channels: dict[str, object] = field(default_factory=dict)
    unset: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def off(self) -> dict[str, str]:
        """Why a channel is off, by its name."""
        return {
            name: f"{', '.join(variable for _, variable in references)} not set"
            for name, references in self.unset.items()
        }


def alert_file() -> Path:
    """The alert file of this machine: named by a setting, in `.strandline`, or shipped."""
    named = find_setting("alerts")
    if named.value:
        return named.path
    own = project_folder()[0] / _OWN
    return own if own.exists() else SHIPPED


def load_alerts(path: Path, environment: Mapping[str, str] | None = None) -> AlertFile:
    """The alerts in a file.

    Args:
        path: The file.
        environment: Where `{env: NAME}` is looked up; the process's environment by default.

    Raises:
        SettingsError: The file is missing, broken or contradicts itself; all problems are listed.
    """
    document, resolved, report = _read(path, os.environ if environment is None else environment)
    if report.problems or document is None:
        lines = "".join(f"\n  - {problem}" for problem in report.problems)
        count = len(report.problems)
        raise SettingsError(
            where=str(path),
            expected="an alert file without problems",
            found=f"{count} problem{'s' if count > 1 else ''}:{lines}\n",
            next_step="Correct the file; strandline alerts list reads it again.",
        )
    set_up = {name: each for name, each in resolved.channels.items() if name not in resolved.unset}
    return AlertFile.model_validate(document | {"channels": set_up, "off": resolved.off()})


def problems(path: Path, environment: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with an alert file; empty when nothing is.

    Raises:
        SettingsError: There is no such file, or it can't be read.
    """
    return tuple(_read(path, os.environ if environment is None else environment)[2].problems)


def _read(
    path: Path, environment: Mapping[str, str]
) -> tuple[dict[str, object] | None, _Resolved, Report]:
    report, resolved = Report(path.name), _Resolved()
    document = parse(_text(path), report, start="channels:")
    if document is None:
        return None, resolved, report
    non_text = list(_non_text_keys(document, ""))
    for key_path in non_text:
        report.add(key_path, "a key has to be text", "put it in quotes")
    if non_text:
        return document, resolved, report
    for key in _COMPUTED & set(document):
        report.add(key, "unknown key")
    channels = document.get("channels")
    for name, channel in channels.items() if isinstance(channels, dict) else ():
        where = f"channels.{name}"
        context = _Context(where, path.parent, environment, report)
        resolved.channels[name] = _resolve(name, channel, context, resolved)
    complete = document | ({"channels": resolved.channels} if isinstance(channels, dict) else {})
    for problem in _misfits(complete, resolved):
        report.add(*problem)
    for problem in _dangling(document):
        report.add(*problem)
    return document, resolved, report


def _non_text_keys(document: object, path: str) -> Iterator[str]:
    """Paths of keys that YAML reads as numbers or as true and false, such as on."""
    parts = document.items() if isinstance(document, dict) else ()
    for key, part in parts:
        here = f"{path}.{key}" if path else str(key)
        if isinstance(key, str):
            yield from _non_text_keys(part, here)
        else:
            yield here


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a channel's references are looked up, and the report of its problems."""

    path: str
    folder: Path
    environment: Mapping[str, str]
    report: Report


def _resolve(name: str, channel: object, context: _Context, resolved: _Resolved) -> object:
    """The channel with its references replaced by their values."""
    kind = _CHANNELS.get(str(channel.get("kind"))) if isinstance(channel, dict) else None
    if kind is None or not isinstance(channel, dict):
        return channel
    fields: dict[str, object] = {}
    for key, value in channel.items():
        info = kind.model_fields.get(key)
        if info is None:  # unknown: the model reports it
            fields[key] = value
            continue
        if isinstance(value, dict) and len(value) == 1 and set(value) <= {"env", "file"}:
            text = _looked_up(key, value, context)
            if text:
                fields[key] = text
            elif info.is_required() and "env" in value:
                resolved.unset.setdefault(name, []).append((key, str(value["env"])))
            continue
        if _is_secret(info.annotation):
            context.report.add(
                f"{context.path}.{key}",
                "a secret is named here, never written",
                "{env: NAME} or {file: PATH}",
            )
            fields[key] = "written"
            continue
        fields[key] = value
    return fields


def _looked_up(key: str, reference: Mapping[str, object], context: _Context) -> str | None:
    [(origin, name)] = reference.items()
    if origin == "env":
        return context.environment.get(str(name))
    try:
        return (context.folder / str(name)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"the file {name} can't be read ({type(error).__name__})"
        context.report.add(f"{context.path}.{key}.file", message, "write it, or name another")
        return "unread"


def _is_secret(annotation: object) -> bool:
    return any(
        each is SecretStr or _is_secret(each)
        for each in (annotation, *get_args(annotation))
        if each is not annotation or each is SecretStr
    )


def _misfits(document: dict[str, object], resolved: _Resolved) -> Iterator[tuple[str, str, str]]:
    """The errors of the models, each as path, message and suggestion."""
    excused = {
        ("channels", name, key)
        for name, references in resolved.unset.items()
        for key, _ in references
    }
    try:
        AlertFile.model_validate(
            {key: each for key, each in document.items() if key not in _COMPUTED}
        )
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            steps = _steps(detail, document)
            if detail["type"] == "missing" and steps in excused:
                continue
            yield _path(steps), *_message(detail, steps, document)


def _steps(detail: ErrorDetails, document: object) -> tuple[str | int, ...]:
    """The keys and positions that lead to an error, without pydantic's names of union members."""
    steps: list[str | int] = []
    here: Any = document
    for position, step in enumerate(detail["loc"]):
        inside = (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        )
        last = position == len(detail["loc"]) - 1
        if inside:
            here = here[step]
        elif not (last and detail["type"] == "missing"):
            continue
        steps.append(step)
    return tuple(steps)


def _path(steps: tuple[str | int, ...]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _message(detail: ErrorDetails, steps: tuple[str | int, ...], document: Any) -> tuple[str, str]:
    if detail["type"] == "extra_forbidden":
        return "unknown key", did_you_mean(str(steps[-1]), _allowed_keys(steps, document))
    if detail["type"] == "missing":
        return "is missing", ""
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        choice, options = ("kind", _CHANNELS) if steps[0] == "channels" else ("when", _KINDS)
        value = document[steps[0]][steps[1]].get(choice)
        return f"{choice} must say what it is", did_you_mean(str(value or ""), options)
    if detail["type"] in ("model_attributes_type", "model_type", "dict_type"):
        return "must be a mapping", ""
    return detail["msg"].removeprefix("Value error, "), ""


def _allowed_keys(steps: tuple[str | int, ...], document: Any) -> list[str]:
    """The keys that are allowed at the last step."""
    if len(steps) == 1:
        return [name for name in AlertFile.model_fields if name not in _COMPUTED]
    part = document[steps[0]][steps[1]]
    if steps[0] == "channels":
        return list(_CHANNELS[part["kind"]].model_fields)
    return list(_KINDS[part["when"]].model_fields)


def _dangling(document: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """References to names that are not defined in the file."""
    channels, routes, alerts = (
        each if isinstance(each := document.get(key), dict) else {}
        for key in ("channels", "routes", "alerts")
    )
    for severity, names in routes.items():
        for position, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in channels:
                yield (
                    f"routes.{severity}[{position}]",
                    f"no channel {name}",
                    _guess(name, channels),
                )
        if isinstance(names, list) and len({*map(str, names)}) < len(names):
            yield f"routes.{severity}", "names a channel twice", "each gets one message"
    for name, alert in alerts.items():
        severity = alert.get("severity") if isinstance(alert, dict) else None
        if severity in list(Severity) and severity not in routes:
            yield (
                f"alerts.{name}.severity",
                f"no route for {severity}",
                _guess(severity, routes),
            )


def _guess(word: str, known: Mapping[str, object]) -> str:
    return did_you_mean(word, [str(name) for name in known])


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            where=str(path),
            expected="an alert file that can be read",
            found=type(error).__name__,
            next_step=f"Correct the path, or {VARIABLE}.",
        ) from error
