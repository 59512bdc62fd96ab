"""What may be said of why a run ended.

Promise: the text of an error leaves Prefect only where the error is one of Strandline's own, whose
messages carry no value of the data. Of any other, its kind is named.
"""

from __future__ import annotations

from contracts import errors

__all__ = ["ENDINGS", "EXCEPTION", "INTERRUPTED", "OWN_ERRORS", "kind_of", "sendable"]

OWN_ERRORS = (*errors.__all__, "TablesFailedError", "UpkeepFailedError")
"""Errors whose text may be sent on."""

EXCEPTION = "Flow run encountered an exception: "
"""How Prefect begins the message of a state that an exception led to."""

INTERRUPTED = "Execution was aborted by an interrupt signal."
"""What Prefect says where somebody pressed Ctrl-C."""

ENDINGS = ("Execution was ", "Process exited ", "Flow run exceeded timeout ")
"""How sentences begin that Prefect says itself, without a word of the data."""


def kind_of(message: str) -> str:
    """The name of the error that a state's message tells of; "" where it tells of none."""
    kind = message.removeprefix(EXCEPTION).partition(":")[0]
    return kind if kind.isidentifier() else ""


def sendable(message: str) -> str:
    """As much of a state's message as may be sent."""
    told = message.removeprefix(EXCEPTION)
    kind = kind_of(message)
    if kind in OWN_ERRORS or told.startswith(ENDINGS):
        return told
    return f"{kind}; the run's log has the rest" if kind else "The run's log says why"
