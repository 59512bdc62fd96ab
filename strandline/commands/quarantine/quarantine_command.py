"""`strandline quarantine`: show the rows that were refused, and decide about them.

`strandline quarantine TABLE` shows them, as `show` does. The implementations load Spark and
Prefect, which takes seconds: a command imports its own when it runs.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from contracts.errors import UsageError
from strandline.terminal.console_output import AsJson, CommandOutput, Settings, TableName

if TYPE_CHECKING:
    from strandline.queries.select_refused_rows import RowSelector

_STARTING = "Starting"

Limit = Annotated[int, Parameter(validator=Number(gte=1), help="The most to show.")]
WithRows = Annotated[
    bool,
    Parameter(
        negative="",
        help="Show the rows themselves too, as they are kept: what is sensitive encrypted.",
    ),
]
Assignments = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        consume_multiple=True,
        negative="",
        help="COLUMN=VALUE of the source, in the column's type.",
    ),
]
Nulls = Annotated[
    tuple[str, ...],
    Parameter(name="--null", consume_multiple=True, negative="", help="Columns to make null."),
]
BatchName = Annotated[str, Parameter(help="The batch, as `show` names it.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows are meant; several options together mean the rows that all of them hold of."""

    key: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            negative="",
            help="These keys, each typed as `strandline history` takes it.",
        ),
    ] = ()
    check: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", help="Rows that failed one of these checks."),
    ] = ()
    batch: Annotated[str | None, Parameter(help="Rows that this batch refused.")] = None
    where: Annotated[
        str | None,
        Parameter(
            help="Rows that this SQL condition holds of; it may name refused_at, read_at, "
            "batch_id, source_table, form, check and column."
        ),
    ] = None
    everything: Annotated[
        bool, Parameter(name="--all", negative="", help="All rows that are held.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides, and why: it is kept with the decision."""

    reason: Annotated[str, Parameter(help="Why.")]
    by: Annotated[str, Parameter(help="Who decides. Default: the login name.")] = field(
        default_factory=getpass.getuser
    )


_NO_ROWS = Rows()

app = App(name="quarantine", help="The rows that were refused: show them, decide about them.")


@app.default
@app.command
def show(
    table: TableName,
    /,
    *,
    rows_of: Rows = _NO_ROWS,
    limit: Limit = 20,
    rows: WithRows = False,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Show which rows are held, and why; and the batches that were not published."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.quarantine import show_quarantine
    options = show_quarantine.ShowOptions(_selector(rows_of), limit, rows)
    show_quarantine.show(screen, table, options, settings=settings)


@app.command
def fix(
    table: TableName,
    /,
    *,
    assignments: Assignments = (),
    nulls: Nulls = (),
    rows_of: Rows = _NO_ROWS,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Give held rows other values; they stay held until they are released."""
    screen = CommandOutput.of(as_json=json)
    values = _values(assignments, nulls)
    with screen.waiting(_STARTING):
        from strandline.commands.quarantine import decide_on_rows
    request = decide_on_rows.Request(_selector(rows_of), decider.by, decider.reason, _now())
    decide_on_rows.fix(screen, table, request, values, settings=settings)


@app.command
def release(
    table: TableName,
    /,
    *,
    rows_of: Rows = _NO_ROWS,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> int:
    """Judge held rows again; those that pass take their place in the history."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.quarantine import decide_on_rows
    request = decide_on_rows.Request(_selector(rows_of), decider.by, decider.reason, _now())
    return decide_on_rows.release(screen, table, request, settings=settings)


@app.command
def discard(
    table: TableName,
    /,
    *,
    rows_of: Rows = _NO_ROWS,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Give held rows up: they stay in the quarantine's table, and are not held any more."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.quarantine import decide_on_rows
    request = decide_on_rows.Request(_selector(rows_of), decider.by, decider.reason, _now())
    decide_on_rows.discard(screen, table, request, settings=settings)


@app.command
def publish(
    table: TableName,
    batch: BatchName,
    /,
    *,
    decider: Decider,
    settings: Settings = "default",
    json: AsJson = False,
) -> None:
    """Publish a batch that the contract's gate kept back, as it was judged."""
    screen = CommandOutput.of(as_json=json)
    with screen.waiting(_STARTING):
        from strandline.commands.quarantine import decide_on_rows
    request = decide_on_rows.BatchRequest(batch, decider.by, decider.reason, _now())
    decide_on_rows.publish(screen, table, request, settings=settings)


def _now() -> datetime:
    return datetime.now(UTC)


def _selector(rows: Rows) -> RowSelector:
    from strandline.queries.select_refused_rows import RowSelector

    return RowSelector(rows.key, rows.check, rows.batch, rows.where, rows.everything)


def _values(assignments: Sequence[str], nulls: Sequence[str]) -> dict[str, str | None]:
    values: dict[str, str | None] = dict.fromkeys(nulls)
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name or name in values:
            raise UsageError(
                where="--set",
                expected="COLUMN=VALUE, each column once",
                found="something else, or a column that is named twice",
                next_step="strandline quarantine fix --help",
            )
        values[name] = value
    if not values:
        raise UsageError(
            where="strandline quarantine fix",
            expected="--set COLUMN=VALUE or --null COLUMN",
            found="neither",
            next_step="strandline quarantine fix --help",
        )
    return values
