"""`strandline import`: its three commands and their arguments.

The implementation loads Spark and Prefect, which takes seconds: it is imported when a command runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from strandline.terminal.console_output import AsJson, CommandOutput, Settings

_STARTING = "Starting"

Name = Annotated[
    str | None,
    Parameter(help="The snapshot, model or table; without it the only one that the file has."),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all three commands take."""

    source: Annotated[
        str, Parameter(help="The block of the database that later loads read, such as crm-db.")
    ]
    table: Annotated[
        str | None,
        Parameter(help="The table there, as SCHEMA.TABLE, where the configuration has it not."),
    ] = None
    history: Annotated[
        str | None,
        Parameter(help="The table with the versions, where the configuration has it not."),
    ] = None
    history_source: Annotated[
        str | None, Parameter(help="The block of its database, if that is another one.")
    ] = None
    key: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", help="The key's columns in the history."),
    ] = ()
    open_end: Annotated[
        str | None,
        Parameter(help="The end of open versions, if it is not null: such as 9999-12-31 (UTC)."),
    ] = None
    without: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", help="Columns of the history to leave out."),
    ] = ()
    target: Annotated[
        str | None, Parameter(help="The history table to make, as NAMESPACE.TABLE.")
    ] = None
    name: Annotated[str | None, Parameter(help="The contract's name.")] = None
    output: Annotated[
        Path | None,
        Parameter(help="The contract's file, or its folder; the settings' contracts by default."),
    ] = None
    contract_only: Annotated[
        bool, Parameter(negative="", help="Write the contract and load nothing, to edit it first.")
    ] = False
    as_written: Annotated[
        bool, Parameter(negative="", help="Load by the contract that is there already.")
    ] = False
    samples: Annotated[
        bool, Parameter(negative="--no-samples", help="Look at a sample of rows for suggestions.")
    ] = True
    settings: Settings = "default"
    json: AsJson = False


app = App(name="import", help="Take over a history that dbt, SQLMesh or dlt kept.")


@app.command
def dbt(
    file: Annotated[
        Path, Parameter(help="target/manifest.json, or the snapshot's .yml or .sql file.")
    ],
    snapshot: Name = None,
    /,
    *,
    options: Options,
) -> int:
    """Take over a dbt snapshot: its table becomes a history, its configuration a contract."""
    return _taken_over("dbt", file, snapshot, options)


@app.command
def sqlmesh(
    file: Annotated[Path, Parameter(help="The model's .sql file.")],
    model: Name = None,
    /,
    *,
    options: Options,
) -> int:
    """Take over a SQLMesh model of a kind SCD_TYPE_2."""
    return _taken_over("sqlmesh", file, model, options)


@app.command
def dlt(
    file: Annotated[Path, Parameter(help="The schema that dlt exported, as YAML.")],
    table: Name = None,
    /,
    *,
    options: Options,
) -> int:
    """Take over a table that dlt merged with the strategy scd2."""
    return _taken_over("dlt", file, table, options)


def _taken_over(
    tool: Literal["dbt", "sqlmesh", "dlt"], file: Path, name: str | None, options: Options
) -> int:
    screen = CommandOutput.of(as_json=options.json)
    with screen.waiting(_STARTING):
        from strandline.commands.imports.take_over_history import take_over
    return take_over(screen, tool, file, name, options)
