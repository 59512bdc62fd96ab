"""CPU seconds of a process and of all that it started."""

from __future__ import annotations

import psutil


def cpu_seconds() -> float:
    """Of this process and those below it (its JVM, Python's workers), ended ones included."""
    seconds = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
