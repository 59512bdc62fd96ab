"""`strandline source`: show whether sources are read or left alone, and close a circuit by hand.

The implementations load Prefect, which takes a second: a command imports its own when it runs.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Settings

_STARTING = "Starting"

OneSource = Annotated[
    str | None, Parameter(help="A source, as contracts name it by `connection`; none for all.")
]
SourceName = Annotated[str, Parameter(help="A source, as contracts name it by `connection`.")]

app = App(name="source", help="Sources: whether they are read, and by how many connections.")


@app.default
@app.command
def status(
    source: OneSource = None, /, *, settings: Settings = "default", json: AsJson = False
) -> None:
    """Show the circuit of each source, and who holds connections to it."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.sources import circuit_answers
    circuit_answers.show(screen, source, settings=settings)


@app.command
def reset(source: SourceName, /, *, settings: Settings = "default", json: AsJson = False) -> None:
    """Close the circuit of a source: the next run reads it at once."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.sources import circuit_answers
    circuit_answers.reset(screen, source, settings=settings)
