"""The process that leads one run's cluster and outlives its worker.

`python -m deployments.ephemeral_spark.cleanup.watchdog` is started by the worker for each flow run,
before the run is claimed. It reads orders from its standard input, one JSON object a line, and
reports on its standard output in the same form.

Promise: however the worker ends (it stops, it crashes, it is killed), the cluster and the flow's
process end too, a job run elsewhere is cancelled, the flow run gets a final state, and the
cluster's directory is removed. The end of its standard input tells it, for the system closes a
dead process's pipes. Only the order `end` makes it go without a word.

This module starts fast and stays small: it imports neither Prefect nor PySpark.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from blocks.operating_system.process_identity import ProcessIdentity
from deployments.ephemeral_spark.cleanup.worker_temp_directory import discard_abandoned
from deployments.ephemeral_spark.clusters.cluster_processes import end_members
from deployments.ephemeral_spark.clusters.cluster_record import ClusterRecord, discard
from deployments.ephemeral_spark.clusters.standalone_daemons import (
    ClusterShape,
    master_url,
    registered,
)

__all__ = ["Watchdog", "main"]

_TICK = 0.1
_FAREWELL_TRIES = 4
_PR_SET_PDEATHSIG = 1
_DEATH_OF_PARENT: Final = (
    ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
)


class Watchdog:
    """One cluster, from its first process to its last file.

    Args:
        record: The cluster; it is on disk.
        report: Tells the worker something; without effect when there is no worker any more.
    """

    def __init__(self, record: ClusterRecord, report: Callable[[dict[str, Any]], None]) -> None:
        self._record = record
        self._report = report
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: Iterator[None] | None = None
        self._last_words: dict[str, Any] = {"flow_run": record.flow_run}
        self._lost = False

    def obey(self, order: dict[str, Any]) -> bool:
        """Do what an order says.

        Returns:
            Whether there is more to do: False after `end`.
        """
        if "cluster" in order:
            self._starting = self._start(
                ClusterShape.read(order["cluster"]), float(order["seconds"])
            )
        if "job" in order:
            self._record = self._record.with_job(order["job"])
            self._record.write()
            self._last_words |= {"job": order["job"], "access": order.get("access")}
            self._report({"noted": True})
        return "end" not in order

    def tick(self) -> None:
        """Go on with what takes time, and see whether everything still runs."""
        try:
            if self._starting is not None and next(self._starting, self) is self:
                self._starting = None
        except OSError as error:
            self._starting = None
            self._fail(f"a daemon did not start: {error.strerror}")
        for name, daemon in self._daemons.items():
            if daemon.poll() is not None and not self._lost:
                self._fail(f"{name} ended {_ending(daemon.returncode)}")

    def finish(self) -> None:
        """End the cluster and remove what was its."""
        self._end_processes()
        discard(self._record.directory)

    def finish_alone(self) -> None:
        """The same without a worker: the flow run is told too.

        The record stays when that fails, for the next worker to do it.
        """
        self._end_processes()
        self._record.clear()
        discard_abandoned(self._record.directory.parents[1])
        if self._say_farewell():
            discard(self._record.directory)

    def _start(self, shape: ClusterShape, seconds: float) -> Iterator[None]:
        """Start the daemons, step by step."""
        directory, patience = self._record.directory, time.monotonic() + seconds
        shape.prepare(directory)
        logs = directory / "logs"
        self._launch("master", shape.master(directory), shape)
        while (master := master_url(logs / "master")) is None:
            if self._waited_in_vain(patience, "the master has no address"):
                return
            yield
        names = [f"worker {number}" for number in range(1, shape.workers + 1)]
        for name in names:
            self._launch(name, shape.worker(directory, master), shape)
        while not all(registered(logs / name) for name in names):
            if self._waited_in_vain(patience, "not all workers have registered"):
                return
            yield
        self._report({"ready": shape.flow_environment(directory, master)})

    def _launch(self, name: str, command: list[str], shape: ClusterShape) -> None:
        directory = self._record.directory
        with (directory / "logs" / name).open("ab") as log:
            self._daemons[name] = subprocess.Popen(  # noqa: S603 - our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory / "work",
                env={**os.environ, **shape.daemon_environment(directory)},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            )

    def _waited_in_vain(self, patience: float, found: str) -> bool:
        if not self._lost and time.monotonic() > patience:
            self._fail(f"{found}, after the seconds it may take to start")
        return self._lost

    def _fail(self, reason: str) -> None:
        self._lost = True
        logs = self._record.directory / "logs"
        said = [line for log in sorted(logs.glob("*")) for line in _last_lines(log)]
        self._report({"lost": reason, "said": said})

    def _end_processes(self) -> None:
        end_members(self._record.token, spare=(os.getpid(),))
        for daemon in self._daemons.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=1)

    def _say_farewell(self) -> bool:
        """Tell the Prefect server, and the service that runs a job, that it is over."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "deployments.ephemeral_spark.cleanup.crashed_run_report",
        ]
        for attempt in range(_FAREWELL_TRIES):
            time.sleep(5 * attempt)
            told = subprocess.run(  # noqa: S603 - our own arguments
                command, input=json.dumps(self._last_words).encode(), check=False
            )
            if told.returncode == 0:
                return True
        return False


class Orders:
    """What comes in at a pipe, line by line.

    Args:
        descriptor: The pipe's reading end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""
        self.closed = False
        """Whether the other side is gone."""

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """The orders that arrive within this time; it returns with the first."""
        readable, _, _ = select.select([self._descriptor], [], [], seconds)
        if not readable:
            return []
        arrived = os.read(self._descriptor, 65536)
        self.closed = not arrived
        *lines, self._pending = (self._pending + arrived).split(b"\n")
        return [json.loads(line) for line in lines]


def watch_run(guardian: Watchdog, orders: Orders, stopped: Callable[[], bool]) -> None:
    """Serve until the cluster may go, and then see to it that it does."""
    while not orders.closed and not stopped():
        for order in orders.wait(_TICK):
            if not guardian.obey(order):
                guardian.finish()
                return
        guardian.tick()
    guardian.finish_alone()


def main(arguments: list[str]) -> None:
    """Lead the cluster of a directory, a flow run and a worker.

    Args:
        arguments: The cluster's directory, the flow run's id, the worker's identity.
    """
    stops: list[int] = []
    # A service manager may signal everybody at once: then it is the same as a dead worker.
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    directory, flow_run, worker = arguments
    record = ClusterRecord(
        directory=Path(directory),
        host=socket.gethostname(),
        flow_run=flow_run,
        guardian=ProcessIdentity.of(os.getpid()),
        worker=ProcessIdentity.read(worker),
    )
    record.write()
    _report({"record": True})
    watch_run(Watchdog(record, _report), Orders(sys.stdin.fileno()), lambda: bool(stops))


def _report(report: dict[str, Any]) -> None:
    with suppress(OSError):  # the worker is gone, which standard input says too
        os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")


def _die_with_parent() -> None:
    """Have Linux kill the daemon when the guardian itself is killed."""
    if _DEATH_OF_PARENT is not None:
        _DEATH_OF_PARENT(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ending(status: int) -> str:
    return f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def _last_lines(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"{log.name}: {line}" for line in lines[-5:]]


if __name__ == "__main__":
    main(sys.argv[1:])
