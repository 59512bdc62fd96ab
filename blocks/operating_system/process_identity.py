"""The identity of a process, which a later process with the same number does not share.

Promise: neither a clock change nor a restart of the machine makes one process look like another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

__all__ = ["ProcessIdentity"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE = 2.0  # the system reports the time of its boot in whole seconds


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this machine.

    Files, file names and arguments contain it as text, which `read` parses.

    Attributes:
        pid: Its number.
        started: Seconds from the machine's boot to its start.
        boot: The id of that boot; empty where the system has none.
    """

    pid: int
    started: float
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of a running process.

        Raises:
            psutil.NoSuchProcess: None has this number.
        """
        return cls(pid, _started(psutil.Process(pid)), _boot())

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse what `str` wrote.

        Raises:
            ValueError: `str` did not write the text.
        """
        pid, started, boot = text.split("-", maxsplit=2)
        return cls(int(pid), float(started), boot)

    def __str__(self) -> str:
        """Without a space, so that it may be part of a path."""
        return f"{self.pid}-{self.started:.2f}-{self.boot}"

    def process(self) -> psutil.Process | None:
        """The process, if it still runs; a zombie does not."""
        if self.boot != _boot():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(_started(process) - self.started) < _TOLERANCE
            runs = same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if runs else None

    def runs(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self.process() is not None


def _started(process: psutil.Process) -> float:
    # Both follow the current clock: their difference does not.
    return process.create_time() - psutil.boot_time()


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
