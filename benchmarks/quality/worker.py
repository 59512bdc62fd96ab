"""One subject in its own warm process: runs it on command, by lines of JSON.

Commands come by stdin; the answer to each is one line on the channel. A peer's environment has
Spark and the peer, and none of Strandline's own dependencies.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.history.subjects.spark_session import iceberg_catalog, start_spark
from benchmarks.quality.subject import JARS, SUBJECTS, Entry

MEMORY = "2g"
"""Of each JVM; all of them stay warm at the same time."""


def _jobs(spark: SparkSession) -> int:
    """How many jobs Spark has been given, by whichever thread."""
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()  # noqa: SLF001 - Python has no call
    return int(scheduler.numTotalJobs())


def _reader(spark: SparkSession, source: dict[str, Any]) -> Callable[[], DataFrame]:
    half = source["rows"] // 2

    def read() -> DataFrame:
        rows = spark.read.jdbc(
            source["url"],
            source["table"],
            predicates=[f"id <= {half}", f"id > {half}"],
            properties={
                "user": source["user"],
                "password": source["password"],
                "driver": "org.postgresql.Driver",
                "fetchsize": "10000",
            },
        )
        # Without what JDBC notes about the columns, the write need not copy each row to forget it.
        return rows.select(*[F.col(name).alias(name, metadata={}) for name in rows.columns])

    return read


def _answer(entry: Entry, directory: Path, lines: Callable[[], Any], tell: Any) -> None:
    """Prepare with the first command, then one run per command."""
    source = lines()
    spark = start_spark(
        directory, JARS, {**iceberg_catalog(directory), "spark.driver.memory": MEMORY}
    )
    spark.sql("CREATE NAMESPACE lake.bench")
    subject = entry.make(spark, _reader(spark, source), directory)
    tell({"versions": {name: version(name) for name in entry.distributions}})
    while (command := lines()) is not None:
        jobs, cpu, began = _jobs(spark), cpu_seconds(), time.perf_counter()
        result = subject.run(command["mode"])
        measured: dict[str, Any] = {
            "seconds": time.perf_counter() - began,
            "cpu": cpu_seconds() - cpu,
            "jobs": _jobs(spark) - jobs,
        }
        outcome = result() if command["checked"] else None
        if outcome is not None:
            measured["broken"] = dict(outcome.broken)
            measured["rows_with_reasons"] = outcome.rows_with_reasons
        spark.catalog.clearCache()
        tell(measured)
    spark.stop()


def main() -> None:
    """Answer commands until there are no more; an error is the answer to one, and the last."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--subject", required=True)
    parser.add_argument("--directory", required=True, type=Path)
    parser.add_argument("--channel", required=True, type=int)
    options = parser.parse_args()
    # The JVM and other started processes must not keep the channel open.
    os.set_inheritable(options.channel, False)
    with os.fdopen(options.channel, "w", buffering=1) as channel:

        def tell(answer: dict[str, Any]) -> None:
            channel.write(json.dumps(answer) + "\n")

        def lines() -> Any:
            line = sys.stdin.readline()
            return json.loads(line) if line else None

        try:
            _answer(SUBJECTS[options.subject], options.directory, lines, tell)
        except Exception as error:  # noqa: BLE001 - any error of a tool is its result
            traceback.print_exc()
            text = " ".join(str(error).replace(str(options.directory), "DIRECTORY").split())
            tell({"failed": f"{type(error).__name__}: {text[:300]}"})


if __name__ == "__main__":
    main()
