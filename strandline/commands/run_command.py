"""`strandline run`: load contracts, and show the progress.

Progress and errors go to standard error, the summary to standard output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError
from flows.load_table import load_table
from flows.load_tables import TableOutcome, TablesFailedError, load_tables
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.load_summary import load_data, load_page
from strandline.terminal.watched_steps import watched_steps
from tasks.lifecycle.early_drift import early_drift
from tasks.lifecycle.open_run import contracts_to_load, start_spark
from tasks.run.progress_listeners import Progress, listening
from tasks.run.unexpected_errors import map_unexpected_errors


def load(
    screen: CommandOutput,
    contracts: Sequence[str],
    *,
    settings: str,
    verbose: bool,
    full: bool = False,
    closing_limit: int | None = None,
) -> int:
    """Load the contracts and print how it went; the exit code is that of the first failure.

    `verbose` leaves the terminal to Prefect's own log; `full` reads the whole sources;
    `closing_limit` accepts that a full read closes at most so many keys of each table.
    """
    names = contracts_to_load(contracts, settings)
    drifted: Mapping[str, StrandlineError] = {}
    if screen.err.is_terminal:
        # Somebody waits. Where nobody does, the load refuses, and its failure is recorded.
        with screen.waiting("Comparing with the sources"):
            drifted = early_drift(names, settings)
    fitting = [name for name in names if name not in drifted]
    outcomes = tuple(TableOutcome(name, None, error) for name, error in drifted.items())
    if fitting:
        with (
            watched_steps(screen, fitting, quiet=verbose),
            listening(_stop_if_interrupted),
            temporary_server(meanwhile=lambda: _start_spark(fitting, settings)),
        ):
            outcomes += _load_all(fitting, settings, closing_limit, full=full)
    places = {name: place for place, name in enumerate(names)}
    outcomes = tuple(sorted(outcomes, key=lambda each: places.get(each.contract, len(names))))
    failed = [each.error for each in outcomes if each.error is not None]
    if failed:
        end_on_interrupt()
    _print_outcomes(screen, outcomes, settings)
    return failed[0].exit_code if failed else 0


def _start_spark(names: Sequence[str], settings: str) -> None:
    # What keeps it from starting is told by the load that needs it.
    with suppress(StrandlineError):
        start_spark(names, settings)


def _load_all(
    names: Sequence[str], settings: str, closing_limit: int | None, *, full: bool
) -> tuple[TableOutcome, ...]:
    """How each load ended; one alone is a flow of its own."""
    try:
        with map_unexpected_errors(", ".join(names)):
            if len(names) == 1:
                summary = load_table(names[0], settings, closing_limit, full)
                return (TableOutcome(names[0], summary, None),)
            return load_tables(list(names), settings, closing_limit, full)
    except TablesFailedError as error:
        return error.outcomes
    except StrandlineError as error:
        return tuple(TableOutcome(name, None, error) for name in names)


def _stop_if_interrupted(_progress: Progress) -> None:
    """Spark reports an interruption as its own failure, after which a step would retry."""
    end_on_interrupt()


def _print_outcomes(screen: CommandOutput, outcomes: Sequence[TableOutcome], settings: str) -> None:
    summaries = [each.summary for each in outcomes if each.summary is not None]
    run_settings = block_lookup.settings(settings)
    contracts = {each.contract: contract_of(each.contract, run_settings) for each in summaries}
    data = {"loads": [_outcome_data(each) for each in outcomes]}
    screen.answer(data, *load_page(summaries, contracts, width=screen.out.width))
    for error, names in _failures(outcomes):
        about = names if len(outcomes) > 1 else ""
        screen.err.print(error_panel(error, width=screen.err.width, about=about))


def _failures(outcomes: Sequence[TableOutcome]) -> list[tuple[StrandlineError, str]]:
    """Each error once, with the contracts that it stopped: one database stops all of its tables."""
    failures: dict[str, tuple[StrandlineError, list[str]]] = {}
    for each in outcomes:
        if each.error is not None:
            failures.setdefault(str(each.error), (each.error, []))[1].append(each.contract)
    return [(error, ", ".join(names)) for error, names in failures.values()]


def _outcome_data(outcome: TableOutcome) -> dict[str, object]:
    if outcome.summary is not None:
        return load_data(outcome.summary)
    error = None if outcome.error is None else error_data(outcome.error)
    return {"contract": outcome.contract, "state": outcome.state, "error": error}
