"""A worker's own directory for temporary files, which does not outlive it.

Promise: it is removed by the worker, or by a watchdog when the worker was killed, or by the next
worker.
"""

from __future__ import annotations

import os
from pathlib import Path

from blocks.operating_system.process_identity import ProcessIdentity
from deployments.ephemeral_spark.clusters.cluster_record import discard

__all__ = ["WorkerTempDirectory", "discard_abandoned"]

_BASE = "ephemeral-spark-workers"


class WorkerTempDirectory:
    """The directory of this process.

    Args:
        home: Prefect's own directory.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / _BASE / str(ProcessIdentity.of(os.getpid()))

    def make(self) -> Path:
        """Make the directory."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._path

    def remove(self) -> None:
        """Remove the directory with all its content."""
        discard(self._path)


def discard_abandoned(home: Path) -> None:
    """Remove the directories of dead workers of this machine."""
    base = home / _BASE
    for path in base.iterdir() if base.is_dir() else ():
        try:
            worker = ProcessIdentity.read(path.name)
        except ValueError:  # the directory of something else
            continue
        if not worker.runs():
            discard(path)
