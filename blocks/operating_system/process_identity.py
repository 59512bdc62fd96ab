"""A process told apart from a later one that was given its number.

Promise: neither a clock that is set meanwhile nor a restart of the machine makes one process look
like another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

__all__ = ["ProcessIdentity"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE = 2.0  # the system tells the moment of its boot in whole seconds


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this machine.

    As text, which `read` understands, it goes into files, their names and arguments.

    Attributes:
        pid: Its number.
        started: Seconds from the machine's boot to its start.
        boot: Which boot that was; empty where the system has no name for it.
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
        """What `str` wrote.

        Raises:
            ValueError: It did not write that.
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
            found = psutil.Process(self.pid)
            same = abs(_started(found) - self.started) < _TOLERANCE
            runs = same and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if runs else None

    def runs(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self.process() is not None


def _started(process: psutil.Process) -> float:
    # Both are reckoned from the clock as it is now: their difference does not follow it.
    return process.create_time() - psutil.boot_time()


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
