"""Where columns come from is said by their transformations, and prose that differs is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.loader import TABLES, load_contract
from contracts.model import Contract, Transformation
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.column_lineage import column_lineage, contradicts, expression_of
from contracts.validation.contract_notices import notices

SHIPPED = load_contract(TABLES / "new_source_table.yaml")
COLUMN = SHIPPED.column("new_source_column1")


def made_by(name: str, *sources: str, **arguments) -> str:
    changed = replace(COLUMN, transformation=Transformation(name, arguments), sources=sources)
    return expression_of(SHIPPED, changed)


def test_each_transformation_is_an_expression_over_its_source_columns():
    expressions = {
        "direct": made_by("direct", "a"),
        "trim": made_by("trim", "a"),
        "upper_trim": made_by("upper_trim", "a"),
        "trim_or_default": made_by("trim_or_default", "a", default="it's"),
        "default_if_null": made_by("default_if_null", "a", default=0),
        "round_within": made_by("round_within", "a", low=0, high=9.5, scale=2),
        "decode": made_by("decode", "a", codes={"x": "y", "z": None}, otherwise="U"),
        "first_present": made_by("first_present", "a", "b"),
        "literal": made_by("literal", value=True),
    }

    assert expressions == {
        "direct": "a",
        "trim": "NULLIF(TRIM(a), '')",
        "upper_trim": "UPPER(TRIM(a))",
        "trim_or_default": "COALESCE(TRIM(a), 'it''s')",
        "default_if_null": "COALESCE(a, 0)",
        "round_within": "CASE WHEN a BETWEEN 0 AND 9.5 THEN ROUND(a, 2) END",
        "decode": "CASE a WHEN 'x' THEN 'y' WHEN 'z' THEN NULL ELSE 'U' END",
        "first_present": "COALESCE(a, b)",
        "literal": "TRUE",
    }
    assert {*expressions} == {n for n, each in TRANSFORMATIONS.items() if not each.generated}


def test_a_column_says_its_sources_its_protection_and_its_use():
    told = {each.column: each for each in column_lineage(SHIPPED)}

    assert [*told] == [each.name for each in SHIPPED.columns]
    encrypted, checksum = told["new_source_column3"], told["source_checksum"]
    assert (encrypted.sources, encrypted.protection) == (("column3",), "encrypted")
    assert encrypted.is_masked
    assert encrypted.is_tracked
    assert checksum.is_masked
    assert "column3" in checksum.sources
    assert told["business_key"].is_key
    assert told["batch_id"].sources == ()
    assert told["source_sequence"].expression == "COALESCE(updated_date, created_date)"


@pytest.mark.parametrize(
    ("stated", "is_wrong"),
    [
        ("UPPER(TRIM(column1))", False),
        ("upper( trim( column1 ) )", False),
        ("TRIM(column1)", False),
        ("Direct mapping", False),
        ("The name, in upper case", False),
        ("", False),
        ("LOWER(TRIM(column1))", True),
        ("TRIM(UPPER(column1))", True),
        ("UPPER(TRIM(column2))", True),
        ("COALESCE(column1, column2)", True),
        ("column2", True),
    ],
)
def test_what_a_contract_says_in_its_own_words_is_compared_where_it_is_an_expression(
    stated, is_wrong
):
    changed = replace(COLUMN, transform_logic=stated)
    contract = _with(changed)

    assert contradicts(contract, changed) is is_wrong
    told = [each for each in notices(contract, "a.yaml") if "transformLogic" in each.path]
    assert len(told) == is_wrong
    assert all("UPPER(TRIM(column1))" in each.message for each in told)


def test_the_shipped_contracts_say_what_is_done():
    for path in TABLES.glob("*.yaml"):
        contract = load_contract(path)
        assert any(each.transform_logic for each in contract.columns)
        assert not [each.name for each in contract.columns if contradicts(contract, each)]


def _with(column) -> Contract:
    columns = tuple(column if each.name == column.name else each for each in SHIPPED.columns)
    return replace(SHIPPED, columns=columns)
