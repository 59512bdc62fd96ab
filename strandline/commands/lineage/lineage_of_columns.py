"""Which source columns each column of a table is made of, by its contract alone."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import NotFoundError
from contracts.loader import TABLES, find_contract
from contracts.model import Contract
from contracts.schemas.column_lineage import ColumnLineage, column_lineage
from contracts.yaml_reading.problem_report import did_you_mean
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING
from strandline.terminal.text_table import Heading, facts, text_table

_HEADINGS = (
    Heading("column"),
    Heading("from", prose=True),
    Heading("how", prose=True),
    Heading("protection"),
    Heading("classification", spare=True),
)


def show_columns(screen: CommandOutput, table: str, column: str, *, settings: str) -> None:
    """All columns of the table, or everything about one.

    Raises:
        NotFoundError: The contract has no such column.
    """
    block = block_lookup.settings(settings)
    contract = find_contract(table, block.contracts_directory or TABLES)
    found = column_lineage(contract)
    data = {
        "contract": contract.name,
        "table": contract.target,
        "source": contract.source.relation,
        "connection": contract.source.connection,
    }
    if not column:
        screen.answer({**data, "columns": found}, *_page(contract, found, screen.out.width))
        return
    chosen = next((each for each in found if each.column == column), None)
    if chosen is None:
        raise NotFoundError(
            where=contract.target,
            expected="a column of the table",
            found=f"no {column}; {did_you_mean(column, [each.column for each in found])}",
            next_step=f"strandline lineage {contract.name}",
        )
    screen.answer({**data, "column": chosen}, *_column_page(contract, chosen))


def _page(contract: Contract, found: tuple[ColumnLineage, ...], width: int) -> list[RenderableType]:
    rows = [
        (
            each.column,
            ", ".join(each.sources) or NOTHING,
            each.expression,
            each.protection or NOTHING,
            each.classification,
        )
        for each in found
    ]
    return [
        Text.assemble((contract.target, "bold"), f"  from {_source(contract)}"),
        text_table(_HEADINGS, rows, width=width),
    ]


def _column_page(contract: Contract, column: ColumnLineage) -> list[RenderableType]:
    roles = [
        word
        for word, holds in (
            ("identifies the record", column.is_key),
            ("tracked", column.is_tracked),
        )
        if holds
    ]
    known = {each.name: each for each in contract.source.columns}
    sources = [
        f"{name} {known[name].type}, {known[name].classification}"
        + (f", made of {', '.join(made)}" if (made := known[name].derived_from) else "")
        if name in known
        else name
        for name in column.sources
    ]
    pairs = [
        ("from", "; ".join(sources) or "no source column: a run fills it"),
        ("how", column.expression),
        ("transformation", column.transformation),
        ("classification", column.classification),
        ("protection", column.protection or "stored in the clear"),
        ("undone by", column.undone_by or NOTHING),
        ("use", ", ".join(roles) or NOTHING),
    ]
    title = Text.assemble((f"{contract.target}.{column.column}", "bold"))
    return [Text.assemble(title, f"  from {_source(contract)}"), facts(pairs)]


def _source(contract: Contract) -> str:
    return f"{contract.source.relation} of {contract.source.connection}"
