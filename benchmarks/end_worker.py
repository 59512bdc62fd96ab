"""How a benchmark ends a worker: its input is closed, and if that is not enough, it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

__all__ = ["end_worker", "kill_worker"]


def end_worker(process: subprocess.Popen[str], *, seconds: float) -> None:
    """Close the worker's input, wait so long for it to end, and then kill it."""
    with suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_worker(process)


def kill_worker(process: subprocess.Popen[str]) -> None:
    """End the worker, which leads a session of its own, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
