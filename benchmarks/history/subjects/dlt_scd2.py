"""dlt: the merge strategy scd2, into DuckDB.

With the business key as merge key dlt compares only the keys in a batch, so a batch may contain
only the changes: keys that it lacks stay as they are. The version is our own hash of the
attributes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import duckdb
import pyarrow as pa

from benchmarks.history.cases import ATTRIBUTES, COLUMNS, KEY, Batch, Outcome
from benchmarks.history.subjects.duckdb_file import outcome

_HASH = f"md5(concat_ws('|', {', '.join(ATTRIBUTES)}))"


class DltScd2:
    """The table is made by dlt's own first load of all rows."""

    def __init__(self, directory: Path, _jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.file = directory / "lake.duckdb"
        self.pipeline: dlt.Pipeline

    def prepare(self, initial: Path) -> None:
        """Load all rows as the first batch."""
        self.pipeline = dlt.pipeline(
            pipeline_name="bench",
            pipelines_dir=str(self.directory / "pipelines"),
            destination=dlt.destinations.duckdb(str(self.file)),
            dataset_name="bench",
        )
        self._run(sorted(initial.glob("*.parquet")))

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Hash the batch's rows and run the pipeline."""
        self._run([batch.path])
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        return outcome(self.file, "bench.customers", end="_dlt_valid_to")

    def close(self) -> None:
        """Nothing to stop."""

    def _run(self, files: list[Path]) -> None:
        resource = dlt.resource(
            _hashed(files),
            name="customers",
            merge_key=KEY,
            write_disposition={
                "disposition": "merge",
                "strategy": "scd2",
                "row_version_column_name": "row_hash",
            },
        )
        self.pipeline.run(resource).raise_on_failed_jobs()


def _hashed(files: list[Path]) -> Iterator[pa.Table]:
    with duckdb.connect() as connection:
        for file in files:
            yield connection.execute(
                f"SELECT {', '.join(COLUMNS)}, {_HASH} AS row_hash FROM read_parquet('{file}')"  # noqa: S608
            ).to_arrow_table()
