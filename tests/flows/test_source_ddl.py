"""The specification's source tables in a MariaDB, made by the script, loaded by the contract."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from demo.source_migrations import ddl_script
from flows.load_table import load_table

COLUMNS = [
    ("id", "bigint", "NO"),
    ("column1", "varchar(100)", "NO"),
    ("column2", "varchar(255)", "YES"),
    ("column3", "decimal(10,2)", "YES"),
    ("status", "varchar(20)", "YES"),
    ("created_date", "datetime(6)", "NO"),
    ("updated_date", "datetime(6)", "YES"),
    ("created_by", "varchar(50)", "YES"),
    ("updated_by", "varchar(50)", "YES"),
    ("data_classification", "varchar(20)", "YES"),
    ("checksum", "varchar(64)", "YES"),
    ("version_number", "int", "YES"),
]
TABLE = "table_schema = 'source_schema' AND table_name = 'new_source_table'"
ROW = (
    "INSERT INTO source_schema.new_source_table"
    " (id, column1, column3, status, created_date, updated_date, created_by)"
    " VALUES (%s, %s, 10.5, 'ACTIVE', %s, %s, 'Zephyrine Quillfeather')"
)


@pytest.fixture
def server(mariadb):
    """The server, on which the script has run twice."""
    for _ in range(2):
        statements = ddl_script("mariadb").split(";\n")
        mariadb.execute(*(each for each in statements if each.strip()))
    yield mariadb
    mariadb.execute("DROP DATABASE source_schema")


def asked(server, catalog, items, order):
    """What the server's catalog says of the table."""
    with closing(server.connect()) as session, session.cursor() as cursor:
        cursor.execute(
            f"SELECT {items} FROM information_schema.{catalog} WHERE {TABLE} ORDER BY {order}"  # noqa: S608
        )
        return list(cursor.fetchall())


def test_the_tables_are_those_of_the_specification(server):
    kinds = [
        (name, re.sub(r"int\(\d+\)", "int", kind), null)
        for name, kind, null in asked(
            server, "columns", "column_name, column_type, is_nullable", "ordinal_position"
        )
    ]
    partitions = asked(server, "partitions", "partition_name", "partition_ordinal_position")
    indexes = asked(server, "statistics", "index_name", "index_name")

    assert kinds == COLUMNS
    assert partitions == [("p_2024_01",), ("p_2024_02",), ("p_2024_03",), ("p_future",)]
    assert {name for (name,) in indexes} == {
        "PRIMARY", "idx_created_date_status", "idx_column1_hash", "idx_updated_date",
    }  # fmt: skip


def test_the_shipped_contract_loads_them(server, make_workplace):
    place = make_workplace(source=server.source("source_schema"))
    with closing(server.connect()) as session, session.cursor() as cursor:
        cursor.execute(ROW, (1, "one", "2024-01-15 10:00", None))
        cursor.execute(ROW, (2, "two", "2024-05-01 10:00", "2024-05-02 11:00"))
        load_table("new_source_table")
        cursor.execute(
            "UPDATE source_schema.new_source_table SET column1 = 'other',"
            " updated_date = '2024-06-01 12:00' WHERE id = 1"
        )
    load_table("new_source_table")

    rows = place.table("target_schema.target_table_enhanced").orderBy(
        "business_key", "effective_start_date"
    )
    found = rows.select("business_key", "new_source_column1", "is_current").collect()
    assert [tuple(row) for row in found] == [
        (1, "ONE", False), (1, "OTHER", True), (2, "TWO", True),
    ]  # fmt: skip
