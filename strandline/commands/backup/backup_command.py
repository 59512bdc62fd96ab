"""`strandline backup`: back up catalog and key ring, list and verify backups; and `restore`.

The implementations load Spark, which takes seconds: a command imports its own when it runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Settings

_STARTING = "Starting"

Place = Annotated[
    str | None,
    Parameter(
        help="Where the backups are: a directory, or s3://BUCKET/PREFIX. Default: as the run "
        "settings say."
    ),
]
BackupId = Annotated[
    str | None, Parameter(help="A backup, as `strandline backup list` names it; none: the newest.")
]
Reason = Annotated[str, Parameter(help="Why; the audit log keeps it.")]
Tables = Annotated[
    tuple[str, ...],
    Parameter(
        name="--table",
        consume_multiple=True,
        negative="",
        help="Only these tables or views, as namespace.table; without it, all and the key ring.",
    ),
]
Only = Annotated[
    Literal["catalog", "key-ring"] | None, Parameter(help="Bring back one of the two alone.")
]
AsBackedUp = Annotated[
    bool,
    Parameter(
        negative="",
        help="Stay at the state of the backup. Without it, the catalog follows the warehouse to "
        "the newest state.",
    ),
]
MovedFrom = Annotated[
    str | None,
    Parameter(
        help="The warehouse was moved: its address when the backup was made. The metadata are "
        "written again with the new one."
    ),
]
Force = Annotated[
    bool,
    Parameter(negative="", help="Give up what is newer, or is another table of the same name."),
]
DryRun = Annotated[bool, Parameter(negative="", help="Say what would be done, change nothing.")]

app = App(name="backup", help="Back up catalog and key ring, list and verify backups.")


@app.default
@app.command
def make(*, place: Place = None, settings: Settings = "default", json: AsJson = False) -> None:
    """Back up the catalog's pointers, the metadata they name, and the wrapped keys."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.backup import make_and_list_backups
    make_and_list_backups.make(screen, place, settings=settings)


@app.command(name="list")
def list_(*, place: Place = None, settings: Settings = "default", json: AsJson = False) -> None:
    """Show which backups there are, newest first."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.backup import make_and_list_backups
    make_and_list_backups.list_backups(screen, place, settings=settings)


@app.command
def verify(
    backup: BackupId = None,
    /,
    *,
    place: Place = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Read every copy of a backup, and compare it with its digest."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.backup import make_and_list_backups
    make_and_list_backups.verify(screen, backup, place, settings=settings)


def restore(  # noqa: PLR0913 - one option each
    backup: BackupId = None,
    /,
    *,
    reason: Reason,
    tables: Tables = (),
    only: Only = None,
    as_backed_up: AsBackedUp = False,
    moved_from: MovedFrom = None,
    force: Force = False,
    dry_run: DryRun = False,
    place: Place = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Bring back from a backup what was lost of catalog, table metadata and key ring."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.backup import restore_command
    options = restore_command.RestoreOptions(
        backup,
        place,
        tables,
        only,
        moved_from,
        as_backed_up=as_backed_up,
        force=force,
        dry_run=dry_run,
    )
    return restore_command.restore_from_backup(screen, options, reason, settings=settings)
