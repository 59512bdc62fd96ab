"""`strandline release`: its subcommands and their arguments.

The implementations load Spark and Prefect, which takes seconds: a command imports its own when it
runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from strandline.commands.quarantine.quarantine_command import Decider
from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

_STARTING = "Starting"

ContractFile = Annotated[
    Path,
    Parameter(
        name="--contract",
        help="The file of the new contract: named as the current one, in another folder.",
    ),
]
Seed = Annotated[
    Literal["history", "source"],
    Parameter(
        name="--from",
        help="Green begins as a copy of the published history, or with what the source has.",
    ),
]
Percent = Annotated[
    int,
    Parameter(
        validator=Number(gte=0, lte=100), help="Of all keys; 0 gives readers blue alone again."
    ),
]
Roles = Annotated[
    tuple[str, ...],
    Parameter(
        name="--role",
        consume_multiple=True,
        negative="",
        help="Only the readers of these roles; without it all readers.",
    ),
]
Yes = Annotated[bool, Parameter(negative="", help="Do it without asking.")]

app = App(name="release", help="A new contract beside the published table, promoted or taken back.")


@app.command
def start(
    table: TableName,
    /,
    *,
    contract: ContractFile,
    decider: Decider,
    seed: Seed = "history",
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Make a green table beside the published one, and load it by the new contract."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    return lead_release.start(screen, table, contract, seed, decider, settings=settings)


@app.command
def status(table: TableName, /, *, settings: Settings = "default", json: AsJson = False) -> None:
    """Show where the release of a table stands, and what readers read."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    lead_release.status(screen, table, settings=settings)


@app.command
def compare(table: TableName, /, *, settings: Settings = "default", json: AsJson = False) -> int:
    """Bring green up to date, and show what differs: counts, columns, verdicts, speed."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    return lead_release.compare(screen, table, settings=settings)


@app.command
def shift(
    table: TableName,
    percent: Percent,
    /,
    *,
    decider: Decider,
    role: Roles = (),
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Give readers of the views a share of the keys from green."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    lead_release.shift(screen, table, percent, role, decider, settings=settings)


@app.command
def promote(
    table: TableName,
    /,
    *,
    decider: Decider,
    yes: Yes = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Publish green, in one commit; `rollback` takes it back until `finish`."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    return lead_release.promote(screen, table, decider, yes=yes, settings=settings)


@app.command
def validate(table: TableName, /, *, settings: Settings = "default", json: AsJson = False) -> None:
    """Look at a promoted release as its readers do; exit code 65 if it is not sound."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    lead_release.validate(screen, table, settings=settings)


@app.command
def rollback(
    table: TableName,
    /,
    *,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Give readers what they read before the release, at once, and drop green."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    lead_release.rollback(screen, table, decider, settings=settings)


@app.command
def finish(
    table: TableName,
    /,
    *,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Give up the way back of a promoted release, and drop what was kept for it."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.release import lead_release
    lead_release.finish(screen, table, decider, settings=settings)
