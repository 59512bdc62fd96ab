"""Embedded PostgreSQL servers below a directory: the stack's own, and those that runs started.

A run that is killed leaves the server that it used running, with no user. The server's process has
no mark: it has an environment of its own, and may serve others by now.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.embedded_postgres.postgres_process import postmaster

__all__ = ["stop_unused_databases"]

_DATA = "data"


def stop_unused_databases(below: Path) -> list[str]:
    """End each server below the directory that no living process uses.

    Returns:
        The directories of the ended servers, relative to `below`.
    """
    return [
        folder.relative_to(below).as_posix() for folder in sorted(_running(below)) if _ended(folder)
    ]


def _running(below: Path) -> set[Path]:
    folders = set()
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended, or another user's
            continue
        if command and Path(command[0]).name == "postgres" and "-D" in command[:-1]:
            data = Path(command[command.index("-D") + 1])
            if data.name == _DATA and data.is_relative_to(below):
                folders.add(data.parent)
    return folders


def _ended(folder: Path) -> bool:
    EmbeddedPostgres(folder).stop()
    return postmaster(folder / _DATA) is None
