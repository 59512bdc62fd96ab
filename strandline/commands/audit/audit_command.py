"""`strandline audit`: show who did what, verify that the log is as it was written, export it.

`strandline audit` alone shows the newest records. The implementations load Spark, which takes
seconds: a command imports its own when it runs.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from strandline.terminal.console_output import AsJson, CommandOutput, Settings

_STARTING = "Starting"

Subject = Annotated[
    str | None,
    Parameter(help="Of this contract or table, or of what else a record is about."),
]
Action = Annotated[str | None, Parameter(help="Of this action, such as publish or release.")]
Since = Annotated[
    str | None, Parameter(help="Recorded at or after this moment, such as 2026-05-01 (UTC).")
]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="The most to show, newest first.")]
Destination = Annotated[
    str, Parameter(help="A folder, or s3://BUCKET/PREFIX of a bucket with object lock.")
]
Exports = Annotated[
    tuple[str, ...],
    Parameter(
        name="--export",
        consume_multiple=True,
        negative="",
        help="Folders or s3:// addresses with exported files: they are verified, and the log "
        "compared with them.",
    ),
]
Anchors = Annotated[
    tuple[str, ...],
    Parameter(
        name="--anchor",
        consume_multiple=True,
        negative="",
        help="Heads of the chain as `strandline audit anchor` printed them: NUMBER:HASH.",
    ),
]
Credentials = Annotated[
    str | None,
    Parameter(
        name="--aws-credentials",
        help="The name of an aws-credentials block. Default: those of the environment.",
    ),
]

app = App(name="audit", help="The audit log: show, verify and export it.")


@app.default
@app.command
def show(
    *,
    subject: Subject = None,
    action: Action = None,
    since: Since = None,
    limit: Limit = 20,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show who did what, when and why; the newest records."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.audit import audit_answers
    options = audit_answers.ShowOptions(subject, action, since, limit)
    audit_answers.show(screen, options, settings=settings)


@app.command
def verify(
    *,
    exports: Exports = (),
    anchors: Anchors = (),
    credentials: Credentials = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Verify the whole log: find changed, missing, inserted and reordered records."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.audit import audit_answers
    outside = audit_answers.OutsideAnchors(exports, anchors, credentials)
    return audit_answers.verify(screen, outside, settings=settings)


@app.command
def anchor(*, settings: Settings = "default", json: AsJson = False) -> None:
    """Print the head of the chain as NUMBER:HASH, to be kept where nobody here can change it."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.audit import audit_answers
    audit_answers.anchor(screen, settings=settings)


@app.command
def export(
    destination: Destination,
    /,
    *,
    credentials: Credentials = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Export the records after the last exported one, as lines of canonical JSON."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.audit import audit_answers
    audit_answers.export(screen, destination, credentials, settings=settings)


@app.command(name="verify-export")
def verify_export(
    destination: Destination, /, *, credentials: Credentials = None, json: AsJson = False
) -> None:
    """Verify exported files on their own, without the lakehouse."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.audit import audit_answers
    audit_answers.verify_files(screen, destination, credentials)
