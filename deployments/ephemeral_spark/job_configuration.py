"""The variables of a work pool of type ephemeral-spark: its form, and a run's configuration."""

from __future__ import annotations

from typing import Any, Literal

from prefect.workers.process import ProcessJobConfiguration, ProcessVariables
from prefect_aws import AwsCredentials
from pydantic import BaseModel, Field, PrivateAttr

from contracts.errors import SettingsError
from deployments.ephemeral_spark.clusters.emr_serverless_api import Access
from deployments.ephemeral_spark.clusters.emr_serverless_cluster import JobSettings

__all__ = ["EphemeralSparkConfiguration", "EphemeralSparkVariables"]


class _Fields(BaseModel):
    """The fields that the form and the configuration share."""

    backend: Literal["standalone", "emr-serverless"] = Field(
        default="standalone",
        description="A master and workers on the worker's machine, or a job run of AWS EMR.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Standalone: how many Spark workers a run gets."
    )
    cores_per_worker: int = Field(
        default=2, ge=1, description="Standalone: how many tasks each Spark worker runs at a time."
    )
    memory_per_worker: str = Field(
        default="1g",
        pattern=r"^\d+[mg]$",
        description="Standalone: memory of each Spark worker, such as 2g; also its executor's.",
    )
    start_seconds: int = Field(
        default=120,
        ge=1,
        description="Standalone: how long a cluster may take to start before the run crashes.",
    )
    emr_application: str | None = Field(
        default=None, title="EMR application", description="EMR: the id of the application."
    )
    emr_role: str | None = Field(
        default=None, title="EMR role", description="EMR: the ARN of the role that jobs run as."
    )
    emr_entry_point: str | None = Field(
        default=None,
        title="EMR entry point",
        description="EMR: where deployments/ephemeral_spark/clusters/emr_job_entry_point.py lies, s3://...",
    )
    emr_archive: str | None = Field(
        default=None,
        title="EMR packed environment",
        description="EMR: a packed environment (venv-pack), s3://...; empty for a custom image.",
    )
    emr_key_secret: str | None = Field(
        default=None,
        title="EMR secret with the Prefect API key",
        description="EMR: the name of a Secrets Manager secret. A key never goes by environment.",
    )
    emr_log_uri: str | None = Field(
        default=None, title="EMR logs", description="EMR: where logs are kept, s3://..."
    )
    emr_properties: dict[str, str] = Field(
        default_factory=dict,
        title="EMR Spark properties",
        description="EMR: Spark properties of the job run, such as spark.executor.cores.",
    )
    emr_minutes: int = Field(
        default=720,
        ge=1,
        title="EMR minutes",
        description="EMR: after how long the service ends a job run by itself.",
    )
    aws_credentials: AwsCredentials | None = Field(
        default=None,
        title="AWS credentials",
        description="EMR: who starts job runs; empty for the worker's own identity.",
    )


class EphemeralSparkVariables(_Fields, ProcessVariables):
    """The form of the work pool."""


class EphemeralSparkConfiguration(_Fields, ProcessJobConfiguration):
    """One flow run's configuration."""

    _configured_env: dict[str, str | None] = PrivateAttr(default_factory=dict)

    def prepare_for_flow_run(self, *arguments: Any, **options: Any) -> None:
        """Complete the configuration for a flow run; Prefect adds this process's environment."""
        self._configured_env = dict(self.env)
        super().prepare_for_flow_run(*arguments, **options)

    def environment_elsewhere(self) -> dict[str, str]:
        """The environment of a flow on another machine.

        It has the variables of the work pool and the deployment, and the settings for reaching the
        Prefect server; settings that name files of this machine are omitted.
        """
        settings = {
            name: text
            for name, text in self.env.items()
            if name.startswith(("PREFECT_", "PREFECT__"))
            and not name.startswith("PREFECT_SERVER_")
            and not name.endswith(("_HOME", "_PATH"))
        }
        return {
            name: text
            for name, text in {**settings, **self._configured_env}.items()
            if text is not None
        }

    def job_settings(self) -> JobSettings:
        """What a job run is started with.

        Raises:
            SettingsError: A variable that EMR Serverless needs is empty.
        """
        needed = {
            "emr_application": self.emr_application,
            "emr_role": self.emr_role,
            "emr_entry_point": self.emr_entry_point,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise SettingsError(
                where="the work pool's variables",
                expected="all that the backend emr-serverless needs",
                found=f"nothing in {', '.join(missing)}",
                next_step="Fill them in, in the work pool or in the deployment's job_variables.",
            )
        return JobSettings(
            application=str(self.emr_application),
            role=str(self.emr_role),
            entry_point=str(self.emr_entry_point),
            archive=self.emr_archive,
            key_secret=self.emr_key_secret,
            log_uri=self.emr_log_uri,
            properties=self.emr_properties,
            minutes=self.emr_minutes,
        )

    def access(self) -> Access:
        """The region, endpoint and credentials of AWS; may call AWS to assume a role."""
        block = self.aws_credentials
        if block is None:
            return Access()
        session = block.get_boto3_session()
        credentials = session.get_credentials()
        keys = None if credentials is None else credentials.get_frozen_credentials()
        return Access(
            region=session.region_name,
            endpoint=block.aws_client_parameters.endpoint_url,
            key_id=keys and keys.access_key,
            secret_key=keys and keys.secret_key,
            session_token=keys and keys.token,
        )
