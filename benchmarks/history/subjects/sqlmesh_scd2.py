"""SQLMesh on DuckDB: a model of kind SCD_TYPE_2_BY_TIME.

The model reads a directory of Parquet files with only the batch; with
`invalidate_hard_deletes false` keys that the source lacks stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "true"

from sqlmesh import Context
from sqlmesh.core.config import Config, DuckDBConnectionConfig, GatewayConfig, ModelDefaultsConfig

from benchmarks.history.cases import BATCHES_BEGIN, BEGIN, KEY, TIME, Batch, Outcome
from benchmarks.history.subjects.duckdb_file import offer, outcome, source_query

_MODEL = """
MODEL (
  name bench.customers,
  kind SCD_TYPE_2_BY_TIME (
    unique_key {key}, updated_at_name {time}, updated_at_as_valid_from true,
    invalidate_hard_deletes false
  ),
  cron '@hourly',
  start '{start}',
  columns (
    customer_id BIGINT, name TEXT, city TEXT, segment TEXT, visits INT, balance DOUBLE,
    credit DECIMAL(12, 2), changed_at TIMESTAMP, registered_at TIMESTAMP
  )
);

{query}
"""


class SqlmeshScd2:
    """The table is made by SQLMesh's own first plan over all rows."""

    def __init__(self, directory: Path, _jars: tuple[str, ...]) -> None:
        self.directory = directory
        self.file = directory / "lake.duckdb"
        self.source = directory / "source"
        self.context: Context

    def prepare(self, initial: Path) -> None:
        """Write the project and apply it."""
        models = self.directory / "models"
        models.mkdir()
        start = BEGIN + timedelta(hours=BATCHES_BEGIN)
        (models / "customers.sql").write_text(
            _MODEL.format(key=KEY, time=TIME, start=_text(start), query=source_query(self.source))
        )
        offer(sorted(initial.glob("*.parquet")), self.source)
        self.context = Context(
            paths=str(self.directory),
            config=Config(
                gateways={
                    "bench": GatewayConfig(
                        connection=DuckDBConnectionConfig(database=str(self.file))
                    )
                },
                default_gateway="bench",
                model_defaults=ModelDefaultsConfig(dialect="duckdb"),
            ),
        )
        first = _text(start + timedelta(hours=1))
        self.context.plan(auto_apply=True, no_prompts=True, execution_time=first)

    def load(self, batch: Batch) -> Mapping[str, object]:
        """Run the model for the batch's hour."""
        offer([batch.path], self.source)
        now = _text(batch.time)
        self.context.run(execution_time=now)
        return {}

    def outcome(self) -> Outcome:
        """Count the versions of the table."""
        self.context.close()
        return outcome(self.file, "bench.customers", end="valid_to")

    def close(self) -> None:
        """Nothing to stop."""


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
