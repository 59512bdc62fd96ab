"""The record of a run's cluster on disk, by which another process can end the cluster.

Promise: the record is on disk before anything is started, and it is removed last. A process that
finds one whose watchdog is dead may end what still runs and remove the record.

Each cluster has a directory `HOME/ephemeral-spark/TOKEN` that holds its record and all files of
its processes; HOME is Prefect's own (PREFECT_HOME).
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from blocks.operating_system.owner_only_file import write_private
from blocks.operating_system.process_identity import ProcessIdentity

__all__ = ["ClusterRecord", "abandoned", "discard", "new_directory"]

_FILE = "record.json"
_SECONDS_UNTIL_WRITTEN = 60.0


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """One cluster: its flow run, its watchdog and worker, and what it started elsewhere.

    `job` names a job run of a service (its kind and its ids), and holds no credential.
    """

    directory: Path
    host: str
    flow_run: str
    watchdog: ProcessIdentity
    worker: ProcessIdentity
    job: dict[str, Any] | None = None

    @property
    def token(self) -> str:
        """The mark of its processes."""
        return self.directory.name

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """The record in a cluster's directory; None when there is none (yet), or a broken one."""
        try:
            fields = json.loads((directory / _FILE).read_text(encoding="utf-8"))
            return cls(
                directory=directory,
                host=str(fields["host"]),
                flow_run=str(fields["flow_run"]),
                watchdog=ProcessIdentity.read(fields["guardian"]),
                worker=ProcessIdentity.read(fields["worker"]),
                job=fields["job"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self) -> None:
        """Write the record, replacing an earlier one of this cluster."""
        fields = {
            "host": self.host,
            "flow_run": self.flow_run,
            "guardian": str(self.watchdog),  # the name in records on disk
            "worker": str(self.worker),
            "job": self.job,
        }
        write_private(self.directory / _FILE, json.dumps(fields))

    def with_job(self, job: dict[str, Any]) -> Self:
        """The same cluster, which has now started this job run."""
        return replace(self, job=job)

    def clear(self) -> None:
        """Remove all files of the cluster but its record."""
        for path in self.directory.iterdir():
            if path.name != _FILE:
                discard(path)


def new_directory(home: Path) -> Path:
    """Make a directory for a new cluster, for its owner alone; its name is the token."""
    base = home / "ephemeral-spark"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = base / secrets.token_hex(8)
    directory.mkdir(mode=0o700)
    return directory


def discard(path: Path) -> None:
    """Remove what still exists of a directory or a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def abandoned(home: Path) -> Iterator[tuple[Path, ClusterRecord | None]]:
    """The clusters of this host whose watchdog is dead, each with its record.

    A directory without a record is one whose watchdog died before writing it; there, the record is
    None.
    """
    base = home / "ephemeral-spark"
    for directory in sorted(base.iterdir()) if base.is_dir() else ():
        record = ClusterRecord.read(directory)
        if record is None:
            if _age(directory) > _SECONDS_UNTIL_WRITTEN:
                yield directory, None
        elif record.host == socket.gethostname() and not record.watchdog.runs():
            yield directory, record


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
