"""`strandline undo`: its arguments.

The implementation loads Spark and Prefect, which takes seconds: it is imported when the command
runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from strandline.commands.quarantine.quarantine_command import Decider
from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

_STARTING = "Starting"

BatchName = Annotated[
    str, Parameter(help="The batch, as `strandline runs` and `strandline diff` name it.")
]
KeepWatermark = Annotated[
    bool,
    Parameter(
        negative="",
        help="Do not read again what the source has from the batch on; without it the next load "
        "does.",
    ),
]
DryRun = Annotated[bool, Parameter(negative="", help="Show what would differ, change nothing.")]
Show = Annotated[
    int, Parameter(validator=Number(gte=0), help="Name so many of the versions that differ.")
]
Yes = Annotated[bool, Parameter(negative="", help="Publish without asking.")]

app = App(name="undo", help="Take a batch back: the history as if it had never been loaded.")


@app.default
def undo(  # noqa: PLR0913 - one option each
    table: TableName,
    /,
    *,
    batch: BatchName,
    decider: Decider,
    keep_watermark: KeepWatermark = False,
    dry_run: DryRun = False,
    show: Show = 0,
    yes: Yes = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Show the history as if the batch had never been loaded, and publish it if told to."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.undo import show_and_publish_undo
        from tasks.run.quarantine_decision import Action, Decision
    decision = Decision(Action.UNDO_BATCH, decider.by, decider.reason, datetime.now(UTC))
    options = show_and_publish_undo.UndoOptions(
        batch, decision, keep_watermark=keep_watermark, dry_run=dry_run, show=show, yes=yes
    )
    return show_and_publish_undo.undo(screen, table, options, settings=settings)
