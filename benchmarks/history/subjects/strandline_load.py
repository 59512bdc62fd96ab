"""Strandline: `history.load_changes`, with its audit and its publishing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.history.cases import BEGIN, DEEP, KEY, TIME, Batch, Outcome
from benchmarks.history.subjects.spark_session import iceberg_catalog, outcome, start_spark
from history import HistorySettings, LoadReport, load_changes

_TABLE = "lake.bench.customers"
_SETTINGS = HistorySettings(key=(KEY,), sequence=TIME)
_REPORTED = ("files_read", "bytes_read", "files_written", "bytes_written")


class StrandlineLoad:
    """The table is made by a first `load_changes` of all rows, without a prepared layout."""

    settings = _SETTINGS

    def __init__(self, directory: Path, jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.jars = jars
        self.spark: SparkSession

    def prepare(self, initial: Path) -> None:
        """Load all rows as the first batch."""
        self.spark = start_spark(self.directory, self.jars, iceberg_catalog(self.directory))
        self.spark.sql("CREATE NAMESPACE lake.bench")
        load_changes(
            self.spark,
            self.spark.read.parquet(str(initial)),
            _TABLE,
            self.settings,
            batch_id="initial",
            batch_time=BEGIN + timedelta(hours=DEEP),
        )

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Load one batch; return files, bytes and the seconds of each step."""
        moments = [("begun", time.perf_counter())]
        report = self._load(batch, lambda step: moments.append((step, time.perf_counter())))
        steps = {
            f"{step}_s": round(at - before, 3) for (_, before), (step, at) in pairwise(moments)
        }
        return {name: getattr(report, name) for name in _REPORTED} | steps

    def replay(self, batch: Batch) -> bool:
        """Load a batch that was published before."""
        return not self._load(batch).published

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        return outcome(self.spark, _TABLE)

    def close(self) -> None:
        """Stop Spark."""
        self.spark.stop()

    def _load(self, batch: Batch, announce: Callable[[str], None] | None = None) -> LoadReport:
        return load_changes(
            self.spark,
            self.spark.read.parquet(str(batch.path)),
            _TABLE,
            self.settings,
            batch_id=f"batch-{batch.number}",
            batch_time=batch.time,
            announce=announce,
        )


class StrandlineLoadFormat2(StrandlineLoad):
    """The same in Iceberg's format 2, for readers that know no deletion vectors."""

    @property
    def settings(self) -> HistorySettings:
        """Made when it is asked for: settings of an earlier commit may have no format."""
        return replace(_SETTINGS, format_version=2)
