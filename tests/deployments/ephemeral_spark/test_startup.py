"""How clusters and flows start: failures are reported, and SIGTERM ends a flow that hangs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid

import anyio
import pytest

from blocks.spark.java_installation import find_java
from contracts.errors import EnvironmentUnfitError
from deployments.ephemeral_spark.clusters.cluster_processes import members
from deployments.ephemeral_spark.clusters.standalone_cluster import StandaloneCluster
from deployments.ephemeral_spark.clusters.standalone_daemons import STARTUP, ClusterShape
from deployments.ephemeral_spark.clusters.watchdog_pipe import WatchdogPipe
from deployments.ephemeral_spark.worker import _merged_environment

HANGS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
print("ready", flush=True)
time.sleep(1) or time.sleep(600)
"""


def hanging(*words: str, path: str = str(STARTUP)) -> subprocess.Popen[str]:
    """A process that ignores SIGTERM, with these words on its command line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS, *words],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_flow_that_does_not_end_on_sigterm_is_ended():
    with hanging("prefect.engine") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


def test_any_other_process_is_left_alone():
    with hanging("something.else") as process:
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()


def test_a_module_of_that_name_which_is_hidden_is_imported_all_the_same(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('hidden', flush=True)", encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", "import sitecustomize; print(sitecustomize.__file__)"],
        env={**os.environ, "PYTHONPATH": f"{STARTUP}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["hidden", str(tmp_path / "sitecustomize.py")]


@pytest.mark.parametrize(
    ("java", "seconds", "found"),
    [
        ("/nowhere", 60, "No such file or directory"),
        (None, 0.2, "the master has no address, after the seconds it may take to start"),
    ],
    ids=["no Java", "no time"],
)
def test_a_cluster_that_does_not_start_says_why_and_leaves_nothing(tmp_path, java, seconds, found):
    home = java or str(find_java())
    shape = ClusterShape(home, workers=1, cores=1, memory="512m", secret="secret")  # noqa: S106

    async def start() -> str:
        pipe = await WatchdogPipe.open(tmp_path, str(uuid.uuid4()), {})
        log = logging.LoggerAdapter(logging.getLogger("test"))
        try:
            with pytest.raises(EnvironmentUnfitError, match=found):
                await StandaloneCluster(pipe, shape, seconds, log).start()
        finally:
            await pipe.end()
        return pipe.token

    assert members(anyio.run(start)) == []
    assert not list((tmp_path / "ephemeral-spark").iterdir())


def test_what_the_pool_configures_under_the_same_names_is_kept(tmp_path):
    shape = ClusterShape("/java", 1, 1, "512m", "secret-of-the-cluster")
    shape.prepare(tmp_path)
    environment = shape.flow_environment(tmp_path, "spark://127.0.0.1:7077")
    configured = {
        "PYSPARK_SUBMIT_ARGS": "--packages org.example:one:1 pyspark-shell",
        "SPARK_SUBMIT_OPTS": "-Done=1",
        "PYTHONPATH": "/mine",
    }
    merged = _merged_environment(environment, configured)
    assert merged["PYSPARK_SUBMIT_ARGS"].endswith("--packages org.example:one:1 pyspark-shell")
    assert merged["PYSPARK_SUBMIT_ARGS"].count("pyspark-shell") == 1
    assert merged["SPARK_SUBMIT_OPTS"].endswith(" -Done=1")
    assert merged["PYTHONPATH"] == f"{STARTUP}{os.pathsep}/mine"
    commands = [*shape.master(tmp_path), *shape.worker(tmp_path, "spark://127.0.0.1:7077")]
    assert "secret-of-the-cluster" not in " ".join((*commands, merged["PYSPARK_SUBMIT_ARGS"]))
    assert (tmp_path / "conf" / "flow.conf").stat().st_mode & 0o777 == 0o600
