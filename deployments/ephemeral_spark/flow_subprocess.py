"""The process in which a flow runs beside its cluster, once the cluster is up."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import anyio
import psutil

from deployments.ephemeral_spark.clusters.cluster_processes import end_group

__all__ = ["FlowProcess"]

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 2.0


class FlowProcess:
    """The process that Prefect started for the flow; it leads a process group of its own."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._started = anyio.Event()

    def started(self, value: int | None = None) -> None:
        """Store the process's id: Prefect calls this as it would an anyio TaskStatus."""
        self._pid = value
        self._started.set()

    def signal(self, number: signal.Signals) -> None:
        """Signal the flow's process and those that it started, such as Spark's driver."""
        if self._pid is not None:
            end_group(self._pid, number)

    def drop(self) -> None:
        """End the process before it can report a state: Prefect then reports a crash for it.

        On SIGTERM the engine would raise in the middle of a call to Spark, and the error that
        follows in Spark would be reported as the flow's own failure.
        """
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGUSR1)

    async def end_rest(self) -> None:
        """Once the flow's process has ended, end the processes that it started.

        Prefect waits until the flow's output is closed, and an orphaned driver may keep it open.
        """
        await self._started.wait()
        while self._pid is not None and _runs(self._pid):  # noqa: ASYNC110 - of another process
            await anyio.sleep(_POLL_SECONDS)
        await anyio.sleep(_GRACE_SECONDS)
        self.signal(signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
