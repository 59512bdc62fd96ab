"""A flow with one small Spark job, which shows by files in which phase it is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from prefect import flow


def linger(flow, flow_run, state):
    """Run on for a while after the run has its final state, as a flow with hooks may."""
    Path(flow_run.parameters["marks"], "finishing").touch()
    time.sleep(flow_run.parameters["linger"])


@flow(name="job-on-spark", on_completion=[linger])
def job_on_spark(marks: str, milliseconds: int = 0, linger: int = 0) -> None:
    """Run a job whose two tasks take some time on the executors."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
    threading.Thread(target=watch, args=(spark.sparkContext, marks), daemon=True).start()
    nap = f"java_method('java.lang.Thread', 'sleep', {milliseconds}L)"
    rows = spark.range(2, numPartitions=2).selectExpr("id", f"{nap} AS nap").collect()
    Path(marks, "rows").write_text(str(len(rows)), encoding="utf-8")
    Path(marks, "master").write_text(spark.sparkContext.master, encoding="utf-8")
    spark.stop()


def watch(context, marks):
    """Make the file `running` once a task runs on an executor."""
    tracker = context.statusTracker()
    while True:
        for stage in tracker.getActiveStageIds():
            if tracker.getStageInfo(stage).numActiveTasks:
                Path(marks, "running").touch()
                return
        time.sleep(0.1)
