"""`strandline docs`: its arguments. What contracts say needs no Spark; `--status` starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Selected

Documented = Annotated[
    str,
    Parameter(
        help="Names of contracts or of their target tables, patterns such as 'crm_*', tag:NAME, "
        "source:BLOCK; all without any."
    ),
]
PagesFolder = Annotated[
    Path | None,
    Parameter(help="The folder to write. Default: `docs` of the state directory."),
]
OpenPages = Annotated[
    bool, Parameter(name="--open", negative="", help="Open the index in the browser.")
]
WithStatus = Annotated[
    bool,
    Parameter(
        name="--status",
        negative="",
        help="Also how the last load of each table ended and how fresh its rows are; reads the "
        "lakehouse.",
    ),
]
OfSettings = Annotated[
    str | None,
    Parameter(
        help="The name of the run settings; without any and without blocks, the contracts that "
        "come along."
    ),
]


def docs(
    *contracts: Documented,
    select: Selected = (),
    output: PagesFolder = None,
    open_page: OpenPages = False,
    status: WithStatus = False,
    settings: OfSettings = None,
    json: AsJson = False,
) -> None:
    """Write the catalogue of contracts: an index with a search, and a page for each.

    A page has the columns with their classification and protection, what each role sees, the
    lineage from source to target column, checks, promises and source. All of it is one folder of
    files that needs no server.
    """
    screen = CommandOutput.of(as_json=json)
    with screen.waiting("Reading the contracts"):
        from strandline.commands.docs.write_catalogue import DocsOptions, write_catalogue
    options = DocsOptions((*contracts, *select), output, open_page, status)
    write_catalogue(screen, options, settings=settings)
