"""The worker of work pools whose runs each get a Spark cluster of their own.

`prefect work-pool create NAME --type ephemeral-spark`, `prefect worker start --pool NAME`.

Promise: the cluster is up when the flow starts and removed when the run is over, however the run
ends and whichever process is killed. A run whose flow, cluster or worker is lost ends as Crashed;
a cancelled run ends as Cancelled, in every phase.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import (
    InfrastructureNotAvailable,
    InfrastructureNotFound,
    ObjectNotFound,
    PrefectHTTPStatusError,
)
from prefect.logging.loggers import PrefectLogAdapter
from prefect.settings import get_current_settings
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

from blocks.prefect_ui.block_type_descriptions import STORAGE_LOGO
from blocks.spark.java_installation import find_java
from contracts.errors import StrandlineError
from deployments.ephemeral_spark.cleanup.orphaned_clusters import end_orphaned_clusters
from deployments.ephemeral_spark.cleanup.worker_temp_directory import WorkerTempDirectory
from deployments.ephemeral_spark.clusters.cluster_interface import Cluster, Ending
from deployments.ephemeral_spark.clusters.cluster_record import ClusterRecord
from deployments.ephemeral_spark.clusters.emr_serverless_cluster import EmrServerlessCluster
from deployments.ephemeral_spark.clusters.standalone_cluster import StandaloneCluster
from deployments.ephemeral_spark.clusters.standalone_daemons import STARTUP, ClusterShape
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe
from deployments.ephemeral_spark.flow_subprocess import FlowProcess
from deployments.ephemeral_spark.job_configuration import (
    EphemeralSparkConfiguration,
    EphemeralSparkVariables,
)

__all__ = ["EphemeralSparkWorker"]

_PAUSE_STARTING = 0.5
_PAUSE_RUNNING = 2.0
_SECONDS_TO_END = 5.0


class EphemeralSparkWorker(ProcessWorker):
    """Runs each flow run with a Spark cluster of its own."""

    type = "ephemeral-spark"
    job_configuration = EphemeralSparkConfiguration
    job_configuration_variables = EphemeralSparkVariables  # type: ignore[assignment]
    _display_name = "Ephemeral Spark"
    _description = "Give each flow run a Spark cluster of its own, which is gone when the run is."
    _documentation_url = "https://docs.prefect.io/v3/concepts/work-pools"
    _logo_url = str(STORAGE_LOGO)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pipes: dict[UUID, WatchdogPipe] = {}
        self._home = Path(get_current_settings().home)
        self._temp_directory = WorkerTempDirectory(self._home)

    async def __aenter__(self) -> Self:
        """Start the worker."""
        # Prefect's temporary files would outlive a killed worker.
        tempfile.tempdir = str(self._temp_directory.make())
        await super().__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop the worker."""
        try:
            await super().__aexit__(*exc_info)
        finally:
            tempfile.tempdir = None
            self._temp_directory.remove()

    async def setup(self) -> None:
        """Set up the worker, and meanwhile end the clusters that earlier workers left."""
        await super().setup()
        if self._runs_task_group is not None:
            self._runs_task_group.start_soon(end_orphaned_clusters, self._home, self._logger)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,  # type: ignore[override]
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Start the run's cluster, run the flow with it, and wait for the end."""
        pipe, log = self._pipes[flow_run.id], self.get_flow_run_logger(flow_run)
        identifier = f"{socket.gethostname()}:{pipe.token}"
        if task_status is not None:
            # Now, so that a run can be cancelled while its cluster starts.
            task_status.started(identifier)  # type: ignore[arg-type]
        ending = await self._run(flow_run, configuration, pipe, log)
        await self._conclude(flow_run, ending)
        return ProcessWorkerResult(identifier=identifier, status_code=ending.status)

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: EphemeralSparkConfiguration,  # type: ignore[override]
        grace_seconds: int = 30,
    ) -> None:
        """End a run's cluster and its flow by a signal to its watchdog.

        Raises:
            InfrastructureNotAvailable: The cluster is on another machine.
            InfrastructureNotFound: The cluster has ended.
        """
        del configuration, grace_seconds
        host, _, token = infrastructure_pid.rpartition(":")
        if host != socket.gethostname():
            message = f"the cluster runs on {host}"
            raise InfrastructureNotAvailable(message)
        record = ClusterRecord.read(self._home / "ephemeral-spark" / token)
        if record is None or not record.watchdog.runs():
            message = "the cluster is gone"
            raise InfrastructureNotFound(message)
        os.kill(record.watchdog.pid, signal.SIGTERM)

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        # The watchdog must outlive this worker, from before the run is claimed until it is over.
        environment = get_current_settings().to_environment_variables(exclude_unset=True)
        try:
            pipe = await WatchdogPipe.open(self._home, str(flow_run.id), environment)
        except (StrandlineError, OSError):
            self._logger.exception("A run's guardian did not start; the run stays scheduled")
            return False
        self._pipes[flow_run.id] = pipe
        claimed = False
        try:
            claimed = await super()._propose_pending_state(flow_run)
        finally:
            if not claimed:
                del self._pipes[flow_run.id]
                with anyio.CancelScope(shield=True):
                    await pipe.end()
        return claimed

    async def _submit_run_and_capture_errors(
        self, flow_run: FlowRun, task_status: Any = None
    ) -> Any:
        pipe = self._pipes[flow_run.id]
        try:
            result = await super()._submit_run_and_capture_errors(flow_run, task_status)
        except BaseException:
            # The worker is being stopped: the watchdog reports the run and ends the cluster.
            with anyio.CancelScope(shield=True):
                await pipe.let_go()
            raise
        else:
            with anyio.CancelScope(shield=True):
                # Where the worker lost track of the run, the watchdog sets the run's state.
                await (pipe.let_go() if isinstance(result, Exception) else pipe.end())
            return result
        finally:
            del self._pipes[flow_run.id]

    async def _submit_adhoc_run(self, *arguments: Any, **options: Any) -> None:
        # Prefect's own workers raise this type for what they can't do; its callers expect it.
        message = "a pool of ephemeral Spark clusters runs deployments, not flows without one"
        raise NotImplementedError(message)

    async def _run(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        pipe: WatchdogPipe,
        log: PrefectLogAdapter,
    ) -> Ending:
        cluster: Cluster | None = None
        failure: StrandlineError | None = None
        with anyio.CancelScope() as starting:
            async with anyio.create_task_group() as watches:
                watches.start_soon(self._when_cancelled, flow_run, starting.cancel)
                try:
                    cluster = await self._cluster(flow_run, configuration, pipe, log)
                    environment = await cluster.start()
                    configuration.env |= _merged_environment(environment, configuration.env)
                except StrandlineError as error:
                    failure = error
                watches.cancel_scope.cancel()
        if failure is not None:
            return Ending(1, str(failure))
        if starting.cancelled_caught or cluster is None:
            if cluster is not None:
                with anyio.CancelScope(shield=True):
                    await cluster.cancel()
            return Ending(0, "the run was cancelled while its cluster started")
        if cluster.carries_flow:
            return await self._run_inside(cluster, flow_run, log)
        return await self._run_beside(cluster, flow_run, configuration, log)

    async def _cluster(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        pipe: WatchdogPipe,
        log: PrefectLogAdapter,
    ) -> Cluster:
        if configuration.backend == "emr-serverless":
            settings = configuration.job_settings()
            access = await anyio.to_thread.run_sync(configuration.access)
            return EmrServerlessCluster(
                pipe,
                settings,
                access,
                flow_run=str(flow_run.id),
                environment=configuration.environment_elsewhere(),
                log=log,
            )
        if configuration.working_dir is None:
            configuration.working_dir = pipe.directory / "flow"
            configuration.working_dir.mkdir()
        shape = ClusterShape(
            java_home=str(await anyio.to_thread.run_sync(find_java)),
            workers=configuration.workers,
            cores=configuration.cores_per_worker,
            memory=configuration.memory_per_worker,
            secret=secrets.token_hex(32),
        )
        return StandaloneCluster(pipe, shape, configuration.start_seconds, log)

    async def _run_beside(
        self,
        cluster: Cluster,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        log: PrefectLogAdapter,
    ) -> Ending:
        """Run the flow as a process beside its cluster."""
        flow = FlowProcess()
        async with anyio.create_task_group() as watches:
            watches.start_soon(self._when_cancelled, flow_run, self._kill_later(flow, watches))
            watches.start_soon(self._end_with_cluster, cluster, flow_run, flow, log)
            watches.start_soon(flow.end_rest)
            try:
                result = await super().run(flow_run, configuration, flow)
                ending = Ending(result.status_code, "the flow's process ended")
            except Exception as error:
                log.exception("The flow's process did not start")
                ending = Ending(1, f"the flow's process did not start: {type(error).__name__}")
            watches.cancel_scope.cancel()
        return ending

    async def _run_inside(
        self, cluster: Cluster, flow_run: FlowRun, log: PrefectLogAdapter
    ) -> Ending:
        """Wait for the cluster in which the flow runs."""

        async def cancel() -> None:
            with anyio.move_on_after(_SECONDS_TO_END):
                await self._until_final(flow_run)  # the flow may end by itself and run its hooks
            # The state comes first: what is killed in the job run might report a crash.
            await self._conclude(flow_run, Ending(0, "it was cancelled"))
            await cluster.cancel()

        async with anyio.create_task_group() as watches:
            watches.start_soon(self._when_cancelled, flow_run, lambda: watches.start_soon(cancel))
            ending = await cluster.ended()
            watches.cancel_scope.cancel()
        for line in ending.output:
            log.warning("%s", line)
        return ending

    async def _when_cancelled(self, flow_run: FlowRun, act: Callable[[], object]) -> None:
        """Call `act` once, when the run is cancelled or deleted."""
        while True:
            try:
                state = await self._state(flow_run)
            except ObjectNotFound:
                act()
                return
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                act()
                return
            pause = _PAUSE_STARTING if state is None or state.is_pending() else _PAUSE_RUNNING
            await anyio.sleep(pause)

    async def _until_final(self, flow_run: FlowRun) -> None:
        state = await self._state(flow_run)
        while state is None or not state.is_final():
            await anyio.sleep(_PAUSE_STARTING)
            state = await self._state(flow_run)

    async def _state(self, flow_run: FlowRun) -> State[Any] | None:
        """The run's state; None while the server does not answer, which does not end the run.

        Raises:
            ObjectNotFound: The run was deleted.
        """
        try:
            return (await self.client.read_flow_run(flow_run.id)).state
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            self._logger.warning("The Prefect server did not answer: %s", type(error).__name__)
            return None

    def _kill_later(self, flow: FlowProcess, watches: anyio.abc.TaskGroup) -> Callable[[], object]:
        """The action that kills a cancelled run's process if Prefect itself does not end it."""

        async def end() -> None:
            await anyio.sleep(_SECONDS_TO_END)
            flow.signal(signal.SIGKILL)

        return lambda: watches.start_soon(end)

    async def _end_with_cluster(
        self, cluster: Cluster, flow_run: FlowRun, flow: FlowProcess, log: PrefectLogAdapter
    ) -> None:
        """End the flow when its cluster is lost: it would wait for executors for ever."""
        state: State[Any] | None = None
        ending = await cluster.ended()
        with suppress(ObjectNotFound):
            state = await self._state(flow_run)
        if state is None or not state.is_final():
            log.error("The Spark cluster of this run was lost: %s", ending.reason)
            for line in ending.output:
                log.warning("%s", line)
            flow.drop()
        await anyio.sleep(_SECONDS_TO_END)
        flow.signal(signal.SIGKILL)

    async def _conclude(self, flow_run: FlowRun, ending: Ending) -> None:
        """Give a run that is over a final state."""
        try:
            current = await self.client.read_flow_run(flow_run.id)
        except ObjectNotFound:
            return
        state = current.state
        if state is None or state.is_final():
            return
        if state.is_cancelling():
            await self._mark_flow_run_as_cancelled(current, {"message": "Cancelled by the worker."})
        elif state.is_running() or state.is_pending():
            await self._propose_crashed_state(
                flow_run, f"The run did not end well: {ending.reason}."
            )


def _merged_environment(
    cluster: Mapping[str, str], configured: Mapping[str, str | None]
) -> dict[str, str]:
    """The cluster's variables for its flow, merged with the pool's variables of the same names."""
    merged = dict(cluster)
    if configured.get("PYSPARK_SUBMIT_ARGS"):
        ours = merged.get("PYSPARK_SUBMIT_ARGS", "").removesuffix("pyspark-shell")
        merged["PYSPARK_SUBMIT_ARGS"] = f"{ours}{configured['PYSPARK_SUBMIT_ARGS']}"
    if configured.get("SPARK_SUBMIT_OPTS"):
        merged["SPARK_SUBMIT_OPTS"] = (
            f"{merged.get('SPARK_SUBMIT_OPTS', '')} {configured['SPARK_SUBMIT_OPTS']}"
        )
    # First on the path: the folder that makes SIGTERM end the flow.
    path = (str(STARTUP), configured.get("PYTHONPATH"))
    return {**merged, "PYTHONPATH": os.pathsep.join(filter(None, path))}
