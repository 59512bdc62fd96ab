from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SettingsError
from contracts.model.reserved_column_names import reserved_among
from history import HistorySettings, load_changes
from history.iceberg.current_snapshot import current_state
from history.model.change_batch import audit_branch_name

SETTINGS = HistorySettings(key=("id",), sequence="at")
NOW = datetime(2024, 5, 1, tzinfo=UTC)
BATCHES = ("Läufe 2024-05-01 'früh' \"eins\"", "Läufe 2024-05-01 `früh` \\eins", "夜の読み込み 🌙")


def load(spark, table, rows, batch_id, settings=SETTINGS, schema="id int, at int, v string"):
    return load_changes(
        spark,
        spark.createDataFrame(rows, schema),
        table,
        settings,
        batch_id=batch_id,
        batch_time=NOW,
    )


def test_a_batch_may_be_called_anything_and_is_known_by_that_name(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    for number, name in enumerate(BATCHES):
        rows = [(each, number, f"{number}") for each in range(number + 1)]
        report = load(spark, table, rows, name)
        assert (report.published, report.opened) == (True, number + 1)
        assert current_state(spark, table).properties["strandline.batch-id"] == name

    assert current_state(spark, table).batches == {*BATCHES}
    refs = {row.name for row in spark.table(f"{table}.refs").collect()}
    assert refs == {"main"}
    held = spark.table(table).where("is_current").orderBy("id").collect()
    assert [(row.id, row.v) for row in held] == [(0, "2"), (1, "2"), (2, "2")]


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_branch_has_a_plain_name_and_belongs_to_one_batch(one, other):
    names = [audit_branch_name(each) for each in (one, other)]

    assert all(re.fullmatch(r"audit_[A-Za-z0-9_]+", name) for name in names)
    assert (names[0] == names[1]) is (one == other)


def test_a_plain_batch_id_is_its_branchs_name():
    assert audit_branch_name("BATCH_20240501_120000_0a1b") == "audit_BATCH_20240501_120000_0a1b"


OURS = ("__op", "__Main", "__anything", "Valid_From")
THEIRS = ("_file", "_POS", "_spec_id", "_partition", "_deleted", "_change_type", "_row_id")


@pytest.mark.parametrize("name", [*OURS, *THEIRS, "_last_updated_sequence_number"])
def test_a_column_of_a_reserved_name_is_refused_by_name_before_anything_is_made(
    spark, lake_namespace, name
):
    table = f"{lake_namespace}.t"
    with pytest.raises(SettingsError, match=name):
        load(spark, table, [(1, 1, "x")], "b", schema=f"id int, at int, `{name}` string")

    assert spark.sql(f"SHOW TABLES IN {lake_namespace}").count() == 0


def test_a_column_that_a_load_fills_may_not_have_a_reserved_name(spark, lake_namespace):
    settings = HistorySettings(key=("id",), sequence="at", valid_to="_pos")
    with pytest.raises(SettingsError, match="_pos"):
        load(spark, f"{lake_namespace}.t", [(1, 1, "x")], "b", settings)


def test_columns_called_as_a_pipeline_calls_its_own_are_kept_like_any_other(spark, lake_namespace):
    table = f"{lake_namespace}.t"
    names = ["_op", "_kind", "_failed", "_digest", "_source_row", "watermark", "_set_0"]
    schema = ", ".join(["id int", "at int", *[f"{name} string" for name in names]])
    load(spark, table, [(1, 1, *names)], "b1", schema=schema)
    load(spark, table, [(1, 2, *names[::-1])], "b2", schema=schema)

    rows = spark.table(table).orderBy("at").select(*names).collect()
    assert [tuple(row) for row in rows] == [tuple(names), tuple(names[::-1])]


def test_what_iceberg_reserves_is_what_it_says_itself(spark):
    columns = spark._jvm.org.apache.iceberg.MetadataColumns
    fields = spark._jvm.java.lang.Class.forName(
        "org.apache.iceberg.MetadataColumns",
        True,
        spark._jvm.java.lang.Thread.currentThread().getContextClassLoader(),
    ).getDeclaredFields()
    told = set()
    for field in fields:
        if field.getType().getSimpleName() == "NestedField":
            field.setAccessible(True)
            told.add(field.get(None).name())
        elif field.getName() == "PARTITION_COLUMN_NAME":
            told.add(columns.PARTITION_COLUMN_NAME)

    usable = {name for name in told if not columns.isMetadataColumn(name)}
    assert told - usable == {*reserved_among(told - usable, stored=True)}
    assert len(told - usable) > 5
