"""Job runs of EMR Serverless, against moto and against a double that misbehaves."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from itertools import islice
from random import Random

import anyio
import pytest

from contracts.errors import EnvironmentUnfitError, SettingsError
from deployments.ephemeral_spark.clusters import emr_serverless_api, emr_serverless_cluster
from deployments.ephemeral_spark.clusters.cluster_interface import Ending
from deployments.ephemeral_spark.clusters.cluster_record import ClusterRecord
from deployments.ephemeral_spark.clusters.emr_serverless_api import Access, EmrServerlessApi
from deployments.ephemeral_spark.clusters.emr_serverless_cluster import (
    EmrServerlessCluster,
    JobSettings,
)
from deployments.ephemeral_spark.clusters.poll_interval import growing_intervals
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe
from deployments.ephemeral_spark.job_configuration import EphemeralSparkConfiguration
from tests.deployments.ephemeral_spark.emr_double import Service, emr
from tests.deployments.ephemeral_spark.stage import wait_for

SETTINGS = JobSettings(
    application="app",
    role="arn:aws:iam::123456789012:role/spark",
    entry_point="s3://bucket/entry_point.py",
    archive="s3://bucket/environment.tar.gz",
    key_secret="prefect-key",  # noqa: S106
    log_uri="s3://bucket/logs/",
    properties={"spark.executor.cores": "4"},
    minutes=60,
)
ENVIRONMENT = {"PREFECT_API_URL": "http://example.invalid/api", "PREFECT_API_KEY": "pnu_secret"}


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    """Poll and wait in hundredths of seconds."""
    monkeypatch.setattr(emr_serverless_cluster, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(emr_serverless_cluster, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(emr_serverless_api, "_ANSWER_SECONDS", 1)


@pytest.fixture
def service() -> Iterator[Service]:
    with emr(Service()) as running:
        yield running


def access(url: str) -> Access:
    return Access("eu-central-1", url, "testing", "testing")


def job_of(service: Service, pipe: WatchdogPipe) -> EmrServerlessCluster:
    return EmrServerlessCluster(
        pipe,
        SETTINGS,
        access(service.url),
        flow_run="flow-run",
        environment=ENVIRONMENT,
        log=logging.LoggerAdapter(logging.getLogger("test")),
    )


def run_to_its_end(service: Service, home, *, cancel: bool = False) -> Ending:
    """Start a job run, perhaps cancel it, and wait for its end."""

    async def both() -> Ending:
        pipe = await WatchdogPipe.open(home, str(uuid.uuid4()), {})
        try:
            job = job_of(service, pipe)
            await job.start()
            if cancel:
                await job.cancel()
                await job.cancel()
            with anyio.fail_after(60):
                return await job.ended()
        finally:
            await pipe.end()

    return anyio.run(both)


def test_a_job_run_is_started_and_watched_to_its_end(service, tmp_path):
    assert run_to_its_end(service, tmp_path).status == 0
    (job,) = service.jobs.values()
    assert job.request["jobDriver"]["sparkSubmit"] == {
        "entryPoint": "s3://bucket/entry_point.py",
        "entryPointArguments": ["flow-run"],
    }
    assert not list((tmp_path / "ephemeral-spark").iterdir())


def test_a_job_that_fails_ends_with_what_the_service_says(service, tmp_path):
    service.states = ("SUBMITTED", "RUNNING", "FAILED")
    service.details = "Job failed, please check complete logs in configured logging destination."
    ending = run_to_its_end(service, tmp_path)
    assert ending.status == 1
    assert "FAILED" in ending.reason
    assert ending.output == (service.details,)


def test_throttled_and_broken_calls_are_repeated_and_start_one_job(service, tmp_path):
    service.faults = ["throttle", "break", "lose", "throttle"]
    assert run_to_its_end(service, tmp_path).status == 0
    assert len(service.jobs) == 1
    assert service.calls.count("start") >= 4


def test_a_call_to_a_service_that_hangs_is_repeated(service, tmp_path):
    service.faults = ["hang"]
    assert run_to_its_end(service, tmp_path).status == 0
    assert service.calls[:2] == ["start", "start"]


def test_a_service_that_stays_broken_is_given_up(service, monkeypatch):
    monkeypatch.setattr(emr_serverless_api, "_TRIES", 2)
    service.faults = ["break"] * 2
    with pytest.raises(EnvironmentUnfitError, match="InternalServerException"):
        EmrServerlessApi(access(service.url)).submit(SETTINGS.request("name", "flow-run", {}))


def test_an_unknown_job_run_is_an_error_of_settings(service):
    with pytest.raises(SettingsError, match="ResourceNotFoundException"):
        EmrServerlessApi(access(service.url)).look({"application": "app", "run": "none"})


def test_a_cancelled_job_run_ends_and_may_be_cancelled_again(service, tmp_path):
    service.states = ("RUNNING",)
    ending = run_to_its_end(service, tmp_path, cancel=True)
    assert "CANCELLED" in ending.reason


def test_a_job_run_whose_id_never_arrived_is_found_by_its_name(service):
    service.states = ("RUNNING",)
    calls = EmrServerlessApi(access(service.url))
    calls.submit(SETTINGS.request("strandline-a", "flow-run", {}))
    calls.submit(SETTINGS.request("strandline-b", "flow-run", {}))
    calls.cancel({"application": "app", "name": "strandline-b"})
    assert [job.cancelled for job in service.jobs.values()] == [False, True]


def test_a_job_run_is_cancelled_when_its_worker_has_ended(service, tmp_path, prefect_server):
    service.states = ("RUNNING",)

    async def abandon() -> ClusterRecord | None:
        from prefect.settings import get_current_settings

        environment = get_current_settings().to_environment_variables(exclude_unset=True)
        pipe = await WatchdogPipe.open(tmp_path, str(uuid.uuid4()), environment)
        await job_of(service, pipe).start()
        record = ClusterRecord.read(pipe.directory)
        await pipe.let_go()
        await pipe._process.wait()
        return record

    record = anyio.run(abandon)
    assert record is not None
    assert record.job is not None
    assert record.job["run"] == "run1"
    assert "testing" not in str(record.job)  # no credential on disk
    wait_for("the cancellation", lambda: service.jobs["run1"].cancelled)
    assert not list((tmp_path / "ephemeral-spark").iterdir())


def test_no_key_goes_by_the_environment_of_a_job_run():
    request = SETTINGS.request("name", "flow-run", ENVIRONMENT)
    assert "pnu_secret" not in str(request)
    (defaults,) = request["configurationOverrides"]["applicationConfiguration"]
    prefix = "spark.emr-serverless.driverEnv"
    assert defaults["properties"][f"{prefix}.PREFECT_API_URL"] == ENVIRONMENT["PREFECT_API_URL"]
    assert defaults["properties"][f"{prefix}.PREFECT_API_KEY"] == "EMR.secret@prefect-key"
    assert defaults["properties"]["spark.archives"] == "s3://bucket/environment.tar.gz#environment"
    assert defaults["properties"]["spark.executor.cores"] == "4"


def test_a_pool_without_an_application_is_an_error_that_names_the_variable():
    with pytest.raises(SettingsError, match="emr_application, emr_role, emr_entry_point"):
        EphemeralSparkConfiguration(backend="emr-serverless").job_settings()


def test_pauses_grow_to_the_longest_and_differ():
    first, other = (list(islice(growing_intervals(1, 20, Random(seed)), 12)) for seed in (1, 2))  # noqa: S311
    assert first != other
    assert first[0] <= 1
    assert all(16 <= pause <= 20 for pause in first[-3:])


def test_moto_takes_every_call(tmp_path, monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    where = access(f"http://{host}:{port}")
    try:
        client = boto3.client(
            "emr-serverless",
            region_name=where.region,
            endpoint_url=where.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
        )
        application = client.create_application(releaseLabel="emr-7.9.0", type="SPARK")
        job = {"application": application["applicationId"], "name": "strandline-moto"}
        calls = EmrServerlessApi(where)
        request = SETTINGS.request("strandline-moto", "flow-run", ENVIRONMENT)
        job["run"] = calls.submit({**request, "applicationId": job["application"]})
        assert calls.look(job).ended
        calls.cancel(job)
        assert calls.look(job).state in emr_serverless_api.ENDED
    finally:
        server.stop()
