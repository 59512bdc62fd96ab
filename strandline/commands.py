"""The commands that work on the lakehouse, as they are typed.

What answers them loads Spark and Prefect, which takes seconds: it is imported when a command runs.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from strandline.screen import AsJson, Screen, Settings, TableName

More = Annotated[str, Parameter(help="Further ones, loaded side by side.")]
Key = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="The business key: the bare value, or a=1,b=2 where several columns make it.",
    ),
]
AsOf = Annotated[
    str | None,
    Parameter(help="Show only what held at this moment, such as 2024-05-01T12:00 (UTC)."),
]
WithRows = Annotated[
    bool,
    Parameter(
        negative="",
        help="Show the rows themselves too, as they are kept: what is sensitive encrypted.",
    ),
]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="The most to show.")]
Verbose = Annotated[bool, Parameter(negative="", help="Show Prefect's own log as well.")]

_STARTING = "Starting"


def run(
    contract: TableName,
    /,
    *more: More,
    settings: Settings = "default",
    verbose: Verbose = False,
    json: AsJson = False,
) -> int:
    """Load what is new in the sources of contracts."""
    screen = Screen.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.loading import load
    return load(screen, (contract, *more), settings=settings, verbose=verbose)


def history(
    table: TableName,
    key: Key,
    /,
    *,
    as_of: AsOf = None,
    limit: Limit = 50,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show the versions of one key on a time line."""
    screen = Screen.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline import lake_answers
    lake_answers.history(screen, table, key, as_of=as_of, limit=limit, settings=settings)


def status(*, settings: Settings = "default", json: AsJson = False) -> None:
    """Show where each table stands."""
    screen = Screen.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline import lake_answers
    lake_answers.status(screen, settings=settings)


def runs(
    contract: TableName | None = None,
    /,
    *,
    limit: Limit = 20,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show how the last loads went, newest first."""
    screen = Screen.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline import lake_answers
    lake_answers.runs(screen, contract, limit=limit, settings=settings)


def quarantine(
    table: TableName,
    /,
    *,
    limit: Limit = 20,
    rows: WithRows = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show which rows were refused, and why."""
    screen = Screen.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline import lake_answers
    lake_answers.quarantine(screen, table, limit=limit, rows=rows, settings=settings)
