"""`strandline quarantine show`: the rows that are held, by reason, and the batches that are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.lookup import block_lookup
from contracts.model import Contract
from strandline.queries.ledger_queries import (
    BatchKeptBack,
    Quarantine,
    read_kept_batches,
    read_quarantine,
)
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.select_refused_rows import RowSelector, selection_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.status_tables import quarantine_page
from tasks.lifecycle.hold_batch import HELD_BATCHES
from tasks.run.quarantine_decision import Selection
from tasks.run.spark_error_mapping import map_spark_errors


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """Which rows are shown, how many, and whether the rows themselves."""

    rows: RowSelector
    limit: int
    with_rows: bool


def show(screen: CommandOutput, table: str, options: ShowOptions, *, settings: str) -> None:
    """The counts by reason, then the newest rows, then the batches that were not published."""
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    selection = None
    if not options.rows.is_empty:
        command = f"strandline quarantine show {contract.name}"
        selection = selection_of(options.rows, contract, command=command)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(contract.name, "quarantine"):
            refused = _read(lake, contract, options, selection)
    screen.answer(refused, *quarantine_page(refused, width=screen.out.width))


def _read(
    lake: Lakehouse, contract: Contract, options: ShowOptions, selection: Selection | None
) -> Quarantine:
    ledger, table = lake.ledger("quarantine"), lake.target(contract)
    if ledger is None:
        return Quarantine(contract.name, table, held=0)
    kept = lake.ledger(HELD_BATCHES)
    batches: tuple[BatchKeptBack, ...] = ()
    if kept is not None:
        batches = read_kept_batches(lake.spark, kept, table, now=datetime.now(UTC))
    if selection is not None:
        ledger = ledger.where(selection.condition(lake.spark, lake.settings))
    return read_quarantine(
        ledger, contract, table, limit=options.limit, rows=options.with_rows, batches=batches
    )
