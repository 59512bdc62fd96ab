"""dbt-duckdb: a snapshot with the timestamp strategy.

The snapshot's source is a directory of Parquet files with only the batch. Without `hard_deletes`
dbt does not change keys that the source lacks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

from dbt.cli.main import dbtRunner

from benchmarks.history.cases import KEY, TIME, Batch, Outcome
from benchmarks.history.subjects.duckdb_file import offer, outcome, source_query

_PROJECT = """
name: bench
version: "1.0"
profile: bench
flags: {send_anonymous_usage_stats: false}
"""
_PROFILES = """
bench:
  target: bench
  outputs:
    bench: {{type: duckdb, path: "{file}", threads: 1}}
"""
_SNAPSHOT = """
{{% snapshot customers %}}
{{{{ config(schema="bench", unique_key="{key}", strategy="timestamp", updated_at="{time}") }}}}
{query}
{{% endsnapshot %}}
"""


class DbtSnapshot:
    """The table is made by dbt's own first snapshot of all rows."""

    def __init__(self, directory: Path, _jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.file = directory / "lake.duckdb"
        self.source = directory / "source"

    def prepare(self, initial: Path) -> None:
        """Write the project and take the first snapshot."""
        snapshots = self.directory / "snapshots"
        snapshots.mkdir()
        (self.directory / "dbt_project.yml").write_text(_PROJECT)
        (self.directory / "profiles.yml").write_text(_PROFILES.format(file=self.file))
        (snapshots / "customers.sql").write_text(
            _SNAPSHOT.format(key=KEY, time=TIME, query=source_query(self.source))
        )
        self._snapshot(sorted(initial.glob("*.parquet")))

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Run `dbt snapshot` in this process."""
        self._snapshot([batch.path])
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        return outcome(self.file, "main_bench.customers", end="dbt_valid_to")

    def close(self) -> None:
        """Nothing to stop."""

    def _snapshot(self, files: list[Path]) -> None:
        offer(files, self.source)
        path = str(self.directory)
        run = dbtRunner().invoke(["snapshot", "--project-dir", path, "--profiles-dir", path])
        if not run.success:
            raise RuntimeError(str(run.exception or run.result.results[0].message))
