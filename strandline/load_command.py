"""`strandline run`: load contracts, and show how it goes.

Progress and errors go to standard error, the summary to standard output.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from rich.live import Live

from blocks import directory
from contracts.errors import StrandlineError
from contracts.loader import find_contract
from flows.load_table import load_table
from flows.load_tables import TableOutcome, TablesFailedError, load_tables
from strandline.error_panel import error_data, error_panel
from strandline.load_board import LoadBoard
from strandline.load_summary import load_data, load_page
from strandline.screen import AsJson, Screen, Settings, TableName
from tasks.opening import contracts_folder, known_contracts
from tasks.progress import listening


def run(
    *contracts: TableName,
    settings: Settings = "default",
    verbose: Annotated[
        bool, Parameter(negative="", help="Show Prefect's own log as well.")
    ] = False,
    json: AsJson = False,
) -> int:
    """Load what is new in the sources of contracts into their histories."""
    screen = Screen.of(as_json=json)
    names = known_contracts(contracts, settings)
    with _watched(screen, names, quiet=verbose):
        outcomes = _loaded(names, settings)
    _tell(screen, outcomes, settings)
    failed = [each.error for each in outcomes if each.error is not None]
    return failed[0].exit_code if failed else 0


def _loaded(names: Sequence[str], settings: str) -> tuple[TableOutcome, ...]:
    """How each load ended; one alone is a flow of its own."""
    if len(names) == 1:
        try:
            return (TableOutcome(names[0], load_table(names[0], settings), None),)
        except StrandlineError as error:
            return (TableOutcome(names[0], None, error),)
    try:
        return load_tables(list(names), settings)
    except TablesFailedError as error:
        return error.outcomes


@contextmanager
def _watched(screen: Screen, names: Sequence[str], *, quiet: bool) -> Iterator[None]:
    """Show the steps meanwhile: drawn on a terminal, a line per finished step elsewhere.

    With Prefect's own lines on the same terminal (`quiet`) nothing is drawn over them.
    """
    if not screen.err.is_terminal or quiet:
        board = LoadBoard(names, time.monotonic, lambda line: screen.err.print(line, markup=False))
        with listening(board):
            yield
        return
    board = LoadBoard(names, time.monotonic)
    live = Live(board, console=screen.err, refresh_per_second=8, redirect_stdout=False)
    with live, listening(board):
        try:
            yield
        finally:
            board.close()


def _tell(screen: Screen, outcomes: Sequence[TableOutcome], settings: str) -> None:
    summaries = [each.summary for each in outcomes if each.summary is not None]
    folder = contracts_folder(directory.settings(settings))
    contracts = {each.contract: find_contract(each.contract, folder) for each in summaries}
    data = {"loads": [_outcome_data(each) for each in outcomes]}
    screen.answer(data, *load_page(summaries, contracts, width=screen.out.width))
    for each in outcomes:
        if each.error is not None:
            screen.err.print(error_panel(each.error, width=screen.err.width))


def _outcome_data(outcome: TableOutcome) -> dict[str, object]:
    if outcome.summary is not None:
        return load_data(outcome.summary)
    error = None if outcome.error is None else error_data(outcome.error)
    return {"contract": outcome.contract, "state": outcome.state, "error": error}
