"""Which source row, batch and run versions come from: by their own columns, and by the ledgers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import functions as F

from contracts.model import Contract
from strandline.queries.open_lakehouse import Lakehouse
from strandline.queries.versions_of_key import KeyHistory, Version
from tasks.observability.run_metrics import PUBLISHED


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """Where one version comes from; None: the contract has no column, or a ledger no row for it.

    Attributes:
        number: Its surrogate key.
        start: Since when it holds.
        end: Until when; None while it is open.
        source_moment: What orders the changes of the source row: which of its states it was.
        read_at: Of a state source, the read that first saw it.
        batch_id: The batch that brought it.
        run_id: The flow run of the batch.
        loaded: When that began.
        lineage_id: Its entry in the lineage ledger.
        transformations: What the entry says was applied.
    """

    number: int | None
    start: Any
    end: Any
    source_moment: Any
    read_at: Any
    batch_id: str | None
    run_id: str | None = None
    loaded: Any = None
    lineage_id: int | None = None
    transformations: str | None = None


def read_origins(
    lake: Lakehouse, contract: Contract, history: KeyHistory
) -> tuple[VersionOrigin, ...]:
    """The origins of the versions, in their order."""
    batch, number = _column(contract, "batch_id"), _column(contract, "surrogate_key")
    batches = sorted(
        {str(each.record[batch]) for each in history.versions if each.record.get(batch)}
    )
    numbers = sorted({int(str(each.record[number])) for each in history.versions if number})
    runs = _runs(lake, history.table, batches)
    entries = _entries(lake, history.table, numbers)
    return tuple(_origin(each, contract, runs, entries) for each in history.versions)


def _origin(
    version: Version,
    contract: Contract,
    runs: dict[str, Any],
    entries: dict[int, Any],
) -> VersionOrigin:
    def told(transformation: str) -> Any:
        name = _column(contract, transformation)
        return version.record.get(name, version.values.get(name))

    number, batch_id = told("surrogate_key"), told("batch_id")
    run = runs.get(batch_id)
    entry = None if number is None else entries.get(int(number))
    return VersionOrigin(
        number=number,
        start=version.start,
        end=version.end,
        source_moment=told("sequence"),
        read_at=told("read_at"),
        batch_id=batch_id,
        run_id=None if run is None else run.job_id,
        loaded=None if run is None else run.start_time,
        lineage_id=None if entry is None else entry.lineage_id,
        transformations=None if entry is None else entry.transformation_applied,
    )


def _runs(lake: Lakehouse, table: str, batches: list[str]) -> dict[str, Any]:
    ledger = lake.ledger("run_metrics")
    if ledger is None or not batches:
        return {}
    rows = ledger.where(
        (F.col("target_table") == table)
        & F.col("batch_id").isin(*batches)
        & (F.col("state") == PUBLISHED)
    )
    return {row.batch_id: row for row in rows.select("batch_id", "job_id", "start_time").collect()}


def _entries(lake: Lakehouse, table: str, numbers: list[int]) -> dict[int, Any]:
    ledger = lake.ledger("data_lineage")
    if ledger is None or not numbers:
        return {}
    rows = ledger.where((F.col("target_table") == table) & F.col("record_id").isin(*numbers))
    wanted = rows.select("record_id", "lineage_id", "transformation_applied")
    return {row.record_id: row for row in wanted.collect()}


def _column(contract: Contract, transformation: str) -> str:
    column = contract.generated(transformation)
    return "" if column is None else column.name
