"""The worker of work pools whose runs each get a Spark cluster of their own.

`prefect work-pool create NAME --type ephemeral-spark`, `prefect worker start --pool NAME`.

Promise: the cluster is there when the flow starts and gone when the run is over, whichever way it
ends and whoever is killed. A run whose flow, cluster or worker is lost ends as Crashed; one that
was cancelled ends as Cancelled, in whatever phase it was.
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
        self._leashes: dict[UUID, WatchdogPipe] = {}
        self._home = Path(get_current_settings().home)
        self._scratch = WorkerTempDirectory(self._home)

    async def __aenter__(self) -> Self:
        """Begin to work."""
        # What Prefect keeps in temporary directories would outlive a killed worker.
        tempfile.tempdir = str(self._scratch.make())
        await super().__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop working."""
        try:
            await super().__aexit__(*exc_info)
        finally:
            tempfile.tempdir = None
            self._scratch.remove()

    async def setup(self) -> None:
        """Prepare the work; what an earlier worker left is ended meanwhile."""
        await super().setup()
        if self._runs_task_group is not None:
            self._runs_task_group.start_soon(end_orphaned_clusters, self._home, self._logger)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,  # type: ignore[override]
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Start the run's cluster, have the flow run with it, and wait for the end."""
        leash, log = self._leashes[flow_run.id], self.get_flow_run_logger(flow_run)
        identifier = f"{socket.gethostname()}:{leash.token}"
        if task_status is not None:
            # Now, so that a run can be cancelled while its cluster starts.
            task_status.started(identifier)  # type: ignore[arg-type]
        ending = await self._run(flow_run, configuration, leash, log)
        await self._conclude(flow_run, ending)
        return ProcessWorkerResult(identifier=identifier, status_code=ending.status)

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: EphemeralSparkConfiguration,  # type: ignore[override]
        grace_seconds: int = 30,
    ) -> None:
        """End a run's cluster and its flow by telling its guardian.

        Raises:
            InfrastructureNotAvailable: It is on another machine.
            InfrastructureNotFound: It is gone.
        """
        del configuration, grace_seconds
        host, _, token = infrastructure_pid.rpartition(":")
        if host != socket.gethostname():
            message = f"the cluster runs on {host}"
            raise InfrastructureNotAvailable(message)
        record = ClusterRecord.read(self._home / "ephemeral-spark" / token)
        if record is None or not record.guardian.runs():
            message = "the cluster is gone"
            raise InfrastructureNotFound(message)
        os.kill(record.guardian.pid, signal.SIGTERM)

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        # From before the run is claimed until it is over, somebody must outlive this worker.
        environment = get_current_settings().to_environment_variables(exclude_unset=True)
        try:
            leash = await WatchdogPipe.open(self._home, str(flow_run.id), environment)
        except (StrandlineError, OSError):
            self._logger.exception("A run's guardian did not start; the run stays scheduled")
            return False
        self._leashes[flow_run.id] = leash
        claimed = False
        try:
            claimed = await super()._propose_pending_state(flow_run)
        finally:
            if not claimed:
                del self._leashes[flow_run.id]
                with anyio.CancelScope(shield=True):
                    await leash.end()
        return claimed

    async def _submit_run_and_capture_errors(
        self, flow_run: FlowRun, task_status: Any = None
    ) -> Any:
        leash = self._leashes[flow_run.id]
        try:
            result = await super()._submit_run_and_capture_errors(flow_run, task_status)
        except BaseException:
            # The worker is being stopped: its guardian says so to the run, and ends the cluster.
            with anyio.CancelScope(shield=True):
                await leash.let_go()
            raise
        else:
            with anyio.CancelScope(shield=True):
                # Where the worker lost track of the run, its guardian sees to the state.
                await (leash.let_go() if isinstance(result, Exception) else leash.end())
            return result
        finally:
            del self._leashes[flow_run.id]

    async def _submit_adhoc_run(self, *arguments: Any, **options: Any) -> None:
        # As Prefect's own workers say what they can't do; its callers know the type.
        message = "a pool of ephemeral Spark clusters runs deployments, not flows without one"
        raise NotImplementedError(message)

    async def _run(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        leash: WatchdogPipe,
        log: PrefectLogAdapter,
    ) -> Ending:
        cluster: Cluster | None = None
        refusal: StrandlineError | None = None
        with anyio.CancelScope() as starting:
            async with anyio.create_task_group() as watches:
                watches.start_soon(self._when_cancelled, flow_run, starting.cancel)
                try:
                    cluster = await self._cluster(flow_run, configuration, leash, log)
                    found = await cluster.start()
                    configuration.env |= _joined(found, configuration.env)
                except StrandlineError as error:
                    refusal = error
                watches.cancel_scope.cancel()
        if refusal is not None:
            return Ending(1, str(refusal))
        if starting.cancelled_caught or cluster is None:
            if cluster is not None:
                with anyio.CancelScope(shield=True):
                    await cluster.cancel()
            return Ending(0, "the run was cancelled while its cluster started")
        if cluster.carries_flow:
            return await self._inside(cluster, flow_run, log)
        return await self._beside(cluster, flow_run, configuration, log)

    async def _cluster(
        self,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        leash: WatchdogPipe,
        log: PrefectLogAdapter,
    ) -> Cluster:
        if configuration.backend == "emr-serverless":
            settings = configuration.job_settings()
            access = await anyio.to_thread.run_sync(configuration.access)
            return EmrServerlessCluster(
                leash,
                settings,
                access,
                flow_run=str(flow_run.id),
                environment=configuration.environment_elsewhere(),
                log=log,
            )
        if configuration.working_dir is None:
            configuration.working_dir = leash.directory / "flow"
            configuration.working_dir.mkdir()
        shape = ClusterShape(
            java_home=str(await anyio.to_thread.run_sync(find_java)),
            workers=configuration.workers,
            cores=configuration.cores_per_worker,
            memory=configuration.memory_per_worker,
            secret=secrets.token_hex(32),
        )
        return StandaloneCluster(leash, shape, configuration.start_seconds, log)

    async def _beside(
        self,
        cluster: Cluster,
        flow_run: FlowRun,
        configuration: EphemeralSparkConfiguration,
        log: PrefectLogAdapter,
    ) -> Ending:
        """Run the flow as a process beside its cluster."""
        flow = FlowProcess()
        async with anyio.create_task_group() as watches:
            watches.start_soon(self._when_cancelled, flow_run, self._ending_soon(flow, watches))
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

    async def _inside(self, cluster: Cluster, flow_run: FlowRun, log: PrefectLogAdapter) -> Ending:
        """Wait for the cluster in which the flow runs."""

        async def cancel() -> None:
            with anyio.move_on_after(_SECONDS_TO_END):
                await self._until_final(flow_run)  # the flow may end itself, hooks and all
            # First the state: what is killed in the job run might report itself as crashed.
            await self._conclude(flow_run, Ending(0, "it was cancelled"))
            await cluster.cancel()

        async with anyio.create_task_group() as watches:
            watches.start_soon(self._when_cancelled, flow_run, lambda: watches.start_soon(cancel))
            ending = await cluster.ended()
            watches.cancel_scope.cancel()
        for line in ending.said:
            log.warning("%s", line)
        return ending

    async def _when_cancelled(self, flow_run: FlowRun, act: Callable[[], object]) -> None:
        """Act once, when somebody asks for the run to be cancelled, or deletes it."""
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
        """The run's state; None while the server does not answer, which is no reason to end it.

        Raises:
            ObjectNotFound: The run was deleted.
        """
        try:
            return (await self.client.read_flow_run(flow_run.id)).state
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            self._logger.warning("The Prefect server did not answer: %s", type(error).__name__)
            return None

    def _ending_soon(self, flow: FlowProcess, watches: anyio.abc.TaskGroup) -> Callable[[], object]:
        """What is done about a cancelled run's process that Prefect's own ways don't end."""

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
            for line in ending.said:
                log.warning("%s", line)
            flow.drop()
        await anyio.sleep(_SECONDS_TO_END)
        flow.signal(signal.SIGKILL)

    async def _conclude(self, flow_run: FlowRun, ending: Ending) -> None:
        """See that a run that is over has a state that says so."""
        try:
            found = await self.client.read_flow_run(flow_run.id)
        except ObjectNotFound:
            return
        state = found.state
        if state is None or state.is_final():
            return
        if state.is_cancelling():
            await self._mark_flow_run_as_cancelled(found, {"message": "Cancelled by the worker."})
        elif state.is_running() or state.is_pending():
            await self._propose_crashed_state(
                flow_run, f"The run did not end well: {ending.reason}."
            )


def _joined(found: Mapping[str, str], asked: Mapping[str, str | None]) -> dict[str, str]:
    """What tells a flow of its cluster, with what the pool asks for under the same names."""
    joined = dict(found)
    if asked.get("PYSPARK_SUBMIT_ARGS"):
        ours = joined.get("PYSPARK_SUBMIT_ARGS", "").removesuffix("pyspark-shell")
        joined["PYSPARK_SUBMIT_ARGS"] = f"{ours}{asked['PYSPARK_SUBMIT_ARGS']}"
    if asked.get("SPARK_SUBMIT_OPTS"):
        joined["SPARK_SUBMIT_OPTS"] = (
            f"{joined.get('SPARK_SUBMIT_OPTS', '')} {asked['SPARK_SUBMIT_OPTS']}"
        )
    # First on its path: what sees to it that SIGTERM ends the flow.
    path = (str(STARTUP), asked.get("PYTHONPATH"))
    return {**joined, "PYTHONPATH": os.pathsep.join(filter(None, path))}
