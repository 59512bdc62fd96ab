"""A Spark standalone cluster on the worker's machine: a master and N workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from contracts.errors import EnvironmentUnfitError
from deployments.ephemeral_spark.clusters.cluster_interface import Ending
from deployments.ephemeral_spark.clusters.standalone_daemons import ClusterShape
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe

__all__ = ["StandaloneCluster"]


class StandaloneCluster:
    """The daemons that a watchdog leads.

    Args:
        pipe: The pipe to the watchdog.
        shape: How large the cluster is.
        seconds: How long it may take until all workers have registered.
        log: The flow run's log.
    """

    carries_flow = False

    def __init__(
        self,
        pipe: WatchdogPipe,
        shape: ClusterShape,
        seconds: float,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._pipe = pipe
        self._shape = shape
        self._seconds = seconds
        self._log = log

    async def start(self) -> Mapping[str, str]:
        """Start the daemons, and wait until the workers have registered.

        Raises:
            EnvironmentUnfitError: They do not start.
        """
        await self._pipe.order(cluster=self._shape.fields(), seconds=self._seconds)
        report = await self._pipe.report()
        if "ready" not in report:
            for line in report.get("said", ()):
                self._log.warning("%s", line)
            raise EnvironmentUnfitError(
                where="the Spark cluster of this run",
                expected="a master and its workers to start",
                found=str(report.get("lost")),
                next_step="The run's log holds what they said last. Is there memory for them?",
            )
        return dict(report["ready"])

    async def ended(self) -> Ending:
        """Wait until a daemon or the watchdog has ended."""
        try:
            report = await self._pipe.report()
        except EnvironmentUnfitError as error:
            return Ending(1, f"{error.where}: {error.found}")
        return Ending(1, str(report.get("lost")), tuple(report.get("said", ())))

    async def cancel(self) -> None:
        """Do nothing: nothing runs on other machines."""
