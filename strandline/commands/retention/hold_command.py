"""`strandline hold`: persons under legal hold, whose data nothing erases or anonymises.

The implementations load Spark, which takes seconds: a command imports its own when it runs.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from strandline.commands.quarantine.quarantine_command import Decider
from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

_STARTING = "Starting"

Subjects = Annotated[
    tuple[str, ...],
    Parameter(
        name="--subject",
        consume_multiple=True,
        negative="",
        help="A person: COLUMN=VALUE[,COLUMN=VALUE...] of the contract's subject columns. What is "
        "typed here shows in the list of processes.",
    ),
]
SubjectsFrom = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True, help="A file with one person on each line; - for standard input."
    ),
]
Matter = Annotated[str, Parameter(help="The case or the inquiry that it is for; it is kept.")]
HoldName = Annotated[
    str | None, Parameter(name="--hold", help="The hold, as `strandline hold list` names it.")
]
OneTable = Annotated[str | None, Parameter(help="A contract, or its target table; none for all.")]
Released = Annotated[
    bool, Parameter(name="--all", negative="", help="Those that were released, too.")
]

app = App(name="hold", help="Persons under legal hold, whose data nothing erases or anonymises.")


@app.command
def place(
    table: TableName,
    /,
    *,
    subject: Subjects = (),
    subjects_from: SubjectsFrom = None,
    matter: Matter,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Put persons under legal hold."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.retention import decide_on_holds
    chosen = decide_on_holds.Chosen(subject, subjects_from)
    decision = decide_on_holds.decision_of(decider.by, decider.reason)
    decide_on_holds.place(screen, table, chosen, decision, matter=matter, settings=settings)


@app.command
def release(
    table: TableName,
    /,
    *,
    hold: HoldName = None,
    subject: Subjects = (),
    subjects_from: SubjectsFrom = None,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Release a hold, or the holds on some persons; of both, that hold on those persons."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.retention import decide_on_holds
    chosen = decide_on_holds.Chosen(subject, subjects_from, hold)
    decision = decide_on_holds.decision_of(decider.by, decider.reason)
    decide_on_holds.release(screen, table, chosen, decision, settings=settings)


@app.command(name="list")
def list_holds(
    table: OneTable = None,
    /,
    *,
    released: Released = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show the holds: what for, since when, on how many persons; never a value."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.retention import decide_on_holds
    decide_on_holds.show(screen, table, released=released, settings=settings)
