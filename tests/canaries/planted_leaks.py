"""Leaks on purpose, into each place that is searched: a search that misses one is blind there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.canaries.canaries import PLANTED


@flow(name="leak", persist_result=True)
def leak() -> str:
    """Into Prefect's database as a log and an artifact, and as a result into a file."""
    get_run_logger().info(PLANTED)
    create_markdown_artifact(PLANTED, key="leak")
    return PLANTED


def plant(spark: SparkSession, catalog: str) -> None:
    """Into plans, a failed task's reason, tables that stay and that go, Prefect, and a process.

    Raises:
        ValueError: With the text in it.
    """
    leak()
    frame = spark.range(1).select(F.lit(PLANTED).alias("leak"))
    for place in ("clinic.leaks", "stage.leaks"):
        frame.writeTo(f"{catalog}.{place}").create()
    spark.sql(f"DROP TABLE {catalog}.stage.leaks PURGE")
    with contextlib.suppress(PySparkException):
        spark.sql(f"SELECT raise_error({sql_text(PLANTED)})").collect()
    sleep = [sys.executable, "-c", "import time; time.sleep(2)"]
    with (
        subprocess.Popen([*sleep, PLANTED]),
        subprocess.Popen(sleep, env={**os.environ, "LEAK": PLANTED}),
    ):
        pass
    raise ValueError(PLANTED)


def sql_text(text: str) -> str:
    """The text as a literal of Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
