"""The catalogue without a browser: whole, self-contained, and true to its contracts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import pytest

from contracts.loader import TABLES, load_contracts
from contracts.model import AboveLevel, Role
from strandline.catalogue.catalogue_pages import Catalogue, catalogue_pages
from strandline.catalogue.search_script import SEARCH
from strandline.catalogue.table_state import TableState
from strandline.page_elements.page_script import SCRIPT
from strandline.page_elements.page_style import style_sheet
from tests.strandline.examples import AIRCRAFT, ENHANCED
from tests.strandline.page_tree import Node, tags_of, tree_of

NOW = datetime(2024, 5, 1, 9, tzinfo=UTC)
CONTRACTS = tuple(load_contracts(TABLES).values())
STATES = {
    "aircraft": TableState(
        exists=True,
        last_state="refused",
        loaded_at=NOW - timedelta(hours=1),
        published_at=NOW - timedelta(days=1),
        newest_row=NOW - timedelta(hours=30),
        versions=48_930,
        open_versions=3_322,
        score=0.9012,
    ),
    "new_source_table": TableState(exists=False),
}
PAGES = dict(catalogue_pages(Catalogue(CONTRACTS, NOW)))
WITH_STATES = dict(catalogue_pages(Catalogue(CONTRACTS, NOW, STATES)))
ALL = {f"{name}, {kind}": page for kind, pages in (("plain", PAGES), ("with states", WITH_STATES))
       for name, page in pages.items()}  # fmt: skip


def section_of(page: str, name: str) -> Node:
    return next(n for n in tree_of(page).all("section") if n.attributes["id"] == name)


def test_there_is_an_index_and_a_page_for_each_contract():
    assert [*PAGES] == ["index.html", *[f"contracts/{each.name}.html" for each in CONTRACTS]]


@pytest.mark.parametrize("page", ALL.values(), ids=ALL.keys())
def test_each_page_is_whole_and_loads_nothing(page):
    tree = tree_of(page)
    ids = [node.attributes["id"] for node in tree.all(*tags_of(tree)) if "id" in node.attributes]
    levels = [int(node.tag[1]) for node in tree.all("h1", "h2", "h3")]

    assert [node.tag for node in tree.children] == ["html"]
    assert len(ids) == len(set(ids))
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tags_of(tree) & {"link", "img", "iframe", "object", "embed", "form", "base"} == set()
    for node in tree.all(*tags_of(tree)):
        assert {"src", "srcset", "style"} & node.attributes.keys() == set()
        assert [name for name in node.attributes if name.startswith("on")] == []
    scripts = [node.text for node in tree.all("script")]
    assert scripts in ([SEARCH], [SCRIPT])
    assert re.findall(r"https?:|//[a-z]|url\(|@import", page.replace(scripts[0], "")) == []


def test_each_link_leads_to_a_page_of_the_catalogue_and_a_place_on_it():
    for place, page in PAGES.items():
        folder = place.rpartition("/")[0]
        for node in tree_of(page).all("a"):
            address = urlsplit(unquote(node.attributes["href"] or ""))
            if address.path.startswith("../"):
                target = address.path.removeprefix("../")
            else:
                target = address.path and "/".join(filter(None, (folder, address.path)))
            assert (target or place) in PAGES
            if address.fragment:
                there = tree_of(PAGES[target or place])
                ids = {n.attributes.get("id") for n in there.all(*tags_of(there))}
                assert address.fragment in ids


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_a_page_says_what_its_contract_says(contract):
    page = PAGES[f"contracts/{contract.name}.html"]
    columns = section_of(page, "columns").all("tbody")[0].children
    checks = section_of(page, "checks")
    index = section_of(PAGES["index.html"], "contracts")

    assert len(columns) == len(contract.columns)
    for row, column in zip(columns, contract.columns, strict=True):
        assert column.name in row.children[0].text
        assert str(column.classification) in row.text
    assert all(check.id in checks.text for check in contract.checks)
    assert contract.owner in section_of(page, "promises").text
    points = [n for n in section_of(page, "lineage").all("g") if n.attributes["class"] == "point"]
    assert len(points) == len(contract.columns)
    assert contract.name in index.text
    roles = section_of(page, "roles")
    assert all(role.name in roles.text for role in contract.roles)


def test_what_a_role_sees_of_each_column_is_there_with_the_reason():
    role = Role("auditor", above=AboveLevel.REDACT, mask={"new_source_column2": 2})
    contract = replace(ENHANCED, roles=(role,))
    page = dict(catalogue_pages(Catalogue((contract,), NOW)))["contracts/new_source_table.html"]
    rows = section_of(page, "roles").all("tbody")[1].children
    seen = {row.children[0].text: row.children[1].text for row in rows}

    assert "masked but for 2" in seen["new_source_column2"]
    assert "masked by name" in seen["new_source_column2"]
    assert "redacted" in seen["new_source_column3"]
    assert "CONFIDENTIAL, above PUBLIC" in seen["new_source_column3"]


def test_the_state_of_a_table_is_there_where_it_was_read():
    index = section_of(WITH_STATES["index.html"], "contracts")
    rows = {row.children[0].text.split()[0]: row.text for row in index.all("tbody")[0].children}
    promises = section_of(WITH_STATES["contracts/aircraft.html"], "promises")

    assert "refused" in next(text for name, text in rows.items() if name.startswith("aircraft"))
    assert "never loaded" in WITH_STATES["index.html"]
    assert "never loaded" not in PAGES["index.html"]
    assert "48,930" in promises.text
    assert "How the table is" not in PAGES["contracts/aircraft.html"]


@pytest.mark.parametrize(("promised", "said"), [(24.0, "over 24 h"), (36.0, "within 36 h")])
def test_freshness_is_compared_with_what_the_contract_promises(promised, said):
    level = replace(AIRCRAFT.service_level, freshness_hours=promised)
    contract = replace(AIRCRAFT, service_level=level)
    pages = dict(catalogue_pages(Catalogue((contract,), NOW, STATES)))

    assert f"30.0 h, {said}" in section_of(pages["contracts/aircraft.html"], "promises").text


def test_what_a_contract_says_is_text_and_never_markup():
    odd = "<script>alert('x')</script>\"&"
    column = replace(AIRCRAFT.columns[0], description=odd, physical_type=odd)
    contract = replace(
        AIRCRAFT,
        description=odd,
        owner=odd,
        version=odd,
        tags=(odd,),
        columns=(column, *AIRCRAFT.columns[1:]),
        checks=tuple(replace(each, arguments={odd: odd}) for each in AIRCRAFT.checks),
        roles=(Role("reader", description=odd),),
    )
    for page in dict(catalogue_pages(Catalogue((contract,), NOW))).values():
        tree = tree_of(page)
        assert [node.text for node in tree.all("script")] in ([SEARCH], [SCRIPT])
        assert odd in tree.text


def test_each_class_is_one_that_the_style_knows():
    used = {
        name
        for page in ALL.values()
        for node in tree_of(page).all(*tags_of(tree_of(page)))
        for name in (node.attributes.get("class") or "").split()
    }

    assert {name for name in used if f".{name}" not in style_sheet()} <= {"point", "key", "long"}


def test_without_its_script_the_index_has_no_search_and_shows_all_rows():
    tree = tree_of(PAGES["index.html"])
    (box,) = [n for n in tree.all("div") if n.attributes.get("role") == "search"]

    assert box.attributes["hidden"] == "hidden"
    assert not [n for n in tree.all("tr") if "hidden" in n.attributes]
    assert re.findall(r"fetch|XMLHttp|import|eval|innerHTML|https?:", SEARCH) == []
