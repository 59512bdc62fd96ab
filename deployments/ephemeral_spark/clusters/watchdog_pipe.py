"""The worker's end of the pipes to a guardian.

Promise: closing the leash without having said `end` makes the guardian end everything by itself
and report the flow run, and so does the death of this process.
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
    """A running guardian.

    Args:
        process: The guardian.
        directory: That of its cluster.
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
        """Start a guardian and wait until it has written its record.

        Args:
            home: Prefect's own directory, in which clusters have theirs.
            flow_run: The id of the flow run.
            environment: In addition to this process's own: how the Prefect server is reached.
        """
        directory = new_directory(home)
        worker = ProcessIdentity.of(os.getpid())
        # The package may lie beside the flows and not be installed: it is found where this one is.
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
        leash = cls(process, directory)
        await leash.report()
        return leash

    @property
    def pid(self) -> int:
        """The guardian's process number."""
        return self._process.pid

    @property
    def token(self) -> str:
        """The mark of all processes of the cluster."""
        return self.directory.name

    async def order(self, **order: Any) -> None:
        """Give an order.

        Raises:
            EnvironmentUnfitError: The guardian is gone.
        """
        try:
            await self._orders.send(json.dumps(order).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise _gone() from None

    async def report(self) -> dict[str, Any]:
        """Wait for what the guardian says next.

        Raises:
            EnvironmentUnfitError: The guardian is gone.
        """
        try:
            line = await self._reports.receive_until(b"\n", _LONGEST_REPORT)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError, OSError):
            raise _gone() from None
        report: dict[str, Any] = json.loads(line)
        return report

    async def end(self) -> None:
        """Have the cluster ended, and see that nothing of it is left."""
        with anyio.move_on_after(_SECONDS_TO_END):
            try:
                await self.order(end=True)
            except EnvironmentUnfitError:
                pass  # it was killed: what it led is found by its mark
            else:
                await self._process.wait()
        await anyio.to_thread.run_sync(end_members, self.token)
        await anyio.to_thread.run_sync(discard, self.directory)
        await self._process.aclose()

    async def let_go(self) -> None:
        """Leave the rest to the guardian: it reports the flow run, and goes."""
        await self._orders.aclose()


def _gone() -> EnvironmentUnfitError:
    return EnvironmentUnfitError(
        where="the guardian of a Spark cluster",
        expected="a process that runs until it is told to end",
        found="one that was ended",
        next_step="Run the flow again; see who ends processes on the worker's machine.",
    )
