"""Which processes use a shared server.

Promise: a process that has ended is never counted, not even when another has its number now.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blocks.operating_system.owner_only_file import write_private
from blocks.operating_system.process_identity import ProcessIdentity

__all__ = ["Users"]


@dataclass(frozen=True, slots=True)
class Users:
    """The list in `path`, to be read and changed under the server's lock only."""

    path: Path

    def add(self) -> None:
        """Count this process."""
        self._write([*self._others(), ProcessIdentity.of(os.getpid())])

    def remove(self) -> None:
        """Stop counting this process."""
        self._write(self._others())

    def any_alive(self) -> bool:
        """Whether any process still uses the server."""
        return bool(self._alive())

    def _others(self) -> list[ProcessIdentity]:
        return [each for each in self._alive() if each.pid != os.getpid()]

    def _alive(self) -> list[ProcessIdentity]:
        try:
            listed = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        users = []
        for text in listed:
            with suppress(ValueError):  # of another release, which has ended
                users.append(ProcessIdentity.read(text))
        return [user for user in users if user.runs()]

    def _write(self, users: list[ProcessIdentity]) -> None:
        write_private(self.path, json.dumps([str(user) for user in users]))
