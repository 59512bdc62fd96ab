"""A flow with one small Spark job, which says by files in what phase it is."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow


def linger(flow, flow_run, state):
    """Be there for a while after the run has its final state, as a flow with hooks may be."""
    Path(flow_run.parameters["marks"], "finishing").touch()
    time.sleep(flow_run.parameters["linger"])


@flow(name="job-on-spark", on_completion=[linger])
def job_on_spark(marks: str, seconds: float = 0, linger: float = 0) -> int:
    """Count rows that the executors' Python has seen, each partition after some seconds."""
    from pyspark.sql import SparkSession

    def slowly(batches):
        Path(marks, "running").touch()
        time.sleep(seconds)
        yield from batches

    spark = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
    Path(marks, "master").write_text(spark.conf.get("spark.master"), encoding="utf-8")
    count = spark.range(100, numPartitions=2).mapInArrow(slowly, "id long").count()
    Path(marks, "count").write_text(str(count), encoding="utf-8")
    spark.stop()
    return count
