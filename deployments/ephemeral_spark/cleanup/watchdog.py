"""The process that leads one run's cluster and outlives its worker.

`python -m deployments.ephemeral_spark.cleanup.watchdog` is started by the worker for each flow run,
before the run is claimed. It reads orders from its standard input, one JSON object a line, and
reports on its standard output in the same form.

Promise: however the worker ends (it stops, it crashes, it is killed), the cluster and the flow's
process end too, a job run elsewhere is cancelled, the flow run gets a final state, and the
cluster's directory is removed. It notices when its standard input ends, because the system closes
a dead process's pipes. Only after the order `end` does it exit without a report.

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
_REPORT_TRIES = 4
_PR_SET_PDEATHSIG = 1
_DEATH_OF_PARENT: Final = (
    ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
)


class Watchdog:
    """One cluster, from its first process to its last file.

    Args:
        record: The cluster; it is on disk.
        report: Sends a report to the worker; without effect when the worker has ended.
    """

    def __init__(self, record: ClusterRecord, report: Callable[[dict[str, Any]], None]) -> None:
        self._record = record
        self._report = report
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: Iterator[None] | None = None
        self._final_report: dict[str, Any] = {"flow_run": record.flow_run}
        self._lost = False

    def obey(self, order: dict[str, Any]) -> bool:
        """Carry out an order.

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
            self._final_report |= {"job": order["job"], "access": order.get("access")}
            self._report({"noted": True})
        return "end" not in order

    def tick(self) -> None:
        """Continue the start of the daemons, and check that all of them still run."""
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
        """End the cluster and remove its files."""
        self._end_processes()
        discard(self._record.directory)

    def finish_alone(self) -> None:
        """The same without a worker: report the flow run too.

        The record stays when the report fails, so that the next worker sends it.
        """
        self._end_processes()
        self._record.clear()
        discard_abandoned(self._record.directory.parents[1])
        if self._report_end():
            discard(self._record.directory)

    def _start(self, shape: ClusterShape, seconds: float) -> Iterator[None]:
        """Start the daemons, step by step."""
        directory, deadline = self._record.directory, time.monotonic() + seconds
        shape.prepare(directory)
        logs = directory / "logs"
        self._launch("master", shape.master(directory), shape)
        while (master := master_url(logs / "master")) is None:
            if self._timed_out(deadline, "the master has no address"):
                return
            yield
        names = [f"worker {number}" for number in range(1, shape.workers + 1)]
        for name in names:
            self._launch(name, shape.worker(directory, master), shape)
        while not all(registered(logs / name) for name in names):
            if self._timed_out(deadline, "not all workers have registered"):
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

    def _timed_out(self, deadline: float, reason: str) -> bool:
        if not self._lost and time.monotonic() > deadline:
            self._fail(f"{reason}, after the seconds it may take to start")
        return self._lost

    def _fail(self, reason: str) -> None:
        self._lost = True
        logs = self._record.directory / "logs"
        lines = [line for log in sorted(logs.glob("*")) for line in _last_lines(log)]
        self._report({"lost": reason, "said": lines})

    def _end_processes(self) -> None:
        end_members(self._record.token, spare=(os.getpid(),))
        for daemon in self._daemons.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=1)

    def _report_end(self) -> bool:
        """Report to the Prefect server, and to the service that runs a job, that it is over."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "deployments.ephemeral_spark.cleanup.crashed_run_report",
        ]
        for attempt in range(_REPORT_TRIES):
            time.sleep(5 * attempt)
            result = subprocess.run(  # noqa: S603 - our own arguments
                command, input=json.dumps(self._final_report).encode(), check=False
            )
            if result.returncode == 0:
                return True
        return False


class Orders:
    """The orders that arrive at a pipe, one a line.

    Args:
        descriptor: The pipe's reading end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""
        self.closed = False
        """Whether the other end is closed."""

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """The orders that arrive within this time; it returns with the first."""
        readable, _, _ = select.select([self._descriptor], [], [], seconds)
        if not readable:
            return []
        data = os.read(self._descriptor, 65536)
        self.closed = not data
        *lines, self._pending = (self._pending + data).split(b"\n")
        return [json.loads(line) for line in lines]


def watch_run(watchdog: Watchdog, orders: Orders, stopped: Callable[[], bool]) -> None:
    """Serve orders until the cluster is to end, and then end it."""
    while not orders.closed and not stopped():
        for order in orders.wait(_TICK):
            if not watchdog.obey(order):
                watchdog.finish()
                return
        watchdog.tick()
    watchdog.finish_alone()


def main(arguments: list[str]) -> None:
    """Lead one cluster until it ends.

    Args:
        arguments: The cluster's directory, the flow run's id, the worker's identity.
    """
    stops: list[int] = []
    # A service manager may signal all processes at once: that is the same as a dead worker.
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    directory, flow_run, worker = arguments
    record = ClusterRecord(
        directory=Path(directory),
        host=socket.gethostname(),
        flow_run=flow_run,
        watchdog=ProcessIdentity.of(os.getpid()),
        worker=ProcessIdentity.read(worker),
    )
    record.write()
    _report({"record": True})
    watch_run(Watchdog(record, _report), Orders(sys.stdin.fileno()), lambda: bool(stops))


def _report(report: dict[str, Any]) -> None:
    with suppress(OSError):  # the worker has ended, which standard input shows too
        os.write(sys.stdout.fileno(), json.dumps(report).encode() + b"\n")


def _die_with_parent() -> None:
    """Have Linux kill the daemon when the watchdog itself is killed."""
    if _DEATH_OF_PARENT is not None:
        _DEATH_OF_PARENT(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ending(status: int) -> str:
    return f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def _last_lines(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"{log.name}: {line}" for line in lines[-5:]]


if __name__ == "__main__":
    main(sys.argv[1:])
