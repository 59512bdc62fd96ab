"""What nobody foresaw, as an error that is told, recorded and counted like any other.

Promise: what the exception itself says, which may quote a cell, goes no further than here. Its
trace, kinds and places only, is kept in a file and in the log.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prefect.logging import get_logger

from blocks.operating_system.owner_only_file import append_private
from contracts.errors import StrandlineError, UnexpectedError

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
    except Exception as error:  # noqa: BLE001 - the next table is loaded, whatever this one met
        # Not `from error`: its text would be printed with the traceback.
        raise unexpected_error(error, where, state_directory) from None


def unexpected_error(
    error: BaseException, where: str, state_directory: Path | None = None
) -> UnexpectedError:
    """The error that stands for the exception, whose trace is kept; see `foreseen`."""
    trace = _trace(error)
    get_logger("strandline").error("%s: unexpected\n%s", where, trace)
    kept = None if state_directory is None else _kept(state_directory / TRACES, where, trace)
    place = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" in {Path(place[0].filename).name}, line {place[0].lineno}" if place else ""
    return UnexpectedError(
        where=where,
        expected="nothing but errors that Strandline knows",
        found=f"{type(error).__name__}{at}",
        next_step=f"Report it, with the trace in {kept or 'the log'}; running again may help.",
    )


def _trace(error: BaseException) -> str:
    """The places that the exception and those behind it came by, without a word of theirs."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        frames = traceback.format_list(traceback.extract_tb(seen.__traceback__))
        parts.append("".join(frames) + type(seen).__name__)
        behind = None if seen.__suppress_context__ else seen.__context__
        seen = seen.__cause__ or behind
    return "\n\nraised while handling\n\n".join(parts)


def _kept(path: Path, where: str, trace: str) -> Path | None:
    # The failure itself matters more than a trace of it that can't be written.
    with suppress(OSError):
        append_private(path, f"{datetime.now(UTC).isoformat()} {where}\n{trace}\n\n")
        return path
    return None
