"""All pages of the catalogue, by their place below its folder.

Promise: the pages hold what contracts say and how loads ended, and no value of a row. They load
nothing but each other, and everything but the search works without a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.model import Contract
from strandline.catalogue.contract_page import contract_page
from strandline.catalogue.index_page import index_page
from strandline.catalogue.table_state import TableState

INDEX = "index.html"
PAGES = "contracts"
"""The folder of the contracts' pages, below that of the index."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The contracts, with what became of their tables where that was read, by contract."""

    contracts: tuple[Contract, ...]
    made_at: datetime
    states: Mapping[str, TableState] = field(default_factory=dict)


def catalogue_pages(catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    """Each page's place and its HTML, the index first."""
    contracts, states = catalogue.contracts, catalogue.states
    yield INDEX, index_page(contracts, states, folder=PAGES, made_at=catalogue.made_at)
    for contract in contracts:
        state = states.get(contract.name)
        page = contract_page(contract, state, index=f"../{INDEX}", made_at=catalogue.made_at)
        yield f"{PAGES}/{contract.name}.html", page
