"""The page of one contract: what it promises, column by column, and where its rows come from."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Contract
from contracts.schemas.column_lineage import column_lineage
from strandline.catalogue.contract_sections import (
    checks_section,
    columns_section,
    promises_section,
    roles_section,
    source_section,
)
from strandline.catalogue.index_page import footer
from strandline.catalogue.state_words import freshness_mark, load_mark
from strandline.catalogue.table_state import TableState
from strandline.page_elements.html_elements import Html, element
from strandline.page_elements.lineage_graph import lineage_section
from strandline.page_elements.page_document import breakable, page_document, skip_link
from strandline.page_elements.page_script import SCRIPT
from strandline.terminal.number_format import minute, share

_TITLES = {
    "columns": "Columns",
    "roles": "Roles",
    "lineage": "Lineage",
    "checks": "Checks",
    "promises": "Promises",
    "source": "Source",
}


def contract_page(
    contract: Contract, state: TableState | None, *, index: str, made_at: datetime
) -> str:
    """The page; `index` is where the index is, relative to it. `state` None: it was not read."""
    source = f"{contract.source.relation} of {contract.source.connection}"
    sections = {
        "columns": columns_section(contract),
        "lineage": lineage_section(source, contract.target, column_lineage(contract)),
        "roles": roles_section(contract),
        "checks": checks_section(contract),
        "promises": promises_section(contract, state, made_at),
        "source": source_section(contract),
    }
    links = [
        element("li", element("a", "All contracts", href=index)),
        *[element("li", element("a", _TITLES[name], href=f"#{name}")) for name in sections],
    ]
    return page_document(
        f"{contract.name}, a contract",
        skip_link("Skip to the contract", "contract"),
        _header(contract, state, made_at),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *sections.values(), id="contract", tabindex="-1"),
        footer(made_at),
        script=SCRIPT,
    )


def _header(contract: Contract, state: TableState | None, now: datetime) -> Html:
    protected = sum(column.protection is not None for column in contract.columns)
    shown: list[tuple[str, str, str]] = [
        ("Columns", f"{len(contract.columns):,}", f"{protected:,} protected"),
        ("Checks", f"{len(contract.checks):,}", "of rows and batches"),
        ("Roles", f"{len(contract.roles):,}", "with a view each"),
    ]
    if state is not None:
        loaded = "never" if state.loaded_at is None else f"{minute(state.loaded_at)} UTC"
        shown += [
            ("Last load", load_mark(state), loaded),
            ("Newest row", freshness_mark(contract, state, now), "when this page was made"),
            ("Quality", share(state.score), f"at least {share(contract.quality.threshold)}"),
        ]
    return element(
        "header",
        element("p", "Contract", class_="eyebrow"),
        element("h1", *breakable(contract.name)),
        element("p", " ".join(contract.description.split())),
        element(
            "p",
            "Keeps the history of ",
            element("code", contract.source.relation),
            " in ",
            element("code", contract.target),
            f". Version {contract.version}, owned by {contract.owner}."
            + (f" Tags: {', '.join(contract.tags)}." if contract.tags else ""),
            class_="muted",
        ),
        element(
            "dl",
            *[
                element("div", element("dt", name), element("dd", figure, element("small", about)))
                for name, figure, about in shown
            ],
            class_="tiles words",
        ),
    )
