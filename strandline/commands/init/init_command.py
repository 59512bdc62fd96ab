"""`strandline init`: a project of a user's own, from a database to the first history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from strandline.terminal.console_output import AsJson, CommandOutput

Folder = Annotated[Path, Parameter(help="The project's folder: empty, or not there yet.")]
Database = Annotated[
    str | None,
    Parameter(
        help="Its address: postgresql://USER@HOST:PORT/DATABASE, mysql://USER@HOST/DATABASE or "
        "sqlite:FILE. Asked for without it."
    ),
]
PasswordVariable = Annotated[
    str | None,
    Parameter(
        name="--password-env",
        help="The environment variable that has the password, now and at each run.",
    ),
]
PasswordFile = Annotated[
    Path | None,
    Parameter(help="A file that has the password; the project gets a copy, for its owner alone."),
]
Tables = Annotated[
    tuple[str, ...],
    Parameter(
        consume_multiple=True,
        negative="",
        help="The tables to begin with: SCHEMA.TABLE, or patterns such as 'crm.*'. Asked for "
        "without it.",
    ),
]
SourceName = Annotated[
    str | None, Parameter(help="The name of the database's block; the database's by default.")
]
ListOnly = Annotated[
    bool,
    Parameter(name="--list", negative="", help="List the database's tables, and make nothing."),
]
Load = Annotated[
    bool | None,
    Parameter(
        negative="--no-load",
        help="Load the tables at once. On a terminal it is asked, elsewhere done.",
    ),
]
FetchJava = Annotated[
    bool,
    Parameter(negative="", help="Agree that a Java is fetched, where none is installed."),
]
Samples = Annotated[
    bool,
    Parameter(
        negative="--no-samples", help="Look at a sample of rows for suggestions in contracts."
    ),
]


def init(  # noqa: PLR0913 - one option each
    folder: Folder = Path(),
    /,
    *,
    database: Database = None,
    password_env: PasswordVariable = None,
    password_file: PasswordFile = None,
    tables: Tables = (),
    source: SourceName = None,
    list_only: ListOnly = False,
    load: Load = None,
    fetch_java: FetchJava = False,
    samples: Samples = True,
    json: AsJson = False,
) -> int:
    """Make a project: find the tables of a database, write their contracts, load them.

    A password that is typed, or in the address, goes to a file of its owner alone. What is wrong is
    told before anything is made.
    """
    screen = CommandOutput.of(as_json=json)
    with screen.waiting("Starting"):
        from strandline.commands.init.make_project import InitOptions, make_project
    options = InitOptions(
        folder=folder,
        database=database,
        password_variable=password_env,
        password_file=password_file,
        tables=tables,
        source=source,
        list_only=list_only,
        load=load,
        fetch_java=fetch_java,
        samples=samples,
    )
    return make_project(screen, options)
