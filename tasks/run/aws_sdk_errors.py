"""What AWS's SDK for Java raised inside of Spark, as an error that says what to do next.

Promise: of the SDK's text only its code, its status and the name of a missing right are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from py4j.protocol import Py4JError

from blocks.aws.aws_refusals import AwsRefusal, refusal_of
from contracts.errors import LakehouseUnavailableError, SettingsError, StrandlineError

__all__ = ["sdk_error"]

# "Access Denied (Service: S3, Status Code: 403, Request ID: ...)": AwsServiceException.getMessage.
_ANSWER = re.compile(
    r"\b(?P<kind>[A-Z]\w{0,80}Exception): (?P<text>(?:(?!Exception: )[^\n]){0,1000}?)"
    r" \(Service: (?P<service>[A-Za-z0-9 ]{1,40}), Status Code: (?P<status>\d{3})"
)
_NO_CREDENTIALS = re.compile(r"Unable to load credentials from any of the providers")
_NO_REGION = re.compile(r"Unable to load region from any of the providers")
_PACKAGE = "software.amazon.awssdk."


def sdk_error(
    causes: Iterable[Any], text: str, *, where: str, state: str
) -> StrandlineError | None:
    """The error for what AWS answered; None: it was not AWS.

    Args:
        causes: The exception of the JVM and its causes; none over Spark Connect.
        text: What Spark says, with the exceptions of its executors.
        where: The step.
        state: What was published meanwhile.
    """
    found = _of_causes(causes) or _of_text(text)
    if found is not None:
        service, meaning = found
        kind = LakehouseUnavailableError if meaning.passes else SettingsError
        return kind(
            where=where,
            expected=f"an answer of AWS {service}"
            if meaning.passes
            else f"AWS {service} to allow it",
            found=meaning.found,
            next_step=f"{meaning.next_step} {state}",
        )
    if _NO_CREDENTIALS.search(text) or _NO_REGION.search(text):
        return SettingsError(
            where=where,
            expected="AWS credentials and a region, in the lakehouse's block or in AWS's own chain",
            found="no credentials" if _NO_CREDENTIALS.search(text) else "no region",
            next_step=f"Name them in the block, or give the machine a role. {state}",
        )
    return None


def _of_causes(causes: Iterable[Any]) -> tuple[str, AwsRefusal] | None:
    """The service and the meaning of the first exception of AWS among them."""
    for cause in causes:
        if not str(cause.getClass().getName()).startswith(_PACKAGE):
            continue
        try:
            details = cause.awsErrorDetails()
            status = int(cause.statusCode())
        except Py4JError:
            continue  # of the client itself, such as a connection that was not made
        if details is None:
            return "S3", refusal_of(str(cause.getClass().getSimpleName()), status)
        code = str(details.errorCode() or cause.getClass().getSimpleName())
        message = str(details.errorMessage() or "")
        return str(details.serviceName()), refusal_of(code, status, message)
    return None


def _of_text(text: str) -> tuple[str, AwsRefusal] | None:
    found = _ANSWER.search(text)
    if found is None:
        return None
    return found["service"], refusal_of(found["kind"], int(found["status"]), found["text"])
