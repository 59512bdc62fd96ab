"""The few calls of EMR Serverless that a job run needs, each safe to repeat.

Promise: a call that is throttled or gets no answer is repeated with growing pauses; what fails in
the end is an error of Strandline's own, without any content of the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from contracts.errors import EnvironmentUnfitError, SettingsError

__all__ = ["Access", "EmrServerlessApi", "JobRun"]

ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 10
_TRIES = 6
_SETTINGS_CODES = {"AccessDeniedException", "ResourceNotFoundException", "ValidationException"}


@dataclass(frozen=True, slots=True)
class Access:
    """The service's region, endpoint and credentials: None means AWS's own chain of defaults."""

    region: str | None = None
    endpoint: str | None = None
    key_id: str | None = None
    secret_key: str | None = None
    session_token: str | None = None

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Self:
        """The access that `fields` was called on."""
        return cls(**fields)

    def fields(self) -> dict[str, Any]:
        """The values as JSON takes them; they hold credentials and are kept in memory only."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class JobRun:
    """The state of a job run."""

    state: str
    details: str

    @property
    def ended(self) -> bool:
        """Whether the job run is over, successful or not."""
        return self.state in ENDED


class EmrServerlessApi:
    """Calls as one account in one region.

    Args:
        access: The service's region, endpoint and credentials.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def submit(self, request: dict[str, Any]) -> str:
        """Start a job run; the same `clientToken` starts it once.

        Returns:
            The job run's id.

        Raises:
            SettingsError: The service refuses the request.
            EnvironmentUnfitError: It can't be reached, or answers with errors of its own.
        """
        with _translated("start a job run"):
            return str(self._client.start_job_run(**request)["jobRunId"])

    def look(self, job: dict[str, Any]) -> JobRun:
        """The state of the job run.

        Raises:
            SettingsError, EnvironmentUnfitError: As for `submit`.
        """
        with _translated("look at a job run"):
            run = self._client.get_job_run(applicationId=job["application"], jobRunId=job["run"])[
                "jobRun"
            ]
        return JobRun(str(run["state"]), str(run.get("stateDetails") or ""))

    def page(self, job: dict[str, Any]) -> str | None:
        """The address of the job run's Spark page, valid for an hour; None when there is none."""
        try:
            with _translated("ask for a job run's page"):
                answer = self._client.get_dashboard_for_job_run(
                    applicationId=job["application"], jobRunId=job["run"]
                )
        except (SettingsError, EnvironmentUnfitError):
            return None  # a link is no reason to fail
        url = answer.get("url")
        return None if url is None else str(url)

    def cancel(self, job: dict[str, Any]) -> None:
        """End a job run, if it was started and has not ended.

        Args:
            job: `application` and `run`; or `name` instead of `run`, where the process that
                started it may have died before it had the id.
        """
        for run in [job["run"]] if job.get("run") else self._named(job):
            with _translated("cancel a job run"):
                try:
                    self._client.cancel_job_run(applicationId=job["application"], jobRunId=run)
                except self._client.exceptions.ResourceNotFoundException:
                    continue
                except self._client.exceptions.ValidationException:
                    # It has ended meanwhile; if it has not, that is an error.
                    if not self.look({**job, "run": run}).ended:
                        raise

    def _named(self, job: dict[str, Any]) -> list[str]:
        with _translated("list job runs"):
            pages = self._client.get_paginator("list_job_runs").paginate(
                applicationId=job["application"]
            )
            return [
                str(run["id"])
                for page in pages
                for run in page["jobRuns"]
                if run.get("name") == job["name"] and run["state"] not in ENDED
            ]

    @cached_property
    def _client(self) -> Any:
        # Takes a third of a second, which a worker with the other backend need not spend.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(
            "emr-serverless",
            region_name=self._access.region,
            endpoint_url=self._access.endpoint,
            aws_access_key_id=self._access.key_id,
            aws_secret_access_key=self._access.secret_key,
            aws_session_token=self._access.session_token,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_ANSWER_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
            ),
        )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "an unknown error"))
        kind = SettingsError if code in _SETTINGS_CODES else EnvironmentUnfitError
        # Not `from error`: its text repeats the request.
        raise kind(
            where="EMR Serverless",
            expected=f"to {what}",
            found=code,
            next_step="See the work pool's variables, the role's rights and the application.",
        ) from None
    except BotoCoreError as error:
        raise EnvironmentUnfitError(
            where="EMR Serverless",
            expected=f"to {what}",
            found=type(error).__name__,
            next_step="See the region, the credentials and the way to the service.",
        ) from None
