"""The process in which a flow runs beside its cluster, once it is there."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import anyio
import psutil

from deployments.ephemeral_spark.clusters.cluster_processes import end_group

__all__ = ["FlowProcess"]

_PAUSE = 0.5
_SECONDS_FOR_REST = 2.0


class FlowProcess:
    """Told by Prefect which process it started; that leads a group of its own."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._there = anyio.Event()

    def started(self, value: int | None = None) -> None:
        """Take note of the process: Prefect calls it as it would an anyio TaskStatus."""
        self._pid = value
        self._there.set()

    def signal(self, number: signal.Signals) -> None:
        """Signal the flow's process and those that it started, such as Spark's driver."""
        if self._pid is not None:
            end_group(self._pid, number)

    def drop(self) -> None:
        """End the process without letting it explain: Prefect then reports a crash for it.

        On SIGTERM the engine would raise in the middle of a call to Spark, and what Spark makes of
        that would be reported as the flow's own failure.
        """
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGUSR1)

    async def end_rest(self) -> None:
        """Once the flow's process is gone, end what it left behind.

        Prefect waits until the flow's output is closed, and an orphaned driver may keep it open.
        """
        await self._there.wait()
        while self._pid is not None and _runs(self._pid):  # noqa: ASYNC110 - of another process
            await anyio.sleep(_PAUSE)
        await anyio.sleep(_SECONDS_FOR_REST)
        self.signal(signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
