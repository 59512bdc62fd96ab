"""The answer to `strandline restore`.

No flow run and no server: what brings a Prefect server's lakehouse back must not need that server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import UsageError
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import NOTHING, age_text, count, duration, minute
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.recovery.restore_lakehouse import restore
from tasks.recovery.restore_request import RestoredTable, RestoreReport, RestoreRequest
from tasks.run.unexpected_errors import map_unexpected_errors

_TABLES = (
    Heading("table"),
    Heading("state"),
    Heading("commits since the backup", number=True),
    Heading("metadata"),
)


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The options as they were typed."""

    backup: str | None
    place: str | None
    tables: tuple[str, ...]
    only: Literal["catalog", "key-ring"] | None
    moved_from: str | None
    as_backed_up: bool
    force: bool
    dry_run: bool


def restore_from_backup(
    screen: CommandOutput, options: RestoreOptions, reason: str, *, settings: str
) -> int:
    """Bring it back; the exit code is that of the first table that was left as it is."""
    if options.tables and options.only == "key-ring":
        raise UsageError(
            where="strandline restore",
            expected="--table or --only key-ring",
            found="both",
            next_step="strandline restore --help",
        )
    if not reason.strip():
        raise UsageError(
            where="--reason",
            expected="a reason",
            found="a blank one",
            next_step="Say why: the audit log keeps it. Nothing was changed.",
        )
    request = RestoreRequest(
        reason=reason,
        run_id=str(uuid4()),
        backup=options.backup,
        location=options.place,
        tables=options.tables,
        catalog=options.only != "key-ring",
        key_ring=options.only != "catalog",
        roll_forward=not options.as_backed_up,
        moved_from=options.moved_from,
        force=options.force,
        dry_run=options.dry_run,
    )
    with screen.waiting("Restoring"), map_unexpected_errors("restore"):
        report = restore(block_lookup.settings(settings), request)
    screen.answer(restore_data(report), *restore_page(report, width=screen.out.width))
    for error in report.errors:
        screen.err.print(error_panel(error, width=screen.err.width))
    return report.errors[0].exit_code if report.errors else 0


def restore_data(report: RestoreReport) -> dict[str, object]:
    """What was brought back, as plain values, for `--json`."""
    return {
        "backup": report.manifest.id,
        "backup_age_seconds": round(report.age_seconds, 3),
        "dry_run": report.dry_run,
        "tables": [_data(each) for each in report.tables],
        "keys": report.keys,
        "errors": [error_data(each) for each in report.errors],
        "seconds": round(report.seconds, 3),
    }


def restore_page(report: RestoreReport, *, width: int) -> list[RenderableType]:
    """A line per table, and what became of the keys."""
    parts: list[RenderableType] = []
    if report.dry_run:
        parts.append(Text("nothing was changed; this is what would be done", "dim"))
    if report.tables:
        parts.append(text_table(_TABLES, [_row(each) for each in report.tables], width=width))
    pairs = [
        ("backup", f"{report.manifest.id}, {age_text(report.age_seconds)} old"),
        ("made (UTC)", minute(report.manifest.made_at)),
    ]
    if report.keys is not None:
        keys = report.keys
        said = f"{count(keys.keys)}, {count(keys.restored)} of them brought back"
        pairs.append(("keys", said))
    pairs.append(("took", duration(report.seconds)))
    return [*parts, facts(pairs)]


def _row(each: RestoredTable) -> tuple[str | Text, ...]:
    state = type(each.error).__name__ if each.error else str(each.step)
    style = "red" if each.error else ""
    commits = count(each.commits) if each.commits else NOTHING
    if not each.certain:
        commits = f"{commits}, and perhaps one more"
    written = "from the backup" if each.written_back else NOTHING
    return Text(each.name, "bold"), Text(state, style), commits, written


def _data(each: RestoredTable) -> dict[str, object]:
    return {
        "table": each.name,
        "state": type(each.error).__name__ if each.error else str(each.step),
        "commits_since_backup": each.commits,
        "certain": each.certain,
        "metadata_from_backup": each.written_back,
    }
