"""`strandline lineage`: its arguments.

What a contract says needs no Spark; the way back of a version does, and is imported when asked for.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from contracts.errors import UsageError
from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

ColumnName = Annotated[str, Parameter(help="A target column; without one all of them.")]
OfKey = Annotated[
    str | None,
    Parameter(
        name="--key",
        allow_leading_hyphen=True,
        help="A business key, as `strandline history` takes it: where its versions come from.",
    ),
]
AsOf = Annotated[
    str | None, Parameter(help="With --key: only the version that held at this moment (UTC).")
]
Limit = Annotated[
    int, Parameter(validator=Number(gte=1), help="With --key: the most versions to show.")
]

app = App(name="lineage", help="Show where columns come from, and one version's way back.")


@app.default
def lineage(
    table: TableName,
    column: ColumnName = "",
    /,
    *,
    key: OfKey = None,
    as_of: AsOf = None,
    limit: Limit = 20,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show what a table's columns are made of, or where the versions of a key come from."""
    screen = CommandOutput.of(as_json=json)
    if key is not None and column:
        raise UsageError(
            where="strandline lineage",
            expected="a column, or --key",
            found="both",
            next_step="strandline lineage --help",
        )
    if key is None:
        from strandline.commands.lineage.lineage_of_columns import show_columns

        show_columns(screen, table, column, settings=settings)
        return
    with screen.waiting("Starting"):
        from strandline.commands.lineage.lineage_of_versions import show_versions
    show_versions(screen, table, key, as_of=as_of, limit=limit, settings=settings)
