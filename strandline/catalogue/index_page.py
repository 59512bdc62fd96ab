"""The index of the catalogue: all contracts, all their columns, and the search over both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from contracts.model import Contract
from contracts.schemas.protection_in_words import protection_text
from strandline.catalogue.search_script import SEARCH
from strandline.catalogue.state_words import freshness_mark, load_mark
from strandline.catalogue.table_state import TableState
from strandline.page_elements.html_elements import Html, element, joined
from strandline.page_elements.page_document import breakable, page_document, skip_link
from strandline.page_elements.page_parts import data_table, titled_section
from strandline.terminal.number_format import NOTHING, count, many, minute, second, share


def index_page(
    contracts: Sequence[Contract],
    states: Mapping[str, TableState],
    *,
    folder: str,
    made_at: datetime,
) -> str:
    """The page; `folder` is where those of the contracts are, relative to it."""
    return page_document(
        "Catalogue of contracts",
        skip_link("Skip to the contracts", "catalogue"),
        _header(contracts),
        element(
            "main",
            _contracts(contracts, states, folder, made_at),
            _columns(contracts, folder),
            id="catalogue",
            tabindex="-1",
        ),
        footer(made_at),
        script=SEARCH,
    )


def footer(made_at: datetime) -> Html:
    """What a page is made of, and when."""
    return element(
        "footer",
        element(
            "p",
            f"Made by strandline docs, {second(made_at)} UTC, from the contracts. The pages hold "
            "what contracts say and how loads ended, and no value of a row.",
        ),
    )


def _header(contracts: Sequence[Contract]) -> Html:
    columns = [column for each in contracts for column in each.columns]
    protected = sum(column.protection is not None for column in columns)
    checks = sum(len(each.checks) for each in contracts)
    shown = (
        ("Contracts", f"{len(contracts):,}", f"{many(len({*_owners(contracts)}), 'owner')}"),
        ("Columns", f"{len(columns):,}", f"{protected:,} protected"),
        ("Checks", f"{checks:,}", "of rows and batches"),
        ("Sources", f"{len({*_sources(contracts)}):,}", "tables and views"),
    )
    return element(
        "header",
        element("p", "Catalogue", class_="eyebrow"),
        element("h1", "Contracts"),
        element(
            "dl",
            *[
                element("div", element("dt", name), element("dd", figure, element("small", about)))
                for name, figure, about in shown
            ],
            class_="tiles",
        ),
        element(
            "div",
            element("label", "Search contracts and columns", for_="search"),
            element(
                "input", type_="search", id="search", autocomplete="off", aria_describedby="found"
            ),
            element("output", id="found", aria_live="polite"),
            class_="search",
            role="search",
            hidden="hidden",
        ),
    )


def _owners(contracts: Sequence[Contract]) -> Sequence[str]:
    return [each.owner for each in contracts]


def _sources(contracts: Sequence[Contract]) -> Sequence[tuple[str, str]]:
    return [(each.source.connection, each.source.relation) for each in contracts]


def _contracts(
    contracts: Sequence[Contract],
    states: Mapping[str, TableState],
    folder: str,
    made_at: datetime,
) -> Html:
    of_loads = ("Last load", "Published (UTC)", "Newest row", "Open", "Quality") if states else ()
    headings = ("Contract", "Table", *of_loads, "Owner", "Source", "Key", "Columns", "Checks")
    first = 2 + len(of_loads)
    numbers = {first + 3, first + 4} | ({5, 6} if states else set())
    rows = [
        (
            _named(each, folder),
            joined(breakable(each.target)),
            *(_state(each, states.get(each.name), made_at) if states else ()),
            each.owner,
            joined((*breakable(each.source.relation), element("small", each.source.connection))),
            ", ".join(each.key),
            str(len(each.columns)),
            str(len(each.checks)),
        )
        for each in contracts
    ]
    table = data_table(f"{many(len(rows), 'contract')}", headings, rows, numbers=numbers)
    return titled_section("contracts", "All contracts", table, data_searched="contracts")


def _named(contract: Contract, folder: str) -> Html:
    about = " ".join(contract.description.split())
    words = [f"version {contract.version}", *(f"#{tag}" for tag in contract.tags)]
    return joined(
        (
            element("a", *breakable(contract.name), href=f"{folder}/{quote(contract.name)}.html"),
            element("small", about),
            element("small", " ".join(words)),
        )
    )


def _state(contract: Contract, state: TableState | None, now: datetime) -> Sequence[str]:
    return (
        load_mark(state),
        minute(None if state is None else state.published_at),
        freshness_mark(contract, state, now),
        count(None if state is None else state.open_versions),
        share(None if state is None else state.score),
    )


def _columns(contracts: Sequence[Contract], folder: str) -> Html:
    rows = [
        (
            element(
                "a",
                *breakable(column.name),
                href=f"{folder}/{quote(each.name)}.html#column-{quote(column.name)}",
            ),
            joined(breakable(each.name)),
            " ".join(column.description.split()) or NOTHING,
            column.physical_type or column.type,
            str(column.classification),
            protection_text(column) or NOTHING,
        )
        for each in contracts
        for column in each.columns
    ]
    table = data_table(
        f"{many(len(rows), 'column')} of all contracts",
        ("Column", "Contract", "Meaning", "Type", "Classification", "Protection"),
        rows,
    )
    shown = element("details", element("summary", "Show the columns"), table)
    return titled_section("columns", "All columns", shown, data_searched="columns")
