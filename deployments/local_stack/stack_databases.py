"""Embedded PostgreSQL servers below a directory: the stack's own, and those that runs started.

A run that is ended hard leaves the one it used running, with no user. Its process bears no mark: it
has an environment of its own, and may serve others by now.
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
        Where the ended ones lie, relative to `below`.
    """
    return [
        folder.relative_to(below).as_posix() for folder in sorted(_running(below)) if _ended(folder)
    ]


def _running(below: Path) -> set[Path]:
    found = set()
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended, or another user's
            continue
        if line and Path(line[0]).name == "postgres" and "-D" in line[:-1]:
            data = Path(line[line.index("-D") + 1])
            if data.name == _DATA and data.is_relative_to(below):
                found.add(data.parent)
    return found


def _ended(folder: Path) -> bool:
    EmbeddedPostgres(folder).stop()
    return postmaster(folder / _DATA) is None
