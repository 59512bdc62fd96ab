"""The write that every subject makes too, without a check: what checking is measured against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from benchmarks.quality.subject import Outcome, write_stage


class BareWrite:
    """Reads the source once and writes it."""

    def __init__(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> None:
        del spark, directory
        self._read = read

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Write; there is one mode."""
        del mode
        write_stage(self._read())
        return lambda: Outcome({})
