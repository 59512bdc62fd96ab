"""Alert channels as notification blocks that a Prefect server loads without our package.

Promise: only block types that Prefect itself ships. Blocks of an integration, such as
`EmailServerCredentials`, and blocks of our own can't be loaded by the process that runs an
automation's actions, unless they are installed with it; on Prefect Cloud they never are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from urllib.parse import quote, urlencode

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.types import SecretDict
from pydantic import SecretStr

from contracts.alerts.alert_model import (
    ChannelBase,
    EmailChannel,
    PagerDutyChannel,
    Severity,
    SlackChannel,
    WebhookChannel,
)

__all__ = [
    "BLOCK_PREFIX",
    "block_of",
    "document_name",
    "resolving_block_of",
    "resolving_document_name",
    "send",
]

BLOCK_PREFIX = "strandline-alert-"
"""Prefix of the names of our block documents."""

_MODES = {"none": "insecure", "starttls": "starttls", "tls": "ssl"}
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


def document_name(channel: str, severity: Severity) -> str:
    """The name of a channel's block for messages of a severity: lower case, digits, dashes."""
    plain = "".join(c if c.isalnum() else "-" for c in channel.lower())
    return f"{BLOCK_PREFIX}{plain}-{severity}"


def resolving_document_name(channel: str, severity: Severity) -> str:
    """The name of the block that resolves a channel's incidents of a severity."""
    return f"{document_name(channel, severity)}-resolved"


def send(block: NotificationBlock, *, subject: str, body: str) -> None:
    """Send a message, and return once it is accepted or refused.

    Raises:
        NotificationError: It is refused; other errors are those of the sending library.
    """
    notify: Callable[..., object] = block.notify
    with block.raise_on_failure():
        notify(subject=subject, body=body, _sync=True)


@singledispatch
def block_of(channel: ChannelBase, severity: Severity) -> NotificationBlock:
    """The block that sends a channel's messages, with the severity if the receiver has one."""
    # A kind that is only in the model; tests/shape/test_kinds.py tests each of them.
    message = f"no block for {type(channel).__name__} of {severity}"
    raise NotImplementedError(message)


@block_of.register
def _email(channel: EmailChannel, severity: Severity) -> NotificationBlock:
    """Apprise sends by SMTP.

    None of Prefect's types is named after e-mail by SMTP; this one passes any address to Apprise
    that is not one of Slack's own.
    """
    del severity
    login = ""
    if channel.user is not None:
        password = channel.password.get_secret_value() if channel.password else ""
        login = f"{quote(channel.user, safe='')}:{quote(password, safe='')}@"
    scheme = "mailto" if channel.security == "none" else "mailtos"
    port = channel.port or _PORTS[channel.security]
    options = urlencode(
        {
            "smtp": channel.host,
            "mode": _MODES[channel.security],
            "from": channel.sender,
            "to": ",".join(channel.to),
            "format": "text",
        }
    )
    return SlackWebhook(url=SecretStr(f"{scheme}://{login}{channel.host}:{port}?{options}"))


@block_of.register
def _slack(channel: SlackChannel, severity: Severity) -> NotificationBlock:
    del severity
    return CustomWebhookNotificationBlock(
        name="slack",
        url="{{url}}",
        json_data={"text": "*{{subject}}*\n{{body}}"},
        secrets=SecretDict({"url": channel.url.get_secret_value()}),
    )


@block_of.register
def _pagerduty(channel: PagerDutyChannel, severity: Severity) -> NotificationBlock:
    """Events of one subject join one incident, so that a failure an hour is one incident."""
    return CustomWebhookNotificationBlock(
        name="pagerduty",
        url=channel.url,
        json_data={
            "routing_key": "{{routing_key}}",
            "event_action": "trigger",
            "dedup_key": "{{subject}}",
            "payload": {
                "summary": "{{subject}}",
                "source": "strandline",
                "severity": str(severity),
                "custom_details": {"message": "{{body}}"},
            },
        },
        secrets=SecretDict({"routing_key": channel.routing_key.get_secret_value()}),
    )


def resolving_block_of(channel: ChannelBase) -> NotificationBlock | None:
    """The block that resolves the incident of a subject; None: the receiver has no incidents."""
    if not isinstance(channel, PagerDutyChannel):
        return None
    return CustomWebhookNotificationBlock(
        name="pagerduty",
        url=channel.url,
        json_data={
            "routing_key": "{{routing_key}}",
            "event_action": "resolve",
            "dedup_key": "{{subject}}",
        },
        secrets=SecretDict({"routing_key": channel.routing_key.get_secret_value()}),
    )


@block_of.register
def _webhook(channel: WebhookChannel, severity: Severity) -> NotificationBlock:
    secret = {"token": channel.token.get_secret_value()} if channel.token else {}
    return CustomWebhookNotificationBlock(
        name="webhook",
        url=channel.url,
        json_data={
            "subject": "{{subject}}",
            "message": "{{body}}",
            "severity": str(severity),
            "source": "strandline",
        },
        headers={"Authorization": "Bearer {{token}}"} if secret else None,
        secrets=SecretDict(secret),
    )
