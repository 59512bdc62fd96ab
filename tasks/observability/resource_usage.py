"""What a run uses of this machine: memory and CPU of the process and everything it started."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psutil

_SECONDS_BETWEEN = 0.5
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """`memory_mb` is the peak of resident memory, `cpu_percent` 100 per busy core."""

    memory_mb: float
    cpu_percent: float


class UsageWatch:
    """Samples the process tree twice a second until `result` is called."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._peak = 0.0
        self._began = time.monotonic()
        self._cpu = self._cpu_seconds()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="usage", daemon=True)
        self._thread.start()

    def result(self) -> Usage:
        """Stop sampling; the usage since this watch was made."""
        self._stop.set()
        self._thread.join()
        seconds = max(time.monotonic() - self._began, 1e-6)
        busy = max(self._cpu_seconds() - self._cpu, 0.0)
        return Usage(round(self._peak, 1), round(100.0 * busy / seconds, 1))

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, self._resident())
            if self._stop.wait(_SECONDS_BETWEEN):
                return

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _resident(self) -> float:
        total = 0.0
        for process in self._tree():
            try:
                total += process.memory_info().rss / _MEGABYTE
            except psutil.NoSuchProcess:  # it ended between listing and sampling
                continue
        return total

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._tree():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total
