"""A table that was loaded is asked again, and is never older than the catalog's."""

from __future__ import annotations

import threading
import uuid

import pytest
from pyspark.errors import AnalysisException

from blocks.lakehouse import Lakehouse
from history.iceberg import java_table as kept_tables
from history.iceberg.history_table import exists
from history.iceberg.java_table import (
    java_table,
    metadata_document,
    refreshed_table,
    schema_of_table,
)

TYPES = """
    i int NOT NULL COMMENT 'a "number"', big bigint, d decimal(12, 3), s string, c char(3),
    v varchar(7), b binary, yes boolean, f float, g double, day date, at timestamp,
    local timestamp_ntz, list array<struct<x: int, y: string>>, pairs map<string, array<double>>,
    inner struct<a: string NOT NULL COMMENT 'deep', `b c`: date>
"""


@pytest.fixture(scope="module")
def catalog(spark, postgres, tmp_path_factory):
    """A catalog as a lakehouse has it."""
    name = f"kept_{uuid.uuid4().hex[:8]}"
    postgres.create_database(name)
    lakehouse = Lakehouse(
        catalog=name,
        warehouse=str(tmp_path_factory.mktemp("kept")),
        uri=f"jdbc:postgresql://{postgres.host}:{postgres.port}/{name}",
        user=postgres.user,
        password=postgres.password,
    )
    for setting, value in lakehouse.spark_configuration().items():
        spark.conf.set(setting, value)
    spark.sql(f"CREATE NAMESPACE {name}.n")
    return name


@pytest.fixture
def table(spark, catalog):
    name = f"{catalog}.n.t"
    spark.sql(f"CREATE TABLE {name} (i int)")
    yield name
    spark.sql(f"DROP TABLE IF EXISTS {name}")


def add_row(spark, table):
    spark.range(1).selectExpr("int(id) AS i").writeTo(table).append()


def test_a_kept_table_shows_what_others_commit(spark, table):
    first = java_table(spark, table)
    assert first.currentSnapshot() is None
    assert metadata_document(spark, table)["snapshots"] == []

    add_row(spark, table)

    again = java_table(spark, table)
    assert again.equals(first)
    assert refreshed_table(spark, table).equals(first)
    (snapshot,) = metadata_document(spark, table)["snapshots"]
    assert again.currentSnapshot().snapshotId() == snapshot["snapshot-id"]
    assert metadata_document(spark, table) is metadata_document(spark, table)


def test_a_dropped_table_is_missing_and_one_that_was_created_anew_is_new(spark, table):
    add_row(spark, table)
    document = metadata_document(spark, table)
    assert exists(spark, table)

    spark.sql(f"DROP TABLE {table}")

    assert not exists(spark, table)
    for ask in (java_table, metadata_document, schema_of_table):
        with pytest.raises(AnalysisException):
            ask(spark, table)
    spark.sql(f"CREATE TABLE {table} (other string)")
    assert exists(spark, table)
    assert metadata_document(spark, table)["table-uuid"] != document["table-uuid"]
    assert schema_of_table(spark, table).fieldNames() == ["other"]


def test_one_that_was_dropped_and_created_between_two_questions_is_the_new_one(spark, table):
    add_row(spark, table)
    before = metadata_document(spark, table)["table-uuid"]

    spark.sql(f"DROP TABLE {table}")
    spark.sql(f"CREATE TABLE {table} (i int)")

    assert metadata_document(spark, table)["table-uuid"] != before
    assert java_table(spark, table).currentSnapshot() is None


def test_each_thread_and_each_session_has_its_own(spark, table):
    mine, others = java_table(spark, table), []
    thread = threading.Thread(target=lambda: others.append(java_table(spark, table)))
    thread.start()
    thread.join()

    assert not others[0].equals(mine)
    assert refreshed_table(spark.newSession(), table) is None


def test_tables_of_a_hadoop_catalog_are_loaded_each_time(spark, lake_namespace):
    name = f"{lake_namespace}.t"
    spark.sql(f"CREATE TABLE {name} (i int)")
    before = metadata_document(spark, name)["table-uuid"]
    assert not java_table(spark, name).equals(java_table(spark, name))

    spark.sql(f"DROP TABLE {name} PURGE")
    spark.sql(f"CREATE TABLE {name} (i int)")

    assert metadata_document(spark, name)["table-uuid"] != before


def test_few_are_kept(spark, catalog, monkeypatch):
    monkeypatch.setattr(kept_tables, "_MOST_KEPT", 2)
    names = [f"{catalog}.n.few_{number}" for number in range(3)]
    for name in names:
        spark.sql(f"CREATE TABLE {name} (i int)")
        metadata_document(spark, name)

    assert refreshed_table(spark, names[0]) is None
    assert refreshed_table(spark, names[2]) is not None
    assert [schema_of_table(spark, name).fieldNames() for name in names] == [["i"]] * 3


@pytest.mark.parametrize("place", ["kept", "hadoop"])
def test_the_columns_are_those_that_spark_shows(spark, catalog, lake_namespace, place):
    name = f"{catalog}.n.types" if place == "kept" else f"{lake_namespace}.types"
    spark.sql(f"CREATE TABLE {name} ({TYPES}) TBLPROPERTIES ('format-version' = '3')")

    assert schema_of_table(spark, name) == spark.table(name).schema
    assert schema_of_table(spark, name).json() == spark.table(name).schema.json()
