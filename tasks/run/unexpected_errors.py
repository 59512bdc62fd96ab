"""Unexpected exceptions, as an error that is reported, recorded and counted like any other.

Promise: the text of the exception, which may quote a cell, goes no further than here. Its trace,
types and code lines only, is kept in a file and in the log.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from prefect.logging import get_logger

from blocks.operating_system.owner_only_file import append_private
from contracts.errors import StrandlineError, UnexpectedError

P = ParamSpec("P")
R = TypeVar("R")

TRACES = "unexpected.log"
"""The file in the state directory that traces are appended to."""


@contextmanager
def map_unexpected_errors(where: str, state_directory: Path | None = None) -> Iterator[None]:
    """Let no exception out that is not one of `contracts.errors`.

    Args:
        where: The load, or a step of it.
        state_directory: Where the trace is kept; None: in the log alone.

    Raises:
        UnexpectedError: Something else was raised inside.
    """
    try:
        yield
    except StrandlineError:
        raise
    except Exception as error:  # noqa: BLE001 - the next table is loaded, whatever failed here
        # Not `from error`: its text would be printed with the traceback.
        raise unexpected_error(error, where, state_directory) from None


def without_unexpected_errors(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, directly below `@flow` or `@task`: Prefect keeps what it raises.

    Prefect reads the parameters of the decorated function, so that its types are resolved here,
    where they are known by name.

    Args:
        name: Of the flow or task.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        mapped = map_unexpected_errors(name)(function)
        mapped.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
        return mapped

    return decorate


def unexpected_error(
    error: BaseException, where: str, state_directory: Path | None = None
) -> UnexpectedError:
    """The error for the exception, whose trace is kept; see `map_unexpected_errors`."""
    trace = _trace(error)
    get_logger("strandline").error("%s: unexpected\n%s", where, trace)
    file = None if state_directory is None else _append(state_directory / TRACES, where, trace)
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" in {Path(frames[0].filename).name}, line {frames[0].lineno}" if frames else ""
    return UnexpectedError(
        where=where,
        expected="nothing but errors that Strandline knows",
        found=f"{type(error).__name__}{at}",
        next_step=f"Report it, with the trace in {file or 'the log'}; running again may help.",
    )


def _trace(error: BaseException) -> str:
    """The code lines and types of the exception and its causes, without their texts."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        frames = traceback.format_list(traceback.extract_tb(current.__traceback__))
        parts.append("".join(frames) + type(current).__name__)
        context = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or context
    return "\n\nraised while handling\n\n".join(parts)


def _append(path: Path, where: str, trace: str) -> Path | None:
    # The failure itself matters more than a trace of it that can't be written.
    with suppress(OSError):
        append_private(path, f"{datetime.now(UTC).isoformat()} {where}\n{trace}\n\n")
        return path
    return None
