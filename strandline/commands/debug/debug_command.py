"""`strandline debug`: each connection and right that the blocks need, tried without Spark."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Selected, Settings

Debugged = Annotated[
    str,
    Parameter(
        help="Names of contracts or of their target tables, patterns such as 'crm_*', tag:NAME, "
        "source:BLOCK; all without any."
    ),
]


def debug(
    *contracts: Debugged,
    select: Selected = (),
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Try each connection and right, without Spark: Java, blocks, sources, lakehouse, keys, tables.

    Every failure is shown with what to do about it; one does not hide the next. The exit code is
    that of the first.
    """
    screen = CommandOutput.of(as_json=json)
    with screen.waiting("Starting"):
        from strandline.commands.debug.connection_trials import trials
        from strandline.commands.debug.trial_page import trial_data, trial_page
    found = []
    for trial in trials((*contracts, *select), settings):
        with screen.waiting(f"Trying {trial.what}"):
            found.append(trial.made())
    screen.answer(trial_data(found), *trial_page(found, width=screen.out.width))
    return next((each.error.exit_code for each in found if each.error is not None), 0)
