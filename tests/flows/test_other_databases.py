"""Loads of databases other than PostgreSQL: what is new, what is gone, what can't be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest

from blocks.source_database import SourceDatabase
from flows.load_table import load_table
from tests.flows.state_contracts import write_contract

COLUMNS = {
    "id": "INTEGER",
    "v": "VARCHAR(20)",
    "amount": "NUMERIC(10,2)",
    "updated_at": "TIMESTAMP",
}
TABLE = (
    "CREATE TABLE {} (id INTEGER PRIMARY KEY, v VARCHAR(20), amount DECIMAL(10,2), updated_at {})"
)


@dataclass(frozen=True)
class Database:
    """A source, the schema of its tables, a value in it that is no time, and a type of times."""

    source: SourceDatabase
    schema: str
    no_time: str
    execute: Callable[..., None]
    moment: str = "DATETIME"


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    file = tmp_path_factory.mktemp("sqlite") / "people.db"

    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")

    def execute(*statements):
        with closing(sqlite3.connect(file)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return Database(
        SourceDatabase(dialect="sqlite", database=str(file)), "main", "'yesterday'", execute
    )


@pytest.fixture(scope="module")
def people_of_mariadb(mariadb):
    def execute(*statements):
        mariadb.execute("USE people", *statements, variables="sql_mode = ''")

    mariadb.execute("CREATE DATABASE people CHARACTER SET utf8mb4")
    yield Database(mariadb.source("people"), "people", "'0000-00-00 00:00:00'", execute)
    mariadb.execute("DROP DATABASE people")


@pytest.fixture(scope="module")
def people_of_h2(h2):
    before_christ = "TIMESTAMP '-0001-01-01 00:00:00'"
    return Database(
        h2.source("people"),
        "PUBLIC",
        before_christ,
        lambda *each: h2.execute("people", *each),
        "TIMESTAMP",
    )


def at_night(name):
    return pytest.param(name, marks=pytest.mark.nightly)


@pytest.fixture(scope="module")
def database(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def place(database, make_workplace, tmp_path_factory):
    """A workplace with one table that is read whole, and one of which what is new is read."""
    folder = tmp_path_factory.mktemp("contracts")
    here = {"schema": database.schema}
    write_contract(
        folder,
        "everybody",
        COLUMNS,
        {**here, "load": "full", "partition_column": "id"},
        {"absent": "close"},
    )
    by_stamp = {"load": "incremental", "watermark": ["updated_at"], "overlap": "1 hour"}
    write_contract(folder, "recent", COLUMNS, {**here, **by_stamp})
    database.execute(*[TABLE.format(name, database.moment) for name in ("everybody", "recent")])
    return make_workplace(folder, source=database.source)


def fill(database, table, *rows):
    for key, v, amount, updated_at in rows:
        values = f"{key}, '{v}', {amount}, {updated_at}"
        database.execute(f"INSERT INTO {table} VALUES ({values})")  # noqa: S608 - our own


def versions(place, name):
    """(key, value, amount, began, is open), in their order."""
    rows = place.table(f"states.{name}").orderBy("id", "valid_from").collect()
    return [
        (row.id, row.v, str(row.amount), str(row.valid_from)[:10], row.is_current) for row in rows
    ]


@pytest.mark.parametrize(
    "database", [at_night("sqlite"), "people_of_mariadb", at_night("people_of_h2")], indirect=True
)
def test_a_whole_table_is_read_and_what_is_gone_is_closed(place, database):
    fill(
        database,
        "everybody",
        (1, "a", 0.1, "'2024-01-01 08:00:00'"),
        (2, "b", 19.99, "'2024-01-02 08:00:00'"),
        (3, "é", -1, "'2024-01-03 08:00:00'"),
    )
    first = load_table("everybody")
    database.execute(
        "DELETE FROM everybody WHERE id = 2",
        "UPDATE everybody SET v = 'A', updated_at = '2024-02-01 08:00:00' WHERE id = 1",
    )
    second = load_table("everybody")

    assert (first.staged.rows_read, second.staged.rows_read) == (3, 2)
    assert versions(place, "everybody") == [
        (1, "a", "0.10", "2024-01-01", False),
        (1, "A", "0.10", "2024-02-01", True),
        (2, "b", "19.99", "2024-01-02", False),
        (3, "é", "-1.00", "2024-01-03", True),
    ]


@pytest.mark.parametrize(
    "database", ["sqlite", "people_of_mariadb", at_night("people_of_h2")], indirect=True
)
def test_what_is_new_is_read_and_what_is_no_time_is_refused_each_time(place, database):
    fill(
        database,
        "recent",
        (1, "a", 1.5, "'2024-01-01 08:00:00'"),
        (2, "b", 2.5, database.no_time),
        (3, "c", 3.5, "'2024-01-01 09:30:00.25'"),
    )
    first = load_table("recent")
    fill(database, "recent", (4, "d", 4.5, "'2024-01-02 08:00:00'"))
    database.execute("UPDATE recent SET v = 'A', updated_at = '2024-01-02 09:00:00' WHERE id = 1")
    second = load_table("recent")

    # An hour behind the watermark is read again, which is the third row.
    assert (first.staged.rows_read, first.staged.refused) == (3, 1)
    assert (second.staged.rows_read, second.staged.refused) == (4, 1)
    assert versions(place, "recent") == [
        (1, "a", "1.50", "2024-01-01", False),
        (1, "A", "1.50", "2024-01-02", True),
        (3, "c", "3.50", "2024-01-01", True),
        (4, "d", "4.50", "2024-01-02", True),
    ]
    kept = place.table("governance.quarantine").where("target_table LIKE '%.recent'").collect()
    assert {check.column for row in kept for check in row.reasons} == {"updated_at"}
