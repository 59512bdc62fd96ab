"""A flow in a job run: a real worker, and a double of the service that runs spark-submit.

Takes minutes: `make test-nightly` names this file, and by day pytest does not collect it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.states import Cancelling

from blocks.lakehouse import Lakehouse
from tests.deployments.ephemeral_spark.emr_double import Service, emr
from tests.deployments.ephemeral_spark.matrix import leftovers
from tests.deployments.ephemeral_spark.stage import ROOT, Stage, stage, wait_for

APPLICATION = {
    "backend": "emr-serverless",
    "emr_application": "app",
    "emr_role": "arn:aws:iam::123456789012:role/spark",
    "emr_entry_point": str(ROOT / "deployments/ephemeral_spark/clusters/emr_job_entry_point.py"),
    # spark-submit starts the JVM, so that it has to know which jars the flow's blocks need.
    "emr_properties": {
        "spark.jars.packages": ",".join(
            Lakehouse(catalog="lake", warehouse="any", uri="jdbc:sqlite:any").packages()
        )
    },
}


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    with emr(Service(submit=tmp_path)) as running:
        yield running


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[Stage]:
    with stage(**APPLICATION) as running:
        yield running


@pytest.fixture
def pool(shared_pool, service) -> Iterator[Stage]:
    """The pool, with a worker that calls this test's service."""
    shared_pool.additional = {
        "AWS_ENDPOINT_URL_EMR_SERVERLESS": service.url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    shared_pool.stop_worker()
    shared_pool.start_worker()
    yield shared_pool
    shared_pool.stop_worker()


def test_a_flow_runs_in_the_job_run_and_the_cluster_that_it_was_submitted_to(
    pool, service, tmp_path
):
    run = pool.begin(pool.deploy("rows_in_lake.py", "rows_in_lake"), folder=str(tmp_path))
    state = pool.end_of(run)
    assert state == "Completed", (tmp_path / "job.log").read_text(encoding="utf-8")[-4000:]
    # The block says local[2]; the master of spark-submit takes precedence.
    assert (tmp_path / "total").read_text() == "90 on local[1]"
    wait_for("the end of the job run", lambda: not leftovers(pool, set()), 30)
    (job,) = service.jobs.values()
    assert job.look() == "SUCCESS"
    assert "PREFECT_HOME" not in str(job.request)


def test_a_cancelled_flow_ends_and_so_does_its_job_run(pool, service, tmp_path):
    run = pool.begin(
        pool.deploy("job_on_spark.py", "job_on_spark"), marks=str(tmp_path), milliseconds=600_000
    )
    wait_for("its job", (tmp_path / "running").exists)
    with pool.client() as client:
        client.set_flow_run_state(run.id, Cancelling())
    assert pool.end_of(run, 30) == "Cancelled"
    wait_for("the end of the job run", lambda: not leftovers(pool, set()), 30)
    assert service.jobs["run1"].process.wait(30) is not None


def test_a_job_run_ends_with_its_killed_worker(pool, service, tmp_path):
    run = pool.begin(
        pool.deploy("job_on_spark.py", "job_on_spark"), marks=str(tmp_path), milliseconds=600_000
    )
    wait_for("its job", (tmp_path / "running").exists)
    pool.worker.kill()
    pool.worker.wait()
    assert pool.end_of(run, 30) == "Crashed"
    assert service.jobs["run1"].cancelled
    wait_for("the end of the watchdog", lambda: not leftovers(pool, set()), 30)
