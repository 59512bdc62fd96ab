"""Which processes use a shared server.

Promise: a process that has ended is never counted, not even when its number was given to another.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from blocks.private_file import write_private

__all__ = ["Users"]


@dataclass(frozen=True, slots=True)
class Users:
    """The list in `path`, to be read and changed under the server's lock only."""

    path: Path

    def add(self) -> None:
        """Count this process."""
        pid = os.getpid()
        users = self._alive()
        users[pid] = psutil.Process(pid).create_time()
        self._write(users)

    def remove(self) -> None:
        """Count this process no more."""
        users = self._alive()
        users.pop(os.getpid(), None)
        self._write(users)

    def any_alive(self) -> bool:
        """Whether somebody is left."""
        return bool(self._alive())

    def _alive(self) -> dict[int, float]:
        try:
            listed: dict[str, float] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {int(pid): since for pid, since in listed.items() if _is_alive(int(pid), since)}

    def _write(self, users: dict[int, float]) -> None:
        write_private(self.path, json.dumps(users))


def _is_alive(pid: int, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        # The clock that start times are reckoned from may be corrected meanwhile.
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - since) < 2  # noqa: PLR2004
    except psutil.NoSuchProcess:
        return False
