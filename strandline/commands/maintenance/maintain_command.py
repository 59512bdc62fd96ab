"""The answer to `strandline maintain`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from contracts.errors import StrandlineError
from flows.maintenance.maintain import (
    MaintainedLakehouse,
    MaintenanceFailedError,
    maintain,
    maintenance_lines,
)
from history.upkeep.table_upkeep import STEPS
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.commands.upkeep_command import upkeep_page
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import count, duration, many, share
from strandline.terminal.text_table import Heading, facts, text_table
from strandline.terminal.watched_steps import watched_steps
from tasks.maintenance.key_use import KeyUse
from tasks.maintenance.maintain_ledgers import LedgerUpkeep
from tasks.run.progress_listeners import Progress, listening
from tasks.upkeep import all_contracts

_LEDGERS = (
    Heading("ledger"),
    Heading("state"),
    Heading("files", number=True),
    Heading("rewritten", number=True),
    Heading("snapshots", number=True),
    Heading("expired", number=True),
    Heading("files removed", number=True),
    Heading("took", number=True),
)


def maintain_all(screen: CommandOutput, *, settings: str, dry_run: bool, verbose: bool) -> int:
    """Keep up all of it; the exit code is that of the first failure."""
    names = all_contracts(settings)
    with watched_steps(screen, names, STEPS, quiet=verbose), listening(_stop_if_interrupted):
        try:
            with temporary_server():
                done = maintain(settings, dry_run)
        except MaintenanceFailedError as error:
            done = error.done
    errors = [each.error for each in done.outcomes if each.error is not None]
    if errors:
        end_on_interrupt()
    data = {
        "dry_run": dry_run,
        **{name.replace("-", "_"): rows for name, rows in maintenance_lines(done).items()},
        "errors": [error_data(each) for each in errors],
    }
    screen.answer(data, *maintenance_page(done, dry_run=dry_run, width=screen.out.width))
    return _reported(screen, errors)


def maintenance_page(
    done: MaintainedLakehouse, *, dry_run: bool, width: int
) -> list[RenderableType]:
    """Tables, ledgers, and below them stages, old rows and keys."""
    rows = "; ".join(f"{each.ledger} {count(each.rows)}" for each in done.expired)
    pairs = [
        ("stages", f"{count(done.stages.kept)} kept, {count(len(done.stages.dropped))} dropped"),
        ("rows of ledgers", rows or "none is older than it is kept"),
        ("keys", _keys(done.keys)),
    ]
    return [
        *upkeep_page(done.tables, dry_run=dry_run, width=width),
        text_table(_LEDGERS, [_row(each) for each in done.ledgers], width=width),
        facts(pairs),
    ]


def _keys(keys: tuple[KeyUse, ...]) -> str:
    others = [f"{each.table} {each.key_id} {each.state}" for each in keys if each.state != "in use"]
    shares = [each.uses / each.limit for each in keys if each.uses is not None and each.limit]
    most = f", {share(max(shares))} of the limit at most" if shares else ""
    return "; ".join([f"{many(len(keys), 'key')} in use{most}", *others])


def _row(each: LedgerUpkeep) -> tuple[str | Text, ...]:
    state = "done" if each.error is None else type(each.error).__name__
    return (
        Text(each.ledger, "bold"),
        Text(state, "red" if each.error else ""),
        count(each.files_before),
        count(each.files_rewritten),
        count(each.snapshots),
        count(each.snapshots_expired),
        count(each.orphans_removed),
        duration(each.seconds),
    )


def _reported(screen: CommandOutput, errors: list[StrandlineError]) -> int:
    for error in errors:
        screen.err.print(error_panel(error, width=screen.err.width))
    return errors[0].exit_code if errors else 0


def _stop_if_interrupted(_progress: Progress) -> None:
    end_on_interrupt()
