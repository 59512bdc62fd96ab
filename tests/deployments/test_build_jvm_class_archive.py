from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.spark.jvm_class_archive import archive_option
from deployments import build_jvm_class_archive

ROOT = Path(__file__).parents[2]


def test_without_an_archive_there_is_no_option(tmp_path):
    assert archive_option(tmp_path / "none.jsa") == ""


def test_the_option_is_one_word_whatever_the_environment_is_called(tmp_path):
    archive = tmp_path / 'an "odd" place\\here' / "classes.jsa"
    archive.parent.mkdir()
    archive.touch()

    assert shlex.split(f"-Da=b {archive_option(archive)} -Dc=d") == [
        "-Da=b",
        f"-XX:SharedArchiveFile={archive}",
        "-Dc=d",
    ]


def test_an_archive_that_exists_is_not_made_again(tmp_path, monkeypatch):
    archive = tmp_path / "there.jsa"
    archive.write_bytes(b"made before")
    monkeypatch.setattr(build_jvm_class_archive, "ARCHIVE", archive)

    build_jvm_class_archive.make()

    assert archive.read_bytes() == b"made before"


@pytest.mark.nightly
def test_the_queries_for_the_archive_run_and_leave_no_table(spark):
    build_jvm_class_archive._exercise(spark)

    assert spark.sql("SHOW TABLES IN lake.n").count() == 0
    spark.sql("DROP NAMESPACE lake.n")


@pytest.mark.nightly
def test_a_broken_archive_is_ignored(tmp_path):
    """What the JVM does with one is the JVM's promise; that Spark still starts is ours."""
    broken = tmp_path / "broken archive.jsa"
    broken.write_bytes(b"not an archive" * 1000)
    script = (
        "from blocks.spark_runtime import SparkRuntime\n"
        "from blocks.lakehouse import Lakehouse\n"
        "import blocks.spark_runtime, pathlib\n"
        f"blocks.spark_runtime.archive_option = lambda: {archive_option(broken)!r}\n"
        f"spark = SparkRuntime(log_directory=pathlib.Path('{tmp_path}')).session(\n"
        f"    Lakehouse(warehouse='{tmp_path}/lake', uri='jdbc:sqlite:{tmp_path}/c.db'))\n"
        "print(spark.range(3).count())\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert (result.stdout, result.stderr) == ("3\n", "")
