"""Views and tags as contracts and tables change."""

from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest

from contracts.errors import ContractError
from contracts.model import Classification, Role, RowRight
from contracts.schemas.target_ddl import create_table
from history.iceberg.table_properties import strandline_properties
from history.iceberg.tag_properties import TAG, keep_tags
from history.reading.role_views import RefreshedViews, role_view
from tasks.compiler.security_tags import security_tags
from tests.tasks.access.conftest import refresh
from tests.tasks.access.matrix import COLUMNS, contract_with

NURSE = Role("nurse", level=Classification.INTERNAL)
DOCTOR = Role("doctor", level=Classification.RESTRICTED)
PLAIN = tuple(column for column in COLUMNS if column.protection is None)
SHOWN = ["id", "public_clear", "internal_clear", "row_level", "status", "is_current"]


@pytest.fixture
def ward(lake):
    """A table with one row, and the contract that made it."""
    contract = contract_with((NURSE, DOCTOR), PLAIN)
    namespace = f"{lake.catalog}.w_{uuid.uuid4().hex[:12]}"
    lake.spark.sql(f"CREATE NAMESPACE {namespace}")
    table = f"{namespace}.matrix"
    lake.spark.sql(create_table(contract, table, security_tags(contract)))
    cells = "1, 'p', 'i', 'c', 'r', 'PUBLIC', 'A', true"
    lake.spark.sql(f"INSERT INTO {table} VALUES ({cells})")  # noqa: S608
    refresh(lake.spark, table, contract)
    return SimpleNamespace(contract=contract, table=table, spark=lake.spark)


def columns_of(ward, role):
    return ward.spark.table(role_view(ward.table, role)).columns


def test_nothing_is_written_for_nothing(ward):
    announced = []

    done = refresh(ward.spark, ward.table, ward.contract, announced.append)

    assert done == RefreshedViews(unchanged=("nurse", "doctor"))
    assert announced == []


def test_a_column_that_the_table_gains_is_in_no_view_before_its_contract_says_so(ward):
    ward.spark.sql(f"ALTER TABLE {ward.table} ADD COLUMNS (diagnosis string, room string)")

    assert columns_of(ward, "doctor") == [
        *SHOWN[:3],
        "confidential_clear",
        "restricted_clear",
        *SHOWN[3:],
    ]
    unknown = refresh(ward.spark, ward.table, ward.contract)
    assert unknown.written == ()

    gained = [
        replace(PLAIN[1], name="diagnosis", classification=Classification.CONFIDENTIAL),
        replace(PLAIN[1], name="room", classification=Classification.INTERNAL),
    ]
    known = replace(ward.contract, columns=(*PLAIN, *gained))
    assert refresh(ward.spark, ward.table, known).written == ("nurse", "doctor")
    assert columns_of(ward, "nurse") == [*SHOWN, "room"]
    assert columns_of(ward, "doctor")[-2:] == ["diagnosis", "room"]


def test_a_column_that_is_dropped_leaves_the_views_and_no_other_takes_its_place(ward):
    ward.spark.sql(f"ALTER TABLE {ward.table} DROP COLUMN internal_clear")
    less = replace(ward.contract, columns=[c for c in PLAIN if c.name != "internal_clear"])

    refresh(ward.spark, ward.table, less)

    assert columns_of(ward, "nurse") == ["id", "public_clear", "row_level", "status", "is_current"]
    (row,) = ward.spark.table(role_view(ward.table, "nurse")).collect()
    assert tuple(row) == (1, "p", "PUBLIC", "A", True)


def test_a_column_that_becomes_more_sensitive_leaves_the_view_of_who_may_not_see_it(ward):
    columns = [
        replace(c, classification=Classification.RESTRICTED) if c.name == "internal_clear" else c
        for c in PLAIN
    ]

    done = refresh(ward.spark, ward.table, replace(ward.contract, columns=tuple(columns)))

    assert done.written == ("nurse",)
    assert "internal_clear" not in columns_of(ward, "nurse")
    assert "internal_clear" in columns_of(ward, "doctor")


def test_a_type_that_is_widened_reaches_the_view(ward):
    ward.spark.sql(f"ALTER TABLE {ward.table} ALTER COLUMN id TYPE bigint")
    ward.spark.sql(
        f"INSERT INTO {ward.table} "  # noqa: S608
        "VALUES (9876543210, 'p', 'i', 'c', 'r', 'PUBLIC', 'A', true)"
    )

    assert refresh(ward.spark, ward.table, ward.contract).written == ("nurse", "doctor")
    seen = ward.spark.table(role_view(ward.table, "nurse")).select("id").collect()
    assert {row.id for row in seen} == {1, 9876543210}


def test_a_role_that_is_gone_or_sees_no_column_has_no_view(ward):
    blind = Role("doctor", deny=("id", "public_clear"))

    done = refresh(ward.spark, ward.table, replace(ward.contract, roles=(blind,)))

    assert done == RefreshedViews(dropped=("doctor", "nurse"))
    namespace = ward.table.rpartition(".")[0]
    assert ward.spark.sql(f"SHOW VIEWS IN {namespace}").collect() == []


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_what_has_the_name_of_a_view_already_is_left_alone(ward, kind):
    name = role_view(ward.table, "clerk")
    query = f"AS SELECT id FROM {ward.table}"  # noqa: S608
    made = "(note string) USING iceberg" if kind == "TABLE" else query
    ward.spark.sql(f"CREATE {kind} {name} {made}")
    clerk = replace(ward.contract, roles=(Role("clerk"), replace(NURSE, level=DOCTOR.level)))

    with pytest.raises(ContractError, match="Strandline did not make"):
        refresh(ward.spark, ward.table, clerk)

    assert ward.spark.table(name).columns == (["note"] if kind == "TABLE" else ["id"])
    # Nothing was changed for the others either.
    assert "restricted_clear" not in columns_of(ward, "nurse")
    ward.spark.sql(f"DROP {kind} {name}")


def test_a_filter_on_a_column_that_the_table_lacks_is_an_error_with_the_next_step(ward):
    late = replace(PLAIN[1], name="unit")
    role = Role("nurse", level=NURSE.level, rows=RowRight(where="unit = 'ICU'"))
    contract = replace(ward.contract, columns=(*PLAIN, late), roles=(role,))

    with pytest.raises(ContractError, match="Load the table once"):
        refresh(ward.spark, ward.table, contract)


def test_a_catalog_without_views_gets_none(spark, lake_namespace):
    contract = contract_with((NURSE,), PLAIN)
    table = f"{lake_namespace}.matrix"
    spark.sql(create_table(contract, table))

    assert refresh(spark, table, contract) is None


def test_tags_are_there_from_the_start_and_cost_no_commit_while_nothing_changes(ward):
    def commits():
        return ward.spark.table(f"{ward.table}.metadata_log_entries").count()

    before = commits()
    assert not keep_tags(ward.spark, ward.table, security_tags(ward.contract))
    assert commits() == before
    tags = strandline_properties(ward.spark, ward.table)
    assert tags[f"{TAG}classification"] == "RESTRICTED"
    assert tags[f"{TAG}row-classification"] == "row_level"
    assert tags[f"{TAG}column.restricted_clear"] == (
        '{"classification": "RESTRICTED", "protection": null}'
    )


def test_tags_follow_the_contract_and_what_is_gone_goes(ward):
    snapshots = ward.spark.table(f"{ward.table}.snapshots").count()
    other = replace(
        ward.contract,
        owner="Token Office",
        retention_days=90,
        row_classification=None,
        columns=tuple(c for c in PLAIN if c.name != "restricted_clear"),
    )

    assert keep_tags(ward.spark, ward.table, security_tags(other))

    found = strandline_properties(ward.spark, ward.table)
    tags = {name.removeprefix(TAG) for name in found if name.startswith(TAG)}
    assert {"classification", "owner", "retention-days"} <= tags
    assert {"row-classification", "column.restricted_clear"} & tags == set()
    assert found[f"{TAG}classification"] == "CONFIDENTIAL"
    # Spark hides values that look like secrets; this one is percent-encoded so that it shows.
    assert found[f"{TAG}owner"].startswith("%54%6F")
    assert ward.spark.table(f"{ward.table}.snapshots").count() == snapshots
