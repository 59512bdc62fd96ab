"""Run by test_over_connect.py: loads batches over Spark Connect and prints the history."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import SecretStr

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from history.spark.session_kind import over_connect
from tests.history.crashing import load

BATCHES = (1, 2, 2, 3)
"""One of them twice."""


def main(place: Path, uri: str, user: str, password: str) -> None:
    lakehouse = Lakehouse(
        warehouse=str(place / "lake"), uri=uri, user=user, password=SecretStr(password)
    )
    runtime = SparkRuntime(
        kind="connect", master="local[2]", driver_memory="1g", log_directory=place / "logs"
    )
    spark = runtime.session(lakehouse)
    assert over_connect(spark)
    spark.sql("CREATE NAMESPACE lake.n")
    sys.stdout.write(json.dumps(loaded(spark, "lake.n.t")))
    spark.stop()


def loaded(spark, table: str) -> dict[str, list[list[str]]]:
    """What each load reports, and the rows and branches that are there then."""
    reports = [load(spark, table, number) for number in BATCHES]
    found = spark.table(table).collect()
    refs = spark.table(f"{table}.refs").select("name", "type").collect()
    return {
        "reports": [[str(each.opened), str(each.closed), str(each.replayed)] for each in reports],
        "rows": sorted([str(value) for value in row] for row in found),
        "refs": sorted([str(value) for value in row] for row in refs),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
