"""A cluster that EMR Serverless makes for one job run, in which the flow runs.

The job run starts the flow from an entry point in a bucket and finds its packages in a packed
environment beside it. What it needs to reach the Prefect server goes by environment; the key of
the server's API does not, for everybody who may look at a job run sees its environment.
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
_LOOKS_IN_VAIN = 5
_SECRET = ("_KEY", "_TOKEN", "_AUTH_STRING", "_PASSWORD", "_SECRET")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What a job run is started with.

    Args:
        application: The id of the EMR Serverless application.
        role: The ARN of the role that the job runs as.
        entry_point: Where `entry_point.py` lies, such as s3://bucket/entry_point.py.
        archive: Where the packed environment lies; None for the application's own image.
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
        """What StartJobRun is called with.

        Args:
            name: That of the job run, and the token that keeps it from being started twice.
            flow_run: The id of the flow run.
            environment: What the flow finds in its environment; secrets are left out.
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
            # The service puts the secret's text in its place, where nobody can look.
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
        leash: To the guardian, which cancels the job run when the worker can't.
        settings: What the job run is started with.
        access: Where the service is, and as whom it is called.
        flow_run: The id of the flow run.
        environment: What the flow finds in its environment.
        log: That of the flow run.
    """

    carries_flow = True

    def __init__(
        self,
        leash: WatchdogPipe,
        settings: JobSettings,
        access: Access,
        *,
        flow_run: str,
        environment: Mapping[str, str],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._leash = leash
        self._settings = settings
        self._access = access
        self._calls = EmrServerlessApi(access)
        self._request = settings.request(f"strandline-{leash.token}", flow_run, environment)
        self._job: dict[str, Any] = {
            "application": settings.application,
            "name": self._request["name"],
        }
        self._pauses = self._fresh_pauses()
        self._log = log

    async def start(self) -> Mapping[str, str]:
        """Start the job run.

        Raises:
            StrandlineError: The service refuses it, or can't be reached.
        """
        # Noted before it exists: were the worker killed in between, it is found by its name.
        await self._note()
        run = await anyio.to_thread.run_sync(
            self._calls.submit, self._request, abandon_on_cancel=True
        )
        self._job["run"] = run
        await self._note()
        self._log.info("Job run %s of application %s started", run, self._settings.application)
        if self._settings.log_uri is not None:
            self._log.info("Its logs: %s", self._logs())
        return {}

    async def ended(self) -> Ending:
        """Look at the job run, ever less often, until it has ended."""
        before, failures = "", 0
        while True:
            try:
                found = await anyio.to_thread.run_sync(
                    self._calls.look, self._job, abandon_on_cancel=True
                )
            except EnvironmentUnfitError as error:
                failures += 1
                if failures >= _LOOKS_IN_VAIN:
                    await self.cancel()
                    return Ending(1, f"the job run can't be looked at: {error.found}")
                self._log.warning("EMR Serverless did not answer: %s", error.found)
            else:
                failures = 0
                if found.state != before:
                    await self._show(found)
                    before = found.state
                if found.ended:
                    return _ending(found)
            await anyio.sleep(next(self._pauses))

    async def cancel(self) -> None:
        """Ask the service to end the job run; `ended` then looks often again."""
        await anyio.to_thread.run_sync(self._calls.cancel, self._job)
        self._pauses = self._fresh_pauses()

    async def _note(self) -> None:
        where = {"region": self._access.region, "endpoint": self._access.endpoint}
        await self._leash.order(job={**self._job, **where}, access=self._access.fields())
        await self._leash.report()

    async def _show(self, found: JobRun) -> None:
        self._log.info("Job run %s is %s", self._job["run"], found.state)
        if found.state == "RUNNING":
            page = await anyio.to_thread.run_sync(self._calls.page, self._job)
            if page is not None:
                self._log.info("Its Spark page, for an hour: %s", page)

    def _logs(self) -> str:
        base = str(self._settings.log_uri).rstrip("/")
        return f"{base}/applications/{self._settings.application}/jobs/{self._job['run']}/"

    def _fresh_pauses(self) -> Iterator[float]:
        return growing_intervals(_FIRST_PAUSE, _LONGEST_PAUSE, Random(self._leash.token))  # noqa: S311


def _ending(found: JobRun) -> Ending:
    status = 0 if found.state == "SUCCESS" else 1
    return Ending(status, f"the job run ended as {found.state}", tuple(found.details.splitlines()))
