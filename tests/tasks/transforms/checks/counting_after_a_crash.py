"""Counts rows by checks while each task's first attempt dies halfway; prints the counts as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from pyspark import TaskContext
from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F

from contracts.model import Check
from tasks.transforms.checks.row_checks import compile_row_checks, counts, failed_checks, judged
from tests.tasks.transforms.examples import plain_contract

ROWS, PARTS = 40_000, 4


def dies_first(batches):
    """Hands on some batches, then fails if it is the task's first attempt."""
    attempt = TaskContext.get().attemptNumber()
    for number, batch in enumerate(batches):
        if attempt == 0 and number == 2:
            raise RuntimeError("the first attempt ends here")
        yield batch


def main(warehouse: str) -> None:
    spark = (
        # Two cores, and each task may fail once.
        SparkSession.builder.master("local[2,2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", warehouse)
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
        .getOrCreate()
    )
    checks = (
        Check("even", "in_set", ("last",), {"values": (0, 2, 4, 6, 8)}),
        Check("small", "between", ("last",), {"high": 6}),
    )
    plan = compile_row_checks(plain_contract({"last": "int"}, (), checks))
    rows = spark.range(0, ROWS, numPartitions=PARTS).select(
        F.col("id").cast("int"), (F.col("id") % 10).cast("int").alias("last")
    )
    mask = failed_checks(plan, as_of=datetime(2024, 5, 1, tzinfo=UTC), ignored=F.lit(False))
    observation = Observation("crash")
    checked = rows.mapInArrow(dies_first, rows.schema).withColumn("m", *mask)
    checked.observe(observation, *counts(plan, (F.col("m"),))).write.format("noop").mode(
        "overwrite"
    ).save()
    observed = observation.get
    found = judged(observed)
    attempts = spark.sparkContext.statusTracker().getJobIdsForGroup()
    failed = sum(
        info.numFailedTasks
        for job in attempts
        for stage in spark.sparkContext.statusTracker().getJobInfo(job).stageIds
        if (info := spark.sparkContext.statusTracker().getStageInfo(stage)) is not None
    )
    told = {"rows": found.rows, "refused": found.refused, "failed_tasks": failed, **observed}
    sys.stdout.write(json.dumps(told) + "\n")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
