from __future__ import annotations

import copy
import pathlib
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.authoring.full_contract import full_document
from contracts.errors import ContractError
from contracts.loader import (
    LEDGERS,
    TABLES,
    contract_of_document,
    load_contract,
    load_ledger,
)
from contracts.model import Contract, Ledger
from contracts.schemas.data_dictionary import data_dictionary
from contracts.schemas.spark_schemas import target_schema
from contracts.schemas.target_ddl import create_table
from tests.night import AT_NIGHT
from tests.tasks.source.relations import bounds_query, relation_of, source_query

LONG = pathlib.Path(__file__).parents[1] / "long_form" / "new_source_table.yaml"
TABLE = yaml.safe_load(LONG.read_text(encoding="utf-8"))
SHORT = yaml.safe_load((TABLES / "new_source_table.yaml").read_text(encoding="utf-8"))
LEDGER = yaml.safe_load((LEDGERS / "quarantine.yaml").read_text(encoding="utf-8"))

Path = tuple[Any, ...]


def places(value: Any, here: Path = ()) -> list[Path]:
    """The path of every node below the top."""
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    else:
        return [here]
    return [here, *[path for step, below in steps for path in places(below, (*here, step))]]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from(["", " ", "direct", "id", "9999", "encrypt", "1 hour", "(", "__op", "BIGINT"]),
    st.text(max_size=8),
    st.sampled_from([[], {}, [[]], [{}], {"name": {}}, {"": None}, [None], {1: 2}]),
)


def reached(document, path):
    for step in path:
        document = document[step]
    return document


def damage(document, path, kind, other):
    """Delete, replace or rename one node of the document, in place."""
    owner, last = reached(document, path[:-1]), path[-1]
    if kind == "delete":
        del owner[last]
    elif kind == "replace":
        owner[last] = other
    elif isinstance(owner, dict):
        owner[str(other)[:6]] = owner.pop(last)


@dataclass(frozen=True)
class Damaged:
    """A contract with a few nodes deleted, replaced or renamed; its picture is those alone."""

    document: dict[str, Any] = field(repr=False)
    steps: list[tuple[str, Path, Any]]


@st.composite
def damages(draw, document):
    damaged = Damaged(copy.deepcopy(document), [])
    moved = st.sampled_from(places(document)).map(lambda path: reached(document, path))
    for _ in range(draw(st.integers(1, 4))):
        below = [path for path in places(damaged.document) if path]
        if below:
            kind = draw(st.sampled_from(["delete", "replace", "rename"]))
            other = copy.deepcopy(draw(st.one_of(ODD, moved)))
            path = draw(st.sampled_from(below))
            damaged.steps.append((kind, path, copy.deepcopy(other)))
            damage(damaged.document, path, kind, other)
    return damaged


class PlainDumper(yaml.SafeDumper):
    """Says a value that occurs twice in full, as contracts have to."""

    def ignore_aliases(self, _data):
        return True


FUZZ = settings(
    max_examples=2_000 if AT_NIGHT else 30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def load(function, document, folder, stem):
    """What the function makes of the document; None when it is a contract error."""
    path = folder / f"{stem}.yaml"
    text = yaml.dump(document, Dumper=PlainDumper, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    try:
        return function(path)
    except ContractError:
        return None


@FUZZ
@given(damaged=st.one_of(damages(TABLE), damages(SHORT)))
def test_a_damaged_contract_is_a_contract_that_compiles_or_a_contract_error(damaged, tmp_path):
    contract = load(load_contract, damaged.document, tmp_path, "new_source_table")

    if contract is not None:
        assert isinstance(contract, Contract)
        assert len(target_schema(contract)) == len(contract.columns)
        assert create_table(contract, "lake.a.b")
        assert data_dictionary(contract)
        assert source_query(contract, relation_of(contract))
        assert bounds_query(contract)
        full = full_document(damaged.document, contract)
        assert contract_of_document(full, "new_source_table") == contract


@FUZZ
@given(damaged=damages(LEDGER))
def test_a_damaged_ledger_is_a_ledger_or_a_contract_error(damaged, tmp_path):
    ledger = load(load_ledger, damaged.document, tmp_path, "quarantine")

    assert ledger is None or isinstance(ledger, Ledger)


@FUZZ
@given(text=st.text(max_size=200))
def test_any_text_is_answered_with_a_contract_error(text, tmp_path):
    path = tmp_path / "text.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ContractError):
        load_contract(path)
