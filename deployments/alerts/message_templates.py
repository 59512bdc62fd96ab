"""The message of each alert, as templates that the Prefect server renders.

Promise: a message has the numbers, a link and the next command, and no text that could quote a
cell: it includes the text of an error only where the error is one of Strandline's own, whose
messages carry no value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch

from contracts.alerts import event_names as names
from contracts.alerts.alert_model import (
    Alert,
    AnomalyBurst,
    BackupStale,
    CheckFailureBurst,
    CircuitOpen,
    QualityBelowThreshold,
    RunCrashed,
    RunFailed,
    RunTooLong,
    TableStale,
    Zombie,
)
from contracts.alerts.alert_time_windows import words
from contracts.alerts.failure_reasons import ENDINGS, EXCEPTION, OWN_ERRORS

__all__ = ["Message", "answer_message", "message_of", "subject_of"]


@dataclass(frozen=True, slots=True)
class Message:
    """Templates in Jinja, as Prefect's action `send-notification` takes them."""

    subject: str
    body: str


def message_of(name: str, alert: Alert, pages: str) -> Message:
    """The message of an alert; a test message says that it is a test.

    `pages` is the address of the server's pages: the server itself may not know the name under
    which clients reach it.
    """
    subject, lines = _subject_and_lines(alert)
    test = f"event.event == '{names.ALERT_TEST}'"
    head = f"{{% set pages = '{pages.rstrip('/')}' %}}{{% if {test} %}}"
    test_lines = (
        "Nothing happened: somebody typed `strandline alerts test`.",
        f"If it had been real, {name} would have told you here.",
    )
    origin = (
        f"Alert: {name}, {{{{ pages }}}}/automations/automation/{{{{ automation.id }}}}",
        "Event: {{ event.id }}",
    )
    text = f"{_joined(test_lines)}{{% else %}}{_joined(lines)}{{% endif %}}"
    return Message(
        subject=f"{{% if {test} %}}TEST: {name} ({alert.severity}){{% else %}}"
        f"{alert.severity}: {subject}{{% endif %}}",
        body=f"{head}{_joined((text, *origin))}",
    )


def subject_of(alert: Alert) -> str:
    """The subject of a message that is no test, by which PagerDuty knows the incident."""
    return f"{alert.severity}: {_subject_and_lines(alert)[0]}"


def answer_message(name: str, pages: str) -> Message:
    """The message that a source answers again."""
    lines = (
        (
            "Its circuit is closed; it had been open since {{ event.payload.since }} UTC, after "
            "{{ event.payload.failures }} failure(s) in a row."
        ),
        "Found by: {{ event.payload.contract }}. The next run of each table reads what is missing.",
        f"Alert: {name}, {pages.rstrip('/')}/automations/automation/{{{{ automation.id }}}}",
        "Event: {{ event.id }}",
    )
    return Message("info: {{ event.resource.name }}: the source answers again", _joined(lines))


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines)


_RUN = "{{ flow.name }}, run {{ flow_run.name }}"
_LINK = "Run: {{ pages }}/runs/flow-run/{{ flow_run.id }}"
_LOGS = "Next: prefect flow-run logs {{ flow_run.id }}"
_TIMES = (
    "It began {{ flow_run.start_time|string|truncate(19, true, '', 0) }} UTC and took "
    "{{ flow_run.estimated_run_time.total_seconds()|round(1) }} s in {{ flow_run.run_count }} "
    "attempt(s)."
)
_OWN = ", ".join(f"'{kind}'" for kind in OWN_ERRORS)
_ENDINGS = " or ".join(f"told.startswith('{words}')" for words in ENDINGS)
# `contracts.alerts.failure_reasons.sendable` as a template.
_REASON = (
    f"{{% set told = flow_run.state.message|string|replace('{EXCEPTION}', '', 1) %}}"
    "{% set kind = told.split(':')[0] %}"
    f"{{% if kind in [{_OWN}] or {_ENDINGS} %}}{{{{ told }}}}"
    "{% elif kind.isidentifier() %}{{ kind }}; the run's log has the rest"
    "{% else %}The run's log says why{% endif %}"
)


@singledispatch
def _subject_and_lines(alert: Alert) -> tuple[str, tuple[str, ...]]:
    """The subject, and the lines of the body."""
    # A kind that has no message here; tests/shape/test_kinds.py checks each kind.
    message = f"no words for {type(alert).__name__}"
    raise NotImplementedError(message)


@_subject_and_lines.register
def _run_failed(_: RunFailed) -> tuple[str, tuple[str, ...]]:
    return f"{_RUN}, failed", (_REASON, _TIMES, _LINK, _LOGS)


@_subject_and_lines.register
def _run_crashed(_: RunCrashed) -> tuple[str, tuple[str, ...]]:
    return f"{_RUN}, crashed", (
        _REASON,
        _TIMES,
        "Nothing half done is visible; the next run clears it away.",
        _LINK,
        _LOGS,
    )


@_subject_and_lines.register
def _quality(_: QualityBelowThreshold) -> tuple[str, tuple[str, ...]]:
    return "{{ event.resource.name }}: a batch was not published", (
        (
            "Batch {{ event.payload.batch_id }} scored {{ event.payload.score }}; "
            "at least {{ event.payload.threshold }} is wanted. {{ event.payload.reasons }}."
        ),
        (
            "Rows read {{ event.payload.rows_read }}, refused {{ event.payload.rows_refused }}; "
            "checks with failures {{ event.payload.checks_failed }}."
        ),
        _LINK,
        "Next: strandline quarantine {{ event.payload.contract }}",
    )


@_subject_and_lines.register
def _check_failures(alert: CheckFailureBurst) -> tuple[str, tuple[str, ...]]:
    return "{{ event.resource.name }}: a burst of failed checks", (
        f"{alert.times} times within {words(alert.within)} a check of this table failed.",
        (
            "The last was {{ event.payload.check }}: {{ event.payload.failed }} of "
            "{{ event.payload.evaluated }} rows, batch {{ event.payload.batch_id }}."
        ),
        _LINK,
        "Next: strandline quarantine {{ event.payload.contract }}",
    )


@_subject_and_lines.register
def _anomalies(alert: AnomalyBurst) -> tuple[str, tuple[str, ...]]:
    return "{{ event.resource.name }}: a burst of anomalies", (
        f"{alert.times} times within {words(alert.within)} this table had something unusual.",
        (
            "The last was {{ event.payload.check }}: {{ event.payload.failed }} of "
            "{{ event.payload.evaluated }} rows, batch {{ event.payload.batch_id }}."
        ),
        _LINK,
        "Next: strandline report {{ event.payload.contract }}",
    )


@_subject_and_lines.register
def _circuit(_: CircuitOpen) -> tuple[str, tuple[str, ...]]:
    return "{{ event.resource.name }}: the source does not answer", (
        (
            "{{ event.payload.failures }} failure(s) in a row, the last one in "
            "{{ event.payload.contract }}: {{ event.payload.reason }}."
        ),
        (
            "Runs leave it alone since {{ event.payload.since }} UTC; the first one after "
            "{{ event.payload.next_probe }} UTC tries it. The next that gets an answer reads what "
            "is missing."
        ),
        _LINK,
        "Next: see that the database runs, then strandline source status {{ event.resource.name }}",
    )


@_subject_and_lines.register
def _too_long(alert: RunTooLong) -> tuple[str, tuple[str, ...]]:
    what, since = {
        "running": ("still running", "It began to run"),
        "pending": ("does not start", "It was handed out"),
    }[alert.phase]
    return f"{_RUN}, {what} after {words(alert.after)}", (
        (
            f"{since} {{{{ event.occurred|string|truncate(19, true, '', 0) }}}} UTC, more than "
            f"{words(alert.after)} ago."
        ),
        _LINK,
        (
            "Next: prefect flow-run logs {{ flow_run.id }}; to end it, "
            "prefect flow-run cancel {{ flow_run.id }}"
        ),
    )


@_subject_and_lines.register
def _stale(alert: TableStale) -> tuple[str, tuple[str, ...]]:
    counts = "published" if alert.unless == "published" else "loaded"
    return f"{{{{ event.resource.name }}}}: not {counts} for {words(alert.after)}", (
        (
            f"The last that is known of it is {{{{ event.event }}}} at "
            "{{ event.occurred|string|truncate(19, true, '', 0) }} UTC"
            f"{{% if event.event == '{names.TABLE_WATCHED}' %}}, when it was first watched"
            "{% else %}, batch {{ event.payload.batch_id }}{% endif %}."
        ),
        (
            "{% if flow_run %}That run: {{ pages }}/runs/flow-run/{{ flow_run.id }}"
            "{% else %}No run has loaded it yet."
            "{% endif %}"
        ),
        "Next: strandline run {{ event.payload.contract }}",
    )


@_subject_and_lines.register
def _backup(alert: BackupStale) -> tuple[str, tuple[str, ...]]:
    return f"{{{{ event.resource.name }}}}: no backup for {words(alert.after)}", (
        (
            "The newest is {{ event.payload.backup }}, made "
            "{{ event.occurred|string|truncate(19, true, '', 0) }} UTC."
        ),
        "What is lost of catalog and keys now is lost since then.",
        "Next: strandline backup",
    )


@_subject_and_lines.register
def _zombie(alert: Zombie) -> tuple[str, tuple[str, ...]]:
    return f"{_RUN}, gave no sign of life for {words(alert.silent)}", (
        (
            "It was set to Crashed (Zombie).{% if flow_run.infrastructure_pid %} If its process "
            "lives after all, end it: {{ flow_run.infrastructure_pid }}.{% endif %}"
        ),
        _TIMES,
        _LINK,
        "Next: strandline status, then run it again",
    )
