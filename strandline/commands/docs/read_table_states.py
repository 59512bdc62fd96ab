"""How the table of each contract is: what the catalogue shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from blocks.lookup import block_lookup
from contracts.model import Contract
from strandline.catalogue.table_state import TableState
from strandline.queries.ledger_queries import TableStatus, read_last_runs, read_status
from strandline.queries.open_lakehouse import open_lakehouse
from tasks.run.spark_error_mapping import map_spark_errors


def read_table_states(contracts: Sequence[Contract], settings: str) -> Mapping[str, TableState]:
    """The states of the tables, by contract; reads what `strandline status` reads."""
    lake = open_lakehouse(block_lookup.settings(settings))
    with map_spark_errors(settings, "docs"):
        ledger = lake.ledger("run_metrics")
        last = read_last_runs(ledger) if ledger is not None else {}
        return {
            each.name: _state(
                read_status(lake.spark, each, lake.target(each), last.get(lake.target(each)))
            )
            for each in contracts
        }


def _state(status: TableStatus) -> TableState:
    run = status.last_run
    newest = status.watermark
    return TableState(
        exists=status.exists,
        last_state=run.state if run else None,
        loaded_at=run.end_time if run else None,
        published_at=status.published_at,
        newest_row=newest if isinstance(newest, datetime) else None,
        versions=status.versions,
        open_versions=status.open_versions,
        score=run.data_quality_score if run else None,
    )
