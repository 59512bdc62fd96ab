"""`strandline upkeep`: maintain tables, and show what it did to each.

Progress and errors go to standard error, the table to standard output.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from flows.upkeep import UpkeepFailedError, upkeep, upkeep_line
from history.upkeep.table_upkeep import STEPS, UpkeepReport
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import NOTHING, count, duration
from strandline.terminal.text_table import Cell, Heading, text_table
from strandline.terminal.watched_steps import watched_steps
from tasks.lifecycle.open_run import known_contracts
from tasks.run.progress_listeners import Progress, listening
from tasks.upkeep import UpkeepOutcome, all_contracts

_MEGABYTE = 1024 * 1024
_TABLE = (
    Heading("contract"),
    Heading("state"),
    Heading("files", number=True),
    Heading("MB", number=True),
    Heading("rewritten", number=True, spare=True),
    Heading("snapshots", number=True),
    Heading("expired", number=True),
    Heading("files removed", number=True),
    Heading("took", number=True),
)


def keep_up(
    screen: CommandOutput, contracts: Sequence[str], *, settings: str, dry_run: bool, verbose: bool
) -> int:
    """Maintain the contracts, all if none are named; the exit code is that of the first failure."""
    names = known_contracts(contracts, settings) if contracts else all_contracts(settings)
    with watched_steps(screen, names, STEPS, quiet=verbose), listening(_stop_if_interrupted):
        try:
            with temporary_server():
                outcomes = upkeep(list(names), settings, dry_run)
        except UpkeepFailedError as error:
            outcomes = error.outcomes
    failed = [each.error for each in outcomes if each.error is not None]
    if failed:
        end_on_interrupt()
    data = {"dry_run": dry_run, "tables": [_data(each) for each in outcomes]}
    screen.answer(data, *upkeep_page(outcomes, dry_run=dry_run, width=screen.out.width))
    for each in outcomes:
        if each.error is not None:
            about = each.contract if len(outcomes) > 1 else ""
            screen.err.print(error_panel(each.error, width=screen.err.width, about=about))
    return failed[0].exit_code if failed else 0


def upkeep_page(
    outcomes: Sequence[UpkeepOutcome], *, dry_run: bool, width: int
) -> list[RenderableType]:
    """One line per table: what readers had to open before and after, and what was removed."""
    parts: list[RenderableType] = []
    if dry_run:
        parts.append(Text("nothing was changed; this is what would be done", "dim"))
    parts.append(text_table(_TABLE, [_row(each) for each in outcomes], width=width))
    return parts


def _row(outcome: UpkeepOutcome) -> tuple[Cell, ...]:
    style = "red" if outcome.error else "" if outcome.report else "dim"
    name, state = Text(outcome.contract, "bold"), Text(outcome.state, style)
    took = duration(outcome.seconds)
    report = outcome.report
    if report is None:
        return (name, state, *[NOTHING] * 6, took)
    return (
        name,
        state,
        _before_after(
            report, [count(each.data + each.deletes) for each in (report.before, report.after)]
        ),
        _before_after(
            report, [f"{each.octets / _MEGABYTE:,.1f}" for each in (report.before, report.after)]
        ),
        count(report.rewritten),
        count(report.snapshots),
        count(report.snapshots_expired),
        count(report.files_expired + report.orphans),
        took,
    )


def _before_after(report: UpkeepReport, texts: Sequence[str]) -> str:
    before, after = texts
    return before if report.dry_run or before == after else f"{before} > {after}"


def _data(outcome: UpkeepOutcome) -> dict[str, object]:
    error = {} if outcome.error is None else {"error": error_data(outcome.error)}
    return upkeep_line(outcome) | error


def _stop_if_interrupted(_progress: Progress) -> None:
    end_on_interrupt()
