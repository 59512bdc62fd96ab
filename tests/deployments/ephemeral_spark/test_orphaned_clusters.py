"""Clusters whose worker, or also whose watchdog, was killed: found, ended and reported."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid

import anyio
import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings
from prefect.states import Cancelling, Completed, Pending, Running, Scheduled

from deployments.ephemeral_spark.cleanup.crashed_run_report import report_crashed_run
from deployments.ephemeral_spark.cleanup.orphaned_clusters import end_orphaned_clusters
from deployments.ephemeral_spark.cleanup.worker_temp_directory import WorkerTempDirectory
from deployments.ephemeral_spark.clusters.cluster_processes import MARK, end_members, members
from deployments.ephemeral_spark.clusters.cluster_record import ClusterRecord, abandoned
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe
from tests.deployments.ephemeral_spark.stage import wait_for


@flow
def nothing() -> None:
    """The flow of the tests' runs."""


def run_in(state) -> FlowRun:
    """A flow run that stays in this state."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run(nothing, state=state)


def state_of(run: FlowRun) -> str:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run.id).state.name


def sleeper(token: str) -> subprocess.Popen[bytes]:
    """A process of a cluster, in a session of its own as Spark's Python workers are."""
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, MARK: token},
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (Scheduled(), "Scheduled"),
        (Pending(), "Crashed"),
        (Running(), "Crashed"),
        (Cancelling(), "Cancelled"),
        (Completed(), "Completed"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_run_that_no_process_runs_any_more_gets_a_final_state(prefect_server, state, wanted):
    run = run_in(state)
    with get_client(sync_client=True) as client:
        report_crashed_run(client, run.id)
        report_crashed_run(client, run.id)
        report_crashed_run(client, uuid.uuid4())  # of a run that was deleted
    assert state_of(run) == wanted


def test_all_processes_with_the_mark_end_and_no_other(tmp_path):
    ours, other = sleeper("a-token"), sleeper("another-token")
    try:
        wait_for("both", lambda: members("a-token") and members("another-token"))
        assert end_members("a-token") == []
        assert ours.wait(5) == -9
        assert other.poll() is None
        assert end_members("a-token") == []
    finally:
        other.kill()
        other.wait()


def test_a_watchdog_whose_pipe_closes_ends_the_run_and_removes_its_files(prefect_server, tmp_path):
    run = run_in(Running())

    async def abandon() -> None:
        environment = get_current_settings().to_environment_variables(exclude_unset=True)
        pipe = await WatchdogPipe.open(tmp_path, str(run.id), environment)
        process = sleeper(pipe.token)
        await pipe.let_go()
        with anyio.fail_after(120):
            await pipe._process.wait()
        assert process.wait(5) == -9

    anyio.run(abandon)
    assert state_of(run) == "Crashed"
    assert not list((tmp_path / "ephemeral-spark").iterdir())


def test_what_a_killed_watchdog_leaves_the_next_worker_removes(prefect_server, tmp_path):
    run = run_in(Running())

    async def kill_and_clean_up() -> None:
        pipe = await WatchdogPipe.open(tmp_path, str(run.id), {})
        process = sleeper(pipe.token)
        wait_for("the process", lambda: members(pipe.token, spare=(pipe.pid,)))
        record = ClusterRecord.read(pipe.directory)
        assert record is not None
        assert record.watchdog.pid == pipe.pid
        assert list(abandoned(tmp_path)) == []
        psutil.Process(pipe.pid).kill()
        await pipe._process.wait()
        assert list(abandoned(tmp_path)) == [(pipe.directory, record)]
        await end_orphaned_clusters(tmp_path, logging.getLogger("test"))
        assert process.wait(5) == -9

    anyio.run(kill_and_clean_up)
    assert state_of(run) == "Crashed"
    assert not list((tmp_path / "ephemeral-spark").iterdir())


def test_a_record_stays_as_long_as_the_run_could_not_be_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")

    async def kill_and_clean_up() -> None:
        pipe = await WatchdogPipe.open(tmp_path, str(uuid.uuid4()), {})
        psutil.Process(pipe.pid).kill()
        await pipe._process.wait()
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            await end_orphaned_clusters(tmp_path, logging.getLogger("test"))
        assert ClusterRecord.read(pipe.directory) is not None

    anyio.run(kill_and_clean_up)


def test_a_worker_s_own_files_go_with_it_or_with_the_next(tmp_path):
    workers = tmp_path / "ephemeral-spark-workers"
    orphan, other = workers / "1-1.0-an-earlier-boot", workers / "notes"
    orphan.mkdir(parents=True)
    other.mkdir()
    directory = WorkerTempDirectory(tmp_path)
    path = directory.make()
    anyio.run(end_orphaned_clusters, tmp_path, logging.getLogger("test"))
    assert path.is_dir()
    assert other.is_dir()
    assert not orphan.exists()
    directory.remove()
    assert not path.exists()
