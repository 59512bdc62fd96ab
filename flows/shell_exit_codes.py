"""A flow from the shell: `python -m flows.NAME ...` ends with the exit codes of the command line.

An error is printed as one paragraph on standard error, without a trace.
"""

from __future__ import annotations

import logging
import sys
from typing import ParamSpec, TypeVar

from prefect import Flow
from prefect.exceptions import ParameterBindError, ParameterTypeError

from contracts.errors import StrandlineError, UsageError
from tasks.run.unexpected_errors import map_unexpected_errors

P = ParamSpec("P")
R = TypeVar("R")


def exit_code(flow: Flow[P, R], *args: P.args, **kwargs: P.kwargs) -> int:
    """Run the flow with these arguments: 0, or the exit code of the error that ended it."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_trace)
    try:
        with map_unexpected_errors(flow.name):
            _run(flow, *args, **kwargs)
    except StrandlineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - of a command
        return error.exit_code
    return 0


def _run(flow: Flow[P, R], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        flow(*args, **kwargs)
    except (ParameterBindError, ParameterTypeError):
        given = " ".join(str(each) for each in args)
        raise UsageError(
            where=f"python -m {flow.fn.__module__} {given}".strip(),
            expected=f"the parameters {', '.join(flow.parameters.properties)}, in this order",
            found="others",
            next_step="Name a contract, as `strandline contracts list` shows it.",
        ) from None


def _without_trace(record: logging.LogRecord) -> bool:
    """Drop the trace of an error that the library raised on purpose: it helps no reader."""
    if record.exc_info and isinstance(record.exc_info[1], StrandlineError):
        record.exc_info = None
    return True
