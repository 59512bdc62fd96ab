"""The interface of a benchmarked validator, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from pyspark.sql import DataFrame, SparkSession

__all__ = ["JARS", "STAGE", "SUBJECTS", "Entry", "Outcome", "Subject", "write_stage"]

JARS = (
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
    "org.xerial:sqlite-jdbc:3.50.3.0",
    "org.postgresql:postgresql:42.7.8",
)
STAGE = "lake.bench.stage"

_PROPERTIES = {
    "format-version": "3",
    "write.spark.fanout.enabled": "true",
    "write.distribution-mode": "none",
    "write.parquet.compression-codec": "lz4_raw",
}
"""As `tasks.run.stage_table` writes a stage; a test compares the two."""

Reports = Literal["nothing", "pass or fail", "counts", "keys per rule", "reasons per row"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a subject found in one run.

    Attributes:
        broken: Per rule, how many rows break it; True where it only says that some do.
        rows_with_reasons: How many rows have reasons in what it returns or writes; None: it does
            not say which rows they are.
    """

    broken: Mapping[str, int | bool]
    rows_with_reasons: int | None = None


class Subject(Protocol):
    """A validator, ready to read the source, check it and write the stage, as often as asked."""

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Check and write; measured from the call to the return.

        Returns:
            What reads its result, called afterwards and not measured.
        """


@dataclass(frozen=True, slots=True)
class Entry:
    """A subject of the benchmark.

    Attributes:
        title: For the table.
        path: `module:class`; the class is called with the session, what reads the source, and a
            directory.
        modes: The ways it is run; each is measured by itself.
        reports: What it tells of a row that breaks a rule.
        peer: Whether it runs in the peers' environment.
        distributions: The packages whose versions belong to the result.
    """

    title: str
    path: str
    modes: tuple[str, ...]
    reports: Reports
    peer: bool = True
    distributions: tuple[str, ...] = ("pyspark",)

    def make(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> Subject:
        """The subject, with all made that does not belong to a run."""
        module, _, name = self.path.partition(":")
        made = getattr(import_module(f"benchmarks.quality.subjects.{module}"), name)
        return cast("Subject", made(spark, read, directory))


def write_stage(frame: DataFrame) -> None:
    """Write the rows to the stage, which replaces what is there."""
    writer = frame.writeTo(STAGE).using("iceberg")
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    writer.createOrReplace()


SUBJECTS = {
    "bare": Entry("bare write", "bare_write:BareWrite", ("write",), "nothing", peer=False),
    "strandline": Entry(
        "Strandline",
        "strandline_checks:StrandlineChecks",
        ("same rules", "20 rules", "60 rules", "120 rules"),
        "reasons per row",
        peer=False,
    ),
    "dqx": Entry(
        "Databricks Labs DQX",
        "dqx_checks:DqxChecks",
        ("one pass", "cached"),
        "reasons per row",
        distributions=("pyspark", "databricks-labs-dqx"),
    ),
    "great_expectations": Entry(
        "Great Expectations",
        "gx_expectations:GxExpectations",
        ("cached",),
        "keys per rule",
        distributions=("pyspark", "great-expectations"),
    ),
    "pandera": Entry(
        "pandera.pyspark",
        "pandera_schema_checks:PanderaSchemaChecks",
        ("cached", "uncached"),
        "pass or fail",
        distributions=("pyspark", "pandera", "pandas"),
    ),
}
