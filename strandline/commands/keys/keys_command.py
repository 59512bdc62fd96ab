"""`strandline keys`: show the data keys, make new ones, wrap them by another key.

No key is ever typed: a key-encryption key is named by the block or the environment variable that
has it. The implementations load Spark and Prefect, which takes seconds: a command imports its own
when it runs.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

_STARTING = "Starting"

OneTable = Annotated[str | None, Parameter(help="A contract, or its target table; none for all.")]
Rewrite = Annotated[
    bool,
    Parameter(
        negative="",
        help="Encrypt again what older keys encrypted: versions, kept events, refused rows.",
    ),
]
Purpose = Annotated[
    str, Parameter(help="What the key is for. Only keys for encryption can be replaced.")
]
ToBlock = Annotated[
    str | None,
    Parameter(
        help="The key ring block with the key to wrap by, as TYPE/NAME, or NAME of a local one; "
        "its keys are kept at the same place."
    ),
]
ToVariable = Annotated[
    str | None,
    Parameter(
        name="--to-env",
        help="The environment variable with the key to wrap by: 32 bytes in base64, or a key of "
        "AWS KMS.",
    ),
]
KeyId = Annotated[str, Parameter(help="The key, as `strandline keys status` names it.")]
Reason = Annotated[str, Parameter(help="Why; the audit log and the ring keep it.")]
Yes = Annotated[bool, Parameter(negative="", help="Destroy without asking.")]

app = App(name="keys", help="The keys that protect the tables: show, rotate, rewrap, destroy.")


@app.command
def status(
    table: OneTable = None, /, *, settings: Settings = "default", json: AsJson = False
) -> None:
    """Show each data key: its purpose and state, how often it was used, and what wraps it."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.keys import show_and_rewrap
    show_and_rewrap.show(screen, table, settings=settings)


@app.command
def rotate(
    table: TableName,
    /,
    *,
    rewrite: Rewrite = False,
    purpose: Purpose = "encryption",
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Make a new encryption key for a table; what it encrypted before stays readable."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.keys import rotate_table
    rotate_table.rotate(screen, table, purpose, rewrite=rewrite, settings=settings)


@app.command
def rewrap(
    *,
    to_block: ToBlock = None,
    to_env: ToVariable = None,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Wrap all data keys by another key-encryption key; data keys and data stay as they are."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.keys import show_and_rewrap
    show_and_rewrap.rewrap(screen, to_block, to_env, settings=settings)


@app.command
def destroy(
    key: KeyId,
    /,
    *,
    reason: Reason,
    yes: Yes = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Destroy an encryption key: what it encrypted is lost, in backups and older states too."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.keys import destroy_key
    return destroy_key.destroy(screen, key, reason, yes=yes, settings=settings)
