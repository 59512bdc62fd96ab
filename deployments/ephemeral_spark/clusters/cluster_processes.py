"""The processes of one cluster, found by a mark that all of them inherit.

Each cluster's processes, and those that they start, carry its token in their environment. So a
process is found whatever group, session or parent it has by now, and a reused process number is
never mistaken for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil

__all__ = ["MARK", "end_group", "end_members", "members"]

MARK = "STRANDLINE_CLUSTER"
"""The environment variable that holds the token."""

_SECONDS_TO_END = 10.0
_POLL_SECONDS = 0.05
_EMPTY_PASSES = 2


def members(token: str, *, spare: tuple[int, ...] = ()) -> list[psutil.Process]:
    """The running processes that carry the token, except those whose numbers are in `spare`."""
    processes = []
    for process in psutil.process_iter():
        if process.pid in spare:
            continue
        # Another user's process does not show its environment, and is not of the cluster.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == token and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
    return processes


def end_members(token: str, *, spare: tuple[int, ...] = ()) -> list[int]:
    """Kill every process of the cluster, until none remains.

    Returns:
        The numbers of the processes that could not be ended, normally none.
    """
    deadline = time.monotonic() + _SECONDS_TO_END
    empty_passes = 0
    # A process that is just starting shows no environment yet; the next pass finds it.
    while empty_passes < _EMPTY_PASSES:
        remaining = members(token, spare=spare)
        for process in remaining:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if remaining and time.monotonic() > deadline:
            return [process.pid for process in remaining]
        empty_passes = 0 if remaining else empty_passes + 1
        time.sleep(_POLL_SECONDS)
    return []


def end_group(leader: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process group, if it still exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
