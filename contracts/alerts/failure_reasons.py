"""What a message may contain of the reason why a run ended.

Promise: the text of an error leaves Prefect only where the error is one of Strandline's own, whose
messages carry no value of the data. Of any other, only its kind leaves.
"""

from __future__ import annotations

from contracts import errors

__all__ = ["ENDINGS", "EXCEPTION", "INTERRUPTED", "OWN_ERRORS", "kind_of", "sendable"]

OWN_ERRORS = (
    *errors.__all__,
    *("MaintenanceFailedError", "RetentionFailedError", "TablesFailedError", "UpkeepFailedError"),
)
"""Errors whose text may be sent."""

EXCEPTION = "Flow run encountered an exception: "
"""How Prefect begins the message of a state that an exception led to."""

INTERRUPTED = "Execution was aborted by an interrupt signal."
"""Prefect's message after Ctrl-C."""

ENDINGS = ("Execution was ", "Process exited ", "Flow run exceeded timeout ")
"""Prefixes of Prefect's own messages, which contain nothing of the data."""


def kind_of(message: str) -> str:
    """The name of the error in a state's message; "" where it names none."""
    kind = message.removeprefix(EXCEPTION).partition(":")[0]
    return kind if kind.isidentifier() else ""


def sendable(message: str) -> str:
    """The part of a state's message that may be sent."""
    reason = message.removeprefix(EXCEPTION)
    kind = kind_of(message)
    if kind in OWN_ERRORS or reason.startswith(ENDINGS):
        return reason
    return f"{kind}; the run's log has the rest" if kind else "The run's log says why"
