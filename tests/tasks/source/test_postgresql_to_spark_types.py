from __future__ import annotations

import pytest

from contracts.loader import TABLES, find_contract
from contracts.model import SourceColumn
from contracts.model.source_relation import Relation, RelationColumn
from tasks.source.postgresql_to_spark_types import (
    carrier,
    natural_type,
    readable_as,
)
from tasks.source.source_schema_drift import unfit_columns
from tests.tasks.source.relations import relation_of


def column(kind: str, family: str = "base", name: str = "c") -> RelationColumn:
    return RelationColumn(name=name, type=kind, kind=family, nullable=True)


def relation(*columns: RelationColumn) -> Relation:
    return Relation("s", "t", columns, unique_keys=(), row_security=False)


REFUSED = [
    # what would be cut or rounded in every row
    ("bigint", "base", "int", "BIGINT"),
    ("integer", "base", "smallint", "INTEGER"),
    ("smallint", "base", "tinyint", "SMALLINT"),
    ("bigint", "base", "double", "BIGINT"),
    ("double precision", "base", "float", "DOUBLE"),
    ("numeric(10,2)", "base", "double", "DECIMAL(10,2) or VARCHAR"),
    ("numeric(10,2)", "base", "bigint", "DECIMAL(10,2) or VARCHAR"),
    ("numeric", "base", "double", "DECIMAL(p,s) or VARCHAR"),
    ("numeric(1000,2)", "base", "double", "DECIMAL(p,s) or VARCHAR"),
    ("timestamp without time zone", "base", "date", "TIMESTAMP or VARCHAR"),
    ("timestamp(3) with time zone", "base", "date", "TIMESTAMP or VARCHAR"),
    # what would have to be guessed
    ("integer", "base", "string", "INTEGER"),
    ("integer", "base", "boolean", "INTEGER"),
    ("integer", "base", "timestamp", "INTEGER"),
    ("boolean", "base", "string", "BOOLEAN"),
    ("real", "base", "string", "FLOAT"),
    ("bytea", "base", "string", "BINARY"),
    ("text", "base", "bigint", "VARCHAR"),
    ("character varying(20)", "base", "date", "VARCHAR"),
    ("character(4)", "base", "decimal(4,0)", "VARCHAR"),
    ("date", "base", "timestamp", "DATE or VARCHAR"),
    ("time(3) with time zone", "base", "timestamp", "VARCHAR"),
    ("interval day to second(3)", "base", "timestamp", "VARCHAR"),
    ("bit(8)", "base", "binary", "VARCHAR"),
    ("bit(8)", "base", "boolean", "VARCHAR"),
    ("bit varying(8)", "base", "binary", "VARCHAR"),
    ("bit(1)", "base", "binary", "BOOLEAN or VARCHAR"),
    ("money", "base", "double", "DECIMAL(p,s) or VARCHAR"),
    ("uuid", "base", "binary", "VARCHAR"),
    ("oid", "base", "int", "BIGINT or VARCHAR"),
    # families, and what nobody here knows
    ("integer[]", "array", "int", "VARCHAR"),
    ("public.mood", "enum", "int", "VARCHAR"),
    ("public.pair", "composite", "binary", "VARCHAR"),
    ("int4range", "range", "int", "VARCHAR"),
    ("int4multirange", "multirange", "int", "VARCHAR"),
    ("anyarray", "pseudo", "int", "VARCHAR"),
    ("public.geometry", "base", "binary", "VARCHAR"),
]


@pytest.mark.parametrize(("kind", "family", "wanted", "ways"), REFUSED)
def test_a_type_that_would_lose_values_is_refused_by_name(kind, family, wanted, ways):
    contract = find_contract("new_source_table", TABLES)
    promised = SourceColumn("c", wanted)
    source = type(contract.source)(
        connection="x",
        schema="s",
        table="t",
        columns=(promised, SourceColumn("not in the table", "int")),
        load=contract.source.load,
        sequence=("c",),
        watermark=(),
    )
    table = relation(column(kind, family), column("money[]", "array", name="nobody's"))
    asked = type(contract)(
        name="n",
        version="1",
        description="",
        owner="",
        namespace="a",
        table="b",
        source=source,
        columns=(),
        key=(),
        history=contract.history,
    )

    (said,) = unfit_columns(table, asked)

    worded = {"string": "VARCHAR", "int": "INTEGER"}.get(wanted, wanted.upper())
    assert said == f"column c is {kind} instead of {worded} (a contract can read it as {ways})"


@pytest.mark.parametrize(("kind", "family"), sorted({row[:2] for row in REFUSED}))
def test_what_a_message_tells_to_write_can_be_read(kind, family):
    described = column(kind, family)

    assert natural_type(described) == readable_as(described)[0]
    assert all(carrier(described, way) is not None for way in readable_as(described))


def test_a_table_as_promised_has_nothing_unfit():
    for name in ("new_source_table", "existing_table_1", "aircraft"):
        contract = find_contract(name, TABLES)
        assert unfit_columns(relation_of(contract), contract) == ()


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("smallint", "bigint"),
        ("integer", "decimal(10,0)"),
        ("bigint", "decimal(38,0)"),
        ("integer", "double"),
        ("real", "double"),
        ("timestamp(3) without time zone", "timestamp"),
        ("timestamp(0) with time zone", "timestamp"),
        ("time(3) without time zone", "string"),
        ("interval day to second(3)", "string"),
        ("character varying(20)", "string"),
        ("numeric(5,-2)", "decimal(7,0)"),
        ("numeric(3,5)", "decimal(5,5)"),
        ("oid", "decimal(20,0)"),
        ("public.citext", "string"),
    ],
)
def test_a_wider_type_and_any_modifier_are_read(kind, wanted):
    assert carrier(column(kind), wanted) is not None


@pytest.mark.parametrize(
    ("kind", "family", "natural"),
    [
        ("numeric(12,2)", "base", "decimal(12,2)"),
        ("numeric(5,-2)", "base", "decimal(7,0)"),
        ("numeric(3,5)", "base", "decimal(5,5)"),
        ("numeric(39,1)", "base", "string"),
        ("numeric", "base", "string"),
        ("date", "base", "date"),
        ("time without time zone", "base", "string"),
        ("numeric[]", "array", "string"),
    ],
)
def test_a_column_without_a_contract_has_a_type_of_its_own(kind, family, natural):
    assert natural_type(column(kind, family)) == natural


def test_a_type_that_holds_every_value_costs_no_condition():
    for kind, wanted in (("bigint", "bigint"), ("text", "string"), ("timetz", "string")):
        assert carrier(column(kind), wanted).unfit('"c"') is None
    assert carrier(column("date"), "date").unfit('"c"') is not None
