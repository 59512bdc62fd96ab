from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from blocks.source_database import SourceDatabase
from blocks.sqlite.create_statement import computed_columns, definitions_of
from blocks.sqlite.type_affinity import affinity
from contracts.errors import (
    SchemaDriftError,
    SettingsError,
    SourceConflictError,
    SourceUnavailableError,
    StrandlineError,
)

TABLES = """
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, "any" NOT NULL UNIQUE, part TEXT UNIQUE,
    twice INTEGER GENERATED ALWAYS AS (id * 2)
);
CREATE TABLE lines (order_id INT, line INT, note TEXT, PRIMARY KEY (order_id, line));
CREATE TABLE parts (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE UNIQUE INDEX some ON lines (note) WHERE line > 1;
CREATE VIEW seen AS SELECT id, code FROM orders;
INSERT INTO orders (id, code, "any") VALUES (1, 'a', 1);
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


@pytest.fixture
def source(file):
    return SourceDatabase(dialect="sqlite", database=str(file), connect_timeout_seconds=1)


def error_of(act):
    with pytest.raises(StrandlineError) as caught:
        act()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_a_file_that_is_not_there_is_named_and_not_made(tmp_path):
    path = tmp_path / "none.db"

    error = error_of(SourceDatabase(dialect="sqlite", database=str(path)).check)

    assert isinstance(error, SettingsError)
    assert "none.db" in error.where
    assert not path.exists()


def test_an_embedded_directory_is_of_a_postgresql(tmp_path):
    with pytest.raises(ValidationError, match="embedded_directory"):
        SourceDatabase(dialect="sqlite", database="a.db", embedded_directory=tmp_path)


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("no database, but long enough to have a header of one hundred bytes" * 9)

    error = error_of(SourceDatabase(dialect="sqlite", database=str(path)).check)

    assert isinstance(error, SettingsError)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT * FROM missing", SchemaDriftError),
        ("SELECT missing FROM orders", SchemaDriftError),
        ("SELEC 1", SettingsError),
        ("DELETE FROM orders", SettingsError),
        (
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            SourceUnavailableError,
        ),
    ],
)
def test_a_statement_that_fails_is_told_by_what_to_do(source, statement, kind):
    quick = source.model_copy(update={"statement_timeout_seconds": 1})

    assert isinstance(error_of(lambda: quick.query_row(statement)), kind)


def test_a_lock_of_another_program_is_a_conflict(file, source):
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = error_of(source.check)

    assert isinstance(error, SourceConflictError)


def test_the_catalog_has_columns_and_what_identifies_a_row(source):
    with source.reading() as reading:
        found = {name: reading.relation("main", name) for name in ("orders", "lines", "parts")}
        seen = reading.relation("main", "seen")

    assert [(each.name, each.type, each.nullable) for each in found["orders"].columns] == [
        ("id", "INTEGER", False),
        ("code", "TEXT", False),
        ("any", "", False),
        ("part", "TEXT", True),
        ("twice", "INTEGER", True),
    ]
    # One without a type may have 1 and '1', one that may be null has many nulls.
    assert {name: each.unique_keys for name, each in found.items()} == {
        "orders": (("id",), ("code",)),
        "lines": (),
        "parts": (("a", "b"),),
    }
    assert [each.name for each in seen.columns] == ["id", "code"]


def test_a_table_that_is_not_there_is_drift_and_near_ones_are_named(source):
    error = error_of(lambda: source.columns("main", "order"))

    assert isinstance(error, SchemaDriftError)
    assert "main.orders" in error.found


def test_a_read_is_of_now_and_what_is_open_is_not_known(source):
    with source.reading() as reading:
        assert abs(reading.now - datetime.now(UTC)) < timedelta(seconds=5)
        assert (reading.oldest_open, reading.open_unknown) == (None, True)


def test_who_writes_need_not_wait_for_a_reading(file, source):
    with source.reading() as reading:
        reading.relation("main", "orders")
        with closing(sqlite3.connect(file, timeout=0)) as other:
            other.execute("INSERT INTO orders (id, code, \"any\") VALUES (2, 'b', 2)")
            other.commit()
        assert reading.query_row("SELECT count(*) FROM orders") == (2,)


DESCRIBED = """
CREATE TABLE shops (name TEXT PRIMARY KEY, town TEXT);
CREATE TABLE sales (
    id INTEGER PRIMARY KEY, "e Mail" UNSIGNED BIG TEXT NOT NULL UNIQUE,
    low TEXT AS (lower("E MAIL") || 'id') STORED, shop TEXT REFERENCES shops,
    a INT CONSTRAINT one CHECK (a > 1), b INT, CHECK (a <> b), UNIQUE (a, b),
    FOREIGN KEY (a, b) REFERENCES elsewhere (x, y)
);
CREATE UNIQUE INDEX of_letters ON sales (lower(shop));
CREATE VIRTUAL TABLE words USING fts5 (word);
INSERT INTO sales (id, "e Mail", a, b) VALUES (1, 'x', 2, 3), (2, 'y', 2, 4);
ANALYZE;
"""


def test_the_catalog_tells_what_a_contract_is_made_of(tmp_path):
    path = tmp_path / "described.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DESCRIBED)
    with SourceDatabase(dialect="sqlite", database=str(path)).reading() as reading:
        sales, words = reading.details("main", "sales"), reading.details("main", "words")

    assert (sales.kind, sales.rows, sales.comment, sales.owner) == ("table", 2, "", "")
    assert [(key.columns, key.primary) for key in sales.keys] == [
        (("id",), True), (("a", "b"), False), (("e Mail",), False),
    ]  # fmt: skip
    assert [(key.columns, key.table, key.referenced) for key in sales.foreign_keys] == [
        (("a", "b"), "elsewhere", ("x", "y")), (("shop",), "shops", ("name",)),
    ]  # fmt: skip
    assert [(check.name, check.condition) for check in sales.checks] == [
        ("one", "a > 1"), ("CHECK 2", "a <> b"),
    ]  # fmt: skip
    columns = sales.columns
    assert columns["low"].made_of == ("e Mail",)
    assert [name for name, each in columns.items() if each.generated] == ["low"]
    assert [name for name, each in columns.items() if each.identity] == ["id"]
    assert columns["e Mail"].declared == "unsigned big text"
    assert sales.untold == ("comments", "who owns a table", "the zone of a time")
    assert (words.kind, words.untold[-1]) == ("virtual table", "CHECK constraints")


@pytest.mark.parametrize(
    ("statement", "parts"),
    [
        ("CREATE TABLE t (a INT, b AS (a + 1))", {"b": ("a",)}),
        ("CREATE TABLE t (a INT, b TEXT GENERATED ALWAYS AS ('a' || A(1)) VIRTUAL)", {"b": ()}),
        ("CREATE TABLE t (a NATIVE CHARACTER(70), b DEFAULT (1 + 2), c AS ((A) || [a]))",
         {"c": ("a",)}),
        ("CREATE TABLE t (a, -- , b AS (c)\n b AS (json_extract(a, '$.c')))", {"b": ("a",)}),
        ("CREATE TABLE t AS SELECT (a) AS b FROM c", {}),
        ("CREATE VIRTUAL TABLE t USING fts5 (a, b)", {}),
        ("", {}),
        ("CREATE TABLE t ('", {}),
    ],
)  # fmt: skip
def test_what_a_column_is_computed_from_is_in_the_statement(statement, parts):
    assert computed_columns(definitions_of(statement), ["a", "b", "c"]) == parts


def test_bytes_that_are_no_text_are_a_sign(file, source):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE orders SET code = CAST(x'41ff' AS TEXT)")
        connection.commit()

    assert source.query_row("SELECT code FROM orders") == ("A\N{REPLACEMENT CHARACTER}",)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("INT", "INTEGER"),
        ("CHARINT", "INTEGER"),
        ("VARCHAR(70)", "TEXT"),
        ("", "BLOB"),
        ("DOUBLE", "REAL"),
        ("DECIMAL(10,5)", "NUMERIC"),
        ("DATETIME", "NUMERIC"),
        ("STRING", "NUMERIC"),
    ],
)
def test_affinities_are_those_of_the_documentation(declared, found):
    assert affinity(declared) == found
