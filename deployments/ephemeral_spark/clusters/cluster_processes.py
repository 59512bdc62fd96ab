"""The processes of one cluster, found by a mark that all of them inherit.

Each cluster's processes, and those that they start, carry its token in their environment. So a
process is found whatever group, session or parent it has by now, and a process number that was
given away anew is never taken for it.
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
_PAUSE = 0.05
_TIMES_CLEAR = 2


def members(token: str, *, spare: tuple[int, ...] = ()) -> list[psutil.Process]:
    """The running processes that carry the token, but for those to be spared."""
    found = []
    for process in psutil.process_iter():
        if process.pid in spare:
            continue
        # Another user's process does not show its environment, and is none of ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_members(token: str, *, spare: tuple[int, ...] = ()) -> list[int]:
    """Kill every process of the cluster, until none is left.

    Returns:
        The numbers of those that could not be ended, normally none.
    """
    patience = time.monotonic() + _SECONDS_TO_END
    clear = 0
    # One that is just being started shows no environment yet, and is found the next time.
    while clear < _TIMES_CLEAR:
        left = members(token, spare=spare)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if left and time.monotonic() > patience:
            return [process.pid for process in left]
        clear = 0 if left else clear + 1
        time.sleep(_PAUSE)
    return []


def end_group(leader: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
