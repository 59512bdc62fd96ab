"""An alert file's content: channels, who gets messages of which severity, and the alerts.

Promise: a file that fits these models and has no dangling name compiles to Prefect automations.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from contracts.alerts.alert_time_windows import span

__all__ = [
    "FLOWS",
    "Alert",
    "AlertFile",
    "AnomalyBurst",
    "BackupStale",
    "Channel",
    "ChannelBase",
    "CheckFailureBurst",
    "CircuitOpen",
    "EmailChannel",
    "PagerDutyChannel",
    "QualityBelowThreshold",
    "RunCrashed",
    "RunFailed",
    "RunTooLong",
    "Severity",
    "SlackChannel",
    "TableStale",
    "WebhookChannel",
    "Zombie",
]

FLOWS = ("load-table", "load-tables", "upkeep", "maintain", "apply-retention", "back-up")
"""The flows that an alert watches by default: all that run on a schedule."""


class Severity(StrEnum):
    """How bad it is, which decides who gets the message."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


def _as_list(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Span = Annotated[timedelta, BeforeValidator(span)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]
Flows = Annotated[tuple[str, ...], Field(min_length=1)]
Targets = Annotated[tuple[str, ...], Field(min_length=1)]
HttpAddress = Annotated[str, Field(pattern=r"^https?://\S+$")]
SecretAddress = Annotated[SecretStr, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ChannelBase(_Part):
    """A receiver of messages; fields may be given as `{env: NAME}` or `{file: PATH}`."""


class EmailChannel(ChannelBase):
    """Messages by SMTP.

    `security` is `starttls` (port 587), `tls` (port 465) or `none` (port 25).
    """

    kind: Literal["email"]
    host: str = Field(min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str, Field(pattern=r"^\S+@\S+$")]
    to: Addresses


class SlackChannel(ChannelBase):
    """An incoming webhook of Slack, or of a service that takes Slack's messages."""

    kind: Literal["slack"]
    url: SecretAddress


class PagerDutyChannel(ChannelBase):
    """Incidents by PagerDuty's Events API, version 2."""

    kind: Literal["pagerduty"]
    routing_key: SecretAddress
    url: HttpAddress = "https://events.pagerduty.com/v2/enqueue"


class WebhookChannel(ChannelBase):
    """JSON by POST, with a bearer token where there is one."""

    kind: Literal["webhook"]
    url: HttpAddress
    token: SecretStr | None = None


Channel = Annotated[
    EmailChannel | SlackChannel | PagerDutyChannel | WebhookChannel, Field(discriminator="kind")
]


class _Alert(_Part):
    severity: Severity
    enabled: bool = True


class RunFailed(_Alert):
    """A run failed, for a reason that has no alert of its own."""

    when: Literal["run-failed"]
    flows: Flows = FLOWS


class RunCrashed(_Alert):
    """A run ended without being able to say why; one that somebody interrupted does not count."""

    when: Literal["run-crashed"]
    flows: Flows = FLOWS


class QualityBelowThreshold(_Alert):
    """A batch closed the gate of its contract and was not published."""

    when: Literal["quality-below-threshold"]


class CheckFailureBurst(_Alert):
    """Rows of one table failed checks `times` times within the span; once per span."""

    when: Literal["check-failure-burst"]
    times: int = Field(ge=2)
    within: Span


class AnomalyBurst(_Alert):
    """Unusual rows or figures of one table were found `times` times within the span."""

    when: Literal["anomaly-burst"]
    times: int = Field(ge=2)
    within: Span


class CircuitOpen(_Alert):
    """A source did not answer so often that runs leave it alone; once per source and span.

    Its incident is resolved, and the other channels are told, when the source answers again.
    """

    when: Literal["circuit-open"]
    at_most_every: Span = timedelta(hours=1)


class RunTooLong(_Alert):
    """A run is still in a phase after the span; `tag` limits it to runs that have it."""

    when: Literal["run-too-long"]
    phase: Literal["pending", "running"] = "running"
    after: Span
    tag: str | None = None
    flows: Flows = FLOWS


class TableStale(_Alert):
    """A table was not loaded for the span; once, until it is loaded again.

    `unless` says what counts: `loaded` means a load that found nothing new too.
    """

    when: Literal["table-stale"]
    after: Span
    tables: Targets
    unless: Literal["loaded", "published"] = "loaded"


class BackupStale(_Alert):
    """No backup of a lakehouse was made for the span; once, until one is made again."""

    when: Literal["backup-stale"]
    after: Span


class Zombie(_Alert):
    """A run is silent although it says that it runs: it is ended, then told."""

    when: Literal["zombie"]
    silent: Span = timedelta(minutes=10)
    flows: Flows = FLOWS


Alert = Annotated[
    RunFailed
    | RunCrashed
    | QualityBelowThreshold
    | CheckFailureBurst
    | AnomalyBurst
    | CircuitOpen
    | RunTooLong
    | TableStale
    | BackupStale
    | Zombie,
    Field(discriminator="when"),
]


class AlertFile(_Part):
    """Channels by name, their names by severity, and alerts by name.

    Attributes:
        off: Why a channel of the file is not set up here, by name; it is not among `channels`.
        kept: Channels that are off here, but that the server has the blocks of, by severity.
    """

    channels: dict[str, Channel]
    routes: dict[Severity, tuple[str, ...]]
    alerts: dict[str, Alert]
    off: dict[str, str] = Field(default_factory=dict)
    kept: frozenset[tuple[str, Severity]] = frozenset()

    def routed(self, alert: Alert) -> tuple[str, ...]:
        """The channels, of those that are set up, that an alert goes to."""
        return tuple(
            name
            for name in self.routes[alert.severity]
            if name in self.channels or (name, alert.severity) in self.kept
        )
