"""The commands that bring up and set up a Prefect server, with their arguments.

As in `command_definitions`, a command imports its implementation when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from strandline.terminal.console_output import AsJson, CommandOutput

ProjectFile = Annotated[
    Path, Parameter(name="--file", help="The prefect.yaml; its directory is the project's.")
]
State = Annotated[
    Path, Parameter(name="--state", help="The directory in which the local stack lives.")
]
Port = Annotated[
    int | None,
    Parameter(
        validator=Number(gte=1, lte=65_535),
        help="The TCP port of the server; without one, 4200 or the next that is free.",
    ),
]

_STARTING = "Starting"
_PROJECT, _STATE = Path("prefect.yaml"), Path(".strandline")


def deploy(*, file: ProjectFile = _PROJECT, state: State = _STATE, json: AsJson = False) -> int:
    """Bring a Prefect server up to date: blocks, work pools, limits, deployments."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.deploy_command import deploy_all
    return deploy_all(screen, file, state)


def up(
    *,
    port: Port = None,
    file: ProjectFile = _PROJECT,
    state: State = _STATE,
    json: AsJson = False,
) -> None:
    """Start a local Prefect server with its pages and workers."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import up_down_commands
    up_down_commands.start(screen, file, state, port)


def down(*, state: State = _STATE, json: AsJson = False) -> None:
    """End the local server, its workers and their runs."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands import up_down_commands
    up_down_commands.stop(screen, state)
