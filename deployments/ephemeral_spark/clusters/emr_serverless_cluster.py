"""A cluster that EMR Serverless makes for one job run, in which the flow runs.

The job run starts the flow from an entry point in a bucket and finds its packages in a packed
environment beside it. The settings for reaching the Prefect server go by environment; the key of
the server's API does not, because every user who may view a job run sees its environment.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from contracts.errors import EnvironmentUnfitError
from deployments.ephemeral_spark.clusters.cluster_interface import Ending
from deployments.ephemeral_spark.clusters.emr_serverless_api import Access, EmrServerlessApi, JobRun
from deployments.ephemeral_spark.clusters.poll_interval import growing_intervals
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe

__all__ = ["EmrServerlessCluster", "JobSettings"]

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 20.0
_MAX_FAILURES = 5
_SECRET = ("_KEY", "_TOKEN", "_AUTH_STRING", "_PASSWORD", "_SECRET")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What a job run is started with.

    Args:
        application: The id of the EMR Serverless application.
        role: The ARN of the role that the job runs as.
        entry_point: The URI of the entry point, such as s3://bucket/entry_point.py.
        archive: The URI of the packed environment; None for the application's own image.
        key_secret: The name of a secret in Secrets Manager that holds the Prefect API's key.
        log_uri: Where the service keeps the logs, such as s3://bucket/logs/.
        properties: Further Spark properties.
        minutes: After how long the service ends the job run by itself.
    """

    application: str
    role: str
    entry_point: str
    archive: str | None
    key_secret: str | None
    log_uri: str | None
    properties: Mapping[str, str]
    minutes: int

    def request(self, name: str, flow_run: str, environment: Mapping[str, str]) -> dict[str, Any]:
        """The arguments of StartJobRun.

        Args:
            name: The job run's name, also the token that keeps it from being started twice.
            flow_run: The id of the flow run.
            environment: The flow's environment; secrets are omitted.
        """
        properties = {
            f"spark.emr-serverless.driverEnv.{variable}": text
            for variable, text in environment.items()
            if not variable.upper().endswith(_SECRET)
        }
        if self.archive is not None:
            properties |= {
                "spark.archives": f"{self.archive}#environment",
                "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
                "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "./environment/bin/python",
                "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
            }
        if self.key_secret is not None:
            # The service replaces this by the secret's text, which it does not show.
            properties["spark.emr-serverless.driverEnv.PREFECT_API_KEY"] = (
                f"EMR.secret@{self.key_secret}"
            )
        properties |= self.properties
        overrides: dict[str, Any] = {
            "applicationConfiguration": [
                {"classification": "spark-defaults", "properties": properties}
            ]
        }
        if self.log_uri is not None:
            overrides["monitoringConfiguration"] = {
                "s3MonitoringConfiguration": {"logUri": self.log_uri}
            }
        return {
            "applicationId": self.application,
            "executionRoleArn": self.role,
            "clientToken": name,
            "name": name,
            "executionTimeoutMinutes": self.minutes,
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": self.entry_point,
                    "entryPointArguments": [flow_run],
                }
            },
            "configurationOverrides": overrides,
        }


class EmrServerlessCluster:
    """One job run.

    Args:
        pipe: The pipe to the watchdog, which cancels the job run when the worker can't.
        settings: What the job run is started with.
        access: The service's region, endpoint and credentials.
        flow_run: The id of the flow run.
        environment: The flow's environment.
        log: The flow run's log.
    """

    carries_flow = True

    def __init__(
        self,
        pipe: WatchdogPipe,
        settings: JobSettings,
        access: Access,
        *,
        flow_run: str,
        environment: Mapping[str, str],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._pipe = pipe
        self._settings = settings
        self._access = access
        self._calls = EmrServerlessApi(access)
        self._request = settings.request(f"strandline-{pipe.token}", flow_run, environment)
        self._job: dict[str, Any] = {
            "application": settings.application,
            "name": self._request["name"],
        }
        self._intervals = self._new_intervals()
        self._log = log

    async def start(self) -> Mapping[str, str]:
        """Start the job run.

        Raises:
            StrandlineError: The service refuses it, or can't be reached.
        """
        # Recorded before it exists: if the worker is killed in between, it is found by its name.
        await self._record_job()
        run = await anyio.to_thread.run_sync(
            self._calls.submit, self._request, abandon_on_cancel=True
        )
        self._job["run"] = run
        await self._record_job()
        self._log.info("Job run %s of application %s started", run, self._settings.application)
        if self._settings.log_uri is not None:
            self._log.info("Its logs: %s", self._logs())
        return {}

    async def ended(self) -> Ending:
        """Poll the job run at growing intervals until it has ended."""
        previous_state, failures = "", 0
        while True:
            try:
                job_run = await anyio.to_thread.run_sync(
                    self._calls.look, self._job, abandon_on_cancel=True
                )
            except EnvironmentUnfitError as error:
                failures += 1
                if failures >= _MAX_FAILURES:
                    await self.cancel()
                    return Ending(1, f"the job run can't be looked at: {error.found}")
                self._log.warning("EMR Serverless did not answer: %s", error.found)
            else:
                failures = 0
                if job_run.state != previous_state:
                    await self._show(job_run)
                    previous_state = job_run.state
                if job_run.ended:
                    return _ending(job_run)
            await anyio.sleep(next(self._intervals))

    async def cancel(self) -> None:
        """Ask the service to end the job run; `ended` then polls at short intervals again."""
        await anyio.to_thread.run_sync(self._calls.cancel, self._job)
        self._intervals = self._new_intervals()

    async def _record_job(self) -> None:
        where = {"region": self._access.region, "endpoint": self._access.endpoint}
        await self._pipe.order(job={**self._job, **where}, access=self._access.fields())
        await self._pipe.report()

    async def _show(self, job_run: JobRun) -> None:
        self._log.info("Job run %s is %s", self._job["run"], job_run.state)
        if job_run.state == "RUNNING":
            page = await anyio.to_thread.run_sync(self._calls.page, self._job)
            if page is not None:
                self._log.info("Its Spark page, for an hour: %s", page)

    def _logs(self) -> str:
        base = str(self._settings.log_uri).rstrip("/")
        return f"{base}/applications/{self._settings.application}/jobs/{self._job['run']}/"

    def _new_intervals(self) -> Iterator[float]:
        return growing_intervals(_FIRST_PAUSE, _LONGEST_PAUSE, Random(self._pipe.token))  # noqa: S311


def _ending(job_run: JobRun) -> Ending:
    status = 0 if job_run.state == "SUCCESS" else 1
    return Ending(
        status, f"the job run ended as {job_run.state}", tuple(job_run.details.splitlines())
    )
