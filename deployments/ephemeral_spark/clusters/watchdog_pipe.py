"""The worker's end of the pipes to a watchdog.

Promise: when the pipe closes before the order `end`, or this process dies, the watchdog ends
everything by itself and reports the flow run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from blocks.operating_system.process_identity import ProcessIdentity
from contracts.errors import EnvironmentUnfitError
from deployments.ephemeral_spark.clusters.cluster_processes import MARK, end_members
from deployments.ephemeral_spark.clusters.cluster_record import discard, new_directory

__all__ = ["WatchdogPipe"]

_SECONDS_TO_END = 8.0
_LONGEST_REPORT = 1_000_000


class WatchdogPipe:
    """A running watchdog.

    Args:
        process: The watchdog.
        directory: Its cluster's directory.
    """

    def __init__(self, process: anyio.abc.Process, directory: Path) -> None:
        self._process = process
        self.directory = directory
        if process.stdout is None or process.stdin is None:
            message = "a guardian is started with pipes"
            raise ValueError(message)
        self._orders = process.stdin
        self._reports = BufferedByteReceiveStream(process.stdout)

    @classmethod
    async def open(cls, home: Path, flow_run: str, environment: Mapping[str, str]) -> Self:
        """Start a watchdog and wait until it has written its record.

        Args:
            home: Prefect's own directory, in which clusters have theirs.
            flow_run: The id of the flow run.
            environment: In addition to this process's own: how the Prefect server is reached.
        """
        directory = new_directory(home)
        worker = ProcessIdentity.of(os.getpid())
        # The package may lie beside the flows and not be installed: import it from this one's root.
        root = str(Path(__file__).parents[3])
        process = await anyio.open_process(
            [
                *(sys.executable, "-P", "-m", "deployments.ephemeral_spark.cleanup.watchdog"),
                *(str(directory), flow_run, str(worker)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            start_new_session=True,
            env={
                **os.environ,
                **environment,
                MARK: directory.name,
                "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            },
        )
        pipe = cls(process, directory)
        await pipe.report()
        return pipe

    @property
    def pid(self) -> int:
        """The watchdog's process number."""
        return self._process.pid

    @property
    def token(self) -> str:
        """The mark of all processes of the cluster."""
        return self.directory.name

    async def order(self, **order: Any) -> None:
        """Send an order.

        Raises:
            EnvironmentUnfitError: The watchdog has ended.
        """
        try:
            await self._orders.send(json.dumps(order).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise _watchdog_ended() from None

    async def report(self) -> dict[str, Any]:
        """Wait for the watchdog's next report.

        Raises:
            EnvironmentUnfitError: The watchdog has ended.
        """
        try:
            line = await self._reports.receive_until(b"\n", _LONGEST_REPORT)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError, OSError):
            raise _watchdog_ended() from None
        report: dict[str, Any] = json.loads(line)
        return report

    async def end(self) -> None:
        """End the cluster, and make sure that no process or file of it remains."""
        with anyio.move_on_after(_SECONDS_TO_END):
            try:
                await self.order(end=True)
            except EnvironmentUnfitError:
                pass  # it was killed: its processes are found by their mark
            else:
                await self._process.wait()
        await anyio.to_thread.run_sync(end_members, self.token)
        await anyio.to_thread.run_sync(discard, self.directory)
        await self._process.aclose()

    async def let_go(self) -> None:
        """Leave the rest to the watchdog, which reports the flow run and exits."""
        await self._orders.aclose()


def _watchdog_ended() -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where="the guardian of a Spark cluster",
        expected="a process that runs until it is told to end",
        found="one that was ended",
        next_step="Run the flow again; see who ends processes on the worker's machine.",
    )
