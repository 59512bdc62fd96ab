"""The interface of a benchmarked tool, and the list of tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from benchmarks.history.cases import Batch, Outcome

Environment = Literal["project", "peers", "earlier"]


class Subject(Protocol):
    """A tool with a history table of its own, in a directory of its own."""

    def prepare(self, initial: Path) -> None:
        """Start the tool and make its table of the Parquet files in the directory; not timed."""

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Load one batch; timed from the call to the return.

        Returns:
            What the tool itself reports of the work done, such as bytes read; often nothing.
        """

    def outcome(self) -> Outcome:
        """Count the versions of the table."""

    def close(self) -> None:
        """Stop the tool."""


class Replaying(Subject, Protocol):
    """A tool that recognises a batch it has loaded before."""

    def replay(self, batch: Batch) -> bool:
        """Load a batch again; return whether it was recognised. Timed like `load`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A subject of the benchmark.

    Attributes:
        title: For tables and plots.
        path: `module:class`; the class is called with a directory.
        environment: The environment it needs: the project's, the peers', or the project's with the
            packages of an earlier commit.
        distributions: The Python packages whose versions belong to the result.
        jars: Maven coordinates that Spark loads for it.
        alone: Whether it runs the cases that compare Strandline with itself.
    """

    title: str
    path: str
    environment: Environment = "project"
    distributions: tuple[str, ...] = ("pyspark",)
    jars: tuple[str, ...] = ()
    alone: bool = False

    def make(self, directory: Path) -> Subject:
        """The subject, not started yet."""
        module, _, name = self.path.partition(":")
        made = getattr(import_module(f"benchmarks.history.subjects.{module}"), name)
        return cast("Subject", made(directory, self.jars))


ICEBERG = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
SQLITE = "org.xerial:sqlite-jdbc:3.50.3.0"
DELTA = "io.delta:delta-spark_4.1_2.13:4.4.0"

SUBJECTS = {
    "strandline": Entry(
        "Strandline", "strandline_load:StrandlineLoad", jars=(ICEBERG, SQLITE), alone=True
    ),
    "earlier": Entry(
        "Strandline, earlier commit",
        "strandline_load:StrandlineLoad",
        "earlier",
        jars=(ICEBERG, SQLITE),
        alone=True,
    ),
    "strandline_format_2": Entry(
        "Strandline, format 2",
        "strandline_load:StrandlineLoadFormat2",
        jars=(ICEBERG, SQLITE),
    ),
    "iceberg_merge": Entry("Iceberg MERGE", "iceberg_merge:IcebergMerge", jars=(ICEBERG, SQLITE)),
    "delta_recipe": Entry("Delta recipe", "delta_recipe:DeltaRecipe", jars=(DELTA,)),
    "delta_recipe_dv": Entry(
        "Delta recipe, deletion vectors", "delta_recipe:DeltaRecipeWithVectors", jars=(DELTA,)
    ),
    "mack": Entry(
        "mack",
        "mack_upsert:MackUpsert",
        "peers",
        ("pyspark", "delta-spark", "mack"),
        (DELTA,),
    ),
    "dlt": Entry("dlt, DuckDB", "dlt_scd2:DltScd2", "peers", ("dlt", "duckdb")),
    "dbt": Entry(
        "dbt snapshot, DuckDB",
        "dbt_snapshot:DbtSnapshot",
        "peers",
        ("dbt-core", "dbt-duckdb", "duckdb"),
    ),
    "sqlmesh": Entry("SQLMesh, DuckDB", "sqlmesh_scd2:SqlmeshScd2", "peers", ("sqlmesh", "duckdb")),
}
