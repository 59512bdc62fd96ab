from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks.lakehouse import Lakehouse
from blocks.spark import jvm_launch
from blocks.spark_runtime import SparkRuntime
from contracts.errors import EnvironmentUnfitError, SettingsError

ROOT = Path(__file__).parents[2]
CANARY = "canary-of-a-secret"


@pytest.fixture
def lakehouse(tmp_path, postgres) -> Lakehouse:
    """A catalog in PostgreSQL, over a warehouse of the test's own."""
    postgres.create_database("catalog")
    return Lakehouse(
        warehouse=str(tmp_path / "lake"),
        uri=f"jdbc:postgresql://127.0.0.1:{postgres.port}/catalog",
        user=postgres.user,
        password=postgres.password,
    )


@pytest.fixture
def runtime(spark, tmp_path) -> SparkRuntime:
    """The tests' own Spark, which runs already."""
    return SparkRuntime(master="local[2]", shuffle_partitions=3, log_directory=tmp_path / "logs")


def test_a_running_spark_is_used_and_its_own_session_left_as_it_is(runtime, lakehouse, spark):
    before = spark.conf.get("spark.sql.catalog.lake.type")
    session = runtime.session(lakehouse)
    session.sql("CREATE NAMESPACE IF NOT EXISTS lake.runtime")
    session.sql("CREATE OR REPLACE TABLE lake.runtime.written AS SELECT 7 AS i")

    assert session.table("lake.runtime.written").first().i == 7
    assert session.conf.get("spark.sql.catalog.lake.type") == "jdbc"
    assert session.conf.get("spark.sql.shuffle.partitions") == "3"
    assert session.conf.get("spark.sql.session.timeZone") == "UTC"
    assert session.conf.get("spark.sql.adaptive.enabled") == "true"
    assert list(Path(lakehouse.warehouse).rglob("*.parquet"))
    assert spark.conf.get("spark.sql.catalog.lake.type") == before
    session.sql("DROP TABLE lake.runtime.written PURGE")


def test_who_asks_alike_gets_the_same_session_and_who_wants_one_alone_gets_it(runtime, lakehouse):
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(lambda _: runtime.session(lakehouse), range(4)))
    alone = [runtime.session(lakehouse, shared=False) for _ in range(2)]

    assert {id(session) for session in sessions} == {id(runtime.session(lakehouse))}
    assert len({id(session) for session in [sessions[0], *alone]}) == 3
    alone[0].conf.set("spark.sql.iceberg.snapshot-property.batch", "b1")
    for other in (sessions[0], alone[1]):
        assert other.conf.get("spark.sql.iceberg.snapshot-property.batch", None) is None
    assert {session.conf.get("spark.sql.catalog.lake.uri") for session in alone} == {lakehouse.uri}


def test_another_lakehouse_gets_a_session_beside_the_first(runtime, lakehouse, tmp_path):
    other = lakehouse.model_copy(update={"warehouse": str(tmp_path / "other")})
    first, second = runtime.session(lakehouse), runtime.session(other)

    assert first is not second
    assert runtime.session(lakehouse) is first
    assert first.conf.get("spark.sql.catalog.lake.warehouse").endswith("/lake")
    assert second.conf.get("spark.sql.catalog.lake.warehouse").endswith("/other")


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({"kind": "master", "master": "spark://elsewhere:7077"}, "spark://elsewhere:7077"),
        ({"packages": ("org.example:more:1",)}, "org.example:more:1"),
        ({"configuration": {"spark.sql.warehouse.dir": CANARY}}, "spark.sql.warehouse.dir"),
        ({"kind": "connect"}, "Spark Connect"),
    ],
)
def test_what_a_running_spark_can_not_become_is_said(runtime, lakehouse, fields, needed):
    with pytest.raises(SettingsError, match="process of its own") as caught:
        runtime.model_copy(update=fields).session(lakehouse)

    assert needed in caught.value.expected
    assert CANARY not in str(caught.value)


def test_a_jar_for_another_lakehouse_can_not_be_added_to_a_running_spark(runtime, monkeypatch):
    monkeypatch.setattr("blocks.lakehouse._AWS", "org.example:newer-aws-bundle:1")
    on_s3 = Lakehouse(kind="glue", warehouse="s3://bucket/lake")

    with pytest.raises(SettingsError, match="newer-aws-bundle"):
        runtime.session(on_s3)


def test_a_connect_server_that_does_not_answer_is_unfit(lakehouse):
    runtime = SparkRuntime(
        kind="connect", master="sc://127.0.0.1:1", connect_token=SecretStr(CANARY)
    )

    with pytest.raises(EnvironmentUnfitError, match=r"127\.0\.0\.1:1\b") as caught:
        runtime.session(lakehouse)
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_spark_connect_without_its_packages_says_what_to_install(lakehouse, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql.connect.session", None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        runtime = SparkRuntime(kind="connect", master=f"sc://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(EnvironmentUnfitError, match=r"strandline\[connect\]"):
            runtime.session(lakehouse)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "local", "master": "spark://host:7077"},
        {"kind": "master", "master": "local[2]"},
        {"kind": "master", "master": "sc://host"},
        {"kind": "connect", "master": "spark://host:7077"},
        {"kind": "connect", "master": f"sc://host/;token={CANARY}"},
        {"driver_memory": "much"},
        {"executor_memory": "2 GB"},
        {"shuffle_partitions": 0},
    ],
)
def test_a_block_that_can_not_work_is_refused_and_shows_no_secret(fields):
    with pytest.raises(ValidationError) as caught:
        SparkRuntime(**fields)
    assert CANARY not in str(caught.value)


def test_a_cluster_is_told_the_sizes_and_this_machine_is_told_to_listen_on_the_loopback():
    cluster = SparkRuntime(
        kind="master", master="k8s://https://api", executor_memory="4g", executor_instances=2
    )

    assert cluster._executor_settings() == {
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.executor.memory": "4g",
        "spark.executor.instances": "2",
    }
    assert "SPARK_LOCAL_IP" not in cluster._environment()
    local = SparkRuntime()
    assert local._executor_settings()["spark.driver.bindAddress"] == "127.0.0.1"
    assert local._environment()["SPARK_LOCAL_IP"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, {"LC_ALL": "C.UTF-8"}),
        ({"LANG": "en_US.ISO-8859-1"}, {"LC_ALL": "C.UTF-8"}),
        ({}, {"LC_ALL": "C.UTF-8"}),
        ({"LANG": "de_DE.UTF-8"}, {}),
        ({"LC_CTYPE": "en_US.utf8", "LANG": "C"}, {}),
    ],
)
def test_java_names_files_in_utf8_in_every_locale(locale, told, monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, text in locale.items():
        monkeypatch.setenv(name, text)

    assert SparkRuntime(kind="master", master="spark://host:7077")._environment() == told


def run(
    script: str, directory: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A script of this folder in a process, and so a JVM, of its own."""
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(directory), *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_it_starts_quietly_and_writes_through_sqlite_and_glue(tmp_path):
    outcome = run("spark_on_sqlite_and_glue.py", tmp_path)

    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == ["quiet: ok", "sqlite: ok", "glue: ok", "secrets: ok"]


def test_everything_lies_where_it_should_whatever_letters_the_directory_has(tmp_path):
    place = tmp_path / "only this" / "my lake 100% #1? zürich ñ%20{a}*[x]"
    place.mkdir(parents=True)
    outcome = run("spark_in_odd_place.py", place, LC_ALL="C")

    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == [
        "read: ok",
        "files: ok",
        "log: ok",
        "left over: ok",
        "kept: ok",
        "scratch: ok",
        "nothing beside it: ok",
    ]


@pytest.mark.nightly
def test_it_starts_after_starts_that_failed_and_once_more_when_it_was_stopped(tmp_path):
    outcome = run("spark_started_again.py", tmp_path)

    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == [
        "too little memory: ok",
        "no such jar: ok",
        "started: ok",
        "started again: ok",
    ]


@pytest.mark.nightly
def test_it_speaks_spark_connect(tmp_path, postgres):
    postgres.create_database("connected")
    outcome = run("spark_over_connect.py", tmp_path, str(postgres.directory))

    assert outcome.stderr == ""
    assert outcome.stdout.splitlines() == [
        "connect: ok",
        "sessions: ok",
        "elsewhere: ok",
        "protected: ok",
    ]


def test_a_cluster_that_was_started_for_this_process_goes_before_the_block_s_master(
    lakehouse, monkeypatch, tmp_path
):
    monkeypatch.setenv("STRANDLINE_SPARK_MASTER", "spark://127.0.0.1:7077")
    monkeypatch.setenv("_SPARK_AUTH_SECRET", CANARY)
    launched = []
    monkeypatch.setattr(jvm_launch, "running_session", lambda: None)

    def launch(settings, confidential, *, log):
        launched.append((settings, confidential))
        raise EnvironmentUnfitError(where="", expected="", found="", next_step="")

    monkeypatch.setattr(jvm_launch, "launch", launch)
    with pytest.raises(EnvironmentUnfitError):
        SparkRuntime(master="local[2]", log_directory=tmp_path).session(lakehouse)
    ((settings, confidential),) = launched
    assert settings["spark.master"] == "spark://127.0.0.1:7077"
    assert settings["spark.driver.host"] == "127.0.0.1"
    assert CANARY not in str(settings)
    assert confidential["spark.authenticate.secret"] == CANARY
    assert SparkRuntime(kind="connect", master="sc://host")._master() == "sc://host"


def test_what_spark_submit_was_told_goes_before_the_block(monkeypatch):
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    runtime = SparkRuntime(master="local[2]")
    assert runtime._master() == ""
    assert "spark.driver.host" not in runtime._executor_settings()
    assert "SPARK_LOCAL_IP" not in runtime._environment()
