from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr, ValidationError

from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import (
    EnvironmentUnfitError,
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    SourceValueError,
    StrandlineError,
)

H2 = {
    "url": "jdbc:h2:tcp://db.internal/./shop;MODE=Oracle",
    "driver": "org.h2.Driver",
    "packages": ["com.h2database:h2:2.4.240"],
}
TABLES = (
    "CREATE USER reader PASSWORD 'a secret'",
    (
        'CREATE TABLE "some_orders" ("id" INT PRIMARY KEY, "code" VARCHAR(3) NOT NULL UNIQUE,'
        ' "part" VARCHAR(9) UNIQUE, "price" NUMERIC(10,2))'
    ),
    'CREATE TABLE "someXorders" ("id" BIGINT)',
    'CREATE VIEW "seen" AS SELECT "id" FROM "some_orders"',
    "INSERT INTO \"some_orders\" VALUES (1, 'a', NULL, 1.5)",
)


@pytest.fixture(scope="module")
def source(h2):
    h2.execute("shop", *TABLES)
    return h2.source("shop")


def error_of(act):
    with pytest.raises(StrandlineError) as caught:
        act()
    error = caught.value
    assert "a secret" not in f"{error!r} {error} {vars(error)}"
    assert error.__suppress_context__ or error.__context__ is None
    return error


def with_jdbc(source, **fields):
    settings = source.jdbc.model_copy(update=fields)
    return source.model_copy(update={"jdbc": settings})


def test_a_database_that_lets_us_in_passes(source):
    source.check()


def test_what_keeps_a_session_from_coming_about_is_told_by_what_to_do(source):
    kinds = {
        "closed port": with_jdbc(source, url="jdbc:h2:tcp://127.0.0.1:1/./shop"),
        "password": source.model_copy(update={"password": SecretStr("a secret")}),
        "driver": with_jdbc(source, driver="org.example.None"),
        "statement": with_jdbc(source, session_statement="SET NOTHING"),
    }

    assert {name: type(error_of(block.check)) for name, block in kinds.items()} == {
        "closed port": SourceUnavailableError,
        "password": SourceAccessError,
        "driver": SettingsError,
        "statement": SettingsError,
    }


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ('SELECT * FROM "missing"', SchemaDriftError),
        ('SELECT "missing" FROM "some_orders"', SchemaDriftError),
        ("SELEC 1", SettingsError),
        ("SELECT CAST('a secret' AS INT)", SourceValueError),
        (
            "SELECT COUNT(*) FROM SYSTEM_RANGE(1, 1000000) A, SYSTEM_RANGE(1, 1000000) B",
            SourceUnavailableError,
        ),
    ],
)
def test_a_statement_that_fails_is_told_by_what_to_do(source, statement, kind):
    quick = source.model_copy(update={"statement_timeout_seconds": 1})

    assert isinstance(error_of(lambda: quick.query_row(statement)), kind)


def test_rows_come_as_text(source):
    assert source.query_row('SELECT "id", "part", "price" FROM "some_orders"') == (
        "1",
        None,
        "1.50",
    )
    assert source.query_row('SELECT 1 FROM "some_orders" WHERE 1 = 0') == ()


def test_the_catalog_has_columns_and_what_identifies_a_row(source):
    with source.reading() as reading:
        orders, seen = reading.relation("PUBLIC", "some_orders"), reading.relation("PUBLIC", "seen")
        assert reading.rows('SELECT "id" FROM "some_orders"', seconds=9) == [("1",)]

    # The sign _ in a name stands for itself.
    assert [(each.name, each.type, each.kind, each.nullable) for each in orders.columns] == [
        ("id", "INTEGER", "integer", False),
        ("code", "CHARACTER VARYING", "varchar", False),
        ("part", "CHARACTER VARYING", "varchar", True),
        ("price", "NUMERIC(10,2)", "numeric", True),
    ]
    assert orders.unique_keys == (("id",), ("code",))
    assert (len(seen.columns), seen.unique_keys) == (1, ())


def test_a_table_that_is_not_there_is_drift_and_near_ones_are_named(source):
    error = error_of(lambda: source.columns("PUBLIC", "SOME_ORDERS"))

    assert isinstance(error, SchemaDriftError)
    assert "PUBLIC.some_orders" in error.found


def test_a_read_is_of_the_clock_of_the_database(source):
    elsewhere = with_jdbc(source, session_statement="SET TIME ZONE 'America/New_York'")
    for block in (source, elsewhere):
        with block.reading() as reading:
            assert abs(reading.now - datetime.now(UTC)) < timedelta(seconds=5)
            assert (reading.oldest_open, reading.open_unknown) == (None, True)


DESCRIBED = (
    'CREATE TABLE "shops" ("name" VARCHAR(9) PRIMARY KEY)',
    (
        'CREATE TABLE "sales" ("id" INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,'
        ' "eMail" VARCHAR(20) NOT NULL, "low" VARCHAR(20) AS (LOWER("eMail")),'
        ' "shop" VARCHAR(9) REFERENCES "shops" ("name"), "mood" ENUM(\'a\', \'it\'\'s\'),'
        ' "day" DATE, UNIQUE ("eMail", "day"), CHECK ("id" > 0))'
    ),
    'CREATE INDEX "of_day" ON "sales" ("day", "shop")',
    "COMMENT ON TABLE \"sales\" IS 'Who bought'",
    'COMMENT ON COLUMN "sales"."day" IS \'When\'',
)


def test_the_driver_tells_what_a_contract_is_made_of(h2, source):
    h2.execute("shop", *DESCRIBED)
    with source.reading() as reading:
        sales, seen = reading.details("PUBLIC", "sales"), reading.details("PUBLIC", "seen")

    assert (sales.kind, sales.comment, seen.kind) == ("table", "Who bought", "view")
    assert [(key.columns, key.primary) for key in sales.keys] == [
        (("id",), True), (("eMail", "day"), False),
    ]  # fmt: skip
    assert [(key.columns, key.schema, key.table, key.referenced) for key in sales.foreign_keys] == [
        (("shop",), "PUBLIC", "shops", ("name",))
    ]
    assert sales.indexed == {"id", "eMail", "shop", "day"}
    columns = sales.columns
    assert [name for name, each in columns.items() if each.made_of is None] == ["low"]
    assert [name for name, each in columns.items() if each.identity] == ["id"]
    assert columns["mood"].labels == ("a", "it's")
    assert (columns["day"].comment, columns["eMail"].declared) == ("When", "CHARACTER VARYING(20)")
    assert "CHECK constraints" in sales.untold


def test_no_more_rows_come_than_are_asked_for(source):
    with source.reading() as reading:
        rows = reading.rows("SELECT X FROM SYSTEM_RANGE(1, 9)", seconds=5, most=3)

    assert rows == [("1",), ("2",), ("3",)]


def test_a_number_whose_point_may_be_anywhere_is_text_by_itself(h2, source):
    h2.execute("shop", 'CREATE TABLE "floating" ("n" DECFLOAT(20))')

    assert source.columns("PUBLIC", "floating") == {"n": "DECFLOAT"}


def test_without_a_spark_there_is_no_driver(source, monkeypatch):
    monkeypatch.setattr("blocks.jdbc.jdbc_connection.running_session", lambda: None)

    assert isinstance(error_of(source.check), EnvironmentUnfitError)


@pytest.mark.parametrize(
    "fields",
    [
        {"jdbc": None},
        {"dialect": "postgresql"},
        {"jdbc": {**H2, "url": "jdbc:h2:tcp://me:secret@db/shop"}},
        {"jdbc": {**H2, "url": "jdbc:h2:shop;PASSWORD=secret"}},
        {"jdbc": {**H2, "url": "jdbc:oracle:thin:me/secret@//db:1521/shop"}},
        {"jdbc": {**H2, "url": "h2:shop"}},
        {"jdbc": {**H2, "packages": []}},
        {"jdbc": {**H2, "text": "CAST(x AS VARCHAR)"}},
        {"jdbc": {**H2, "quote": "`"}},
    ],
    ids=str,
)
def test_settings_that_can_not_be_are_refused_without_their_values(fields):
    with pytest.raises(ValidationError) as caught:
        SourceDatabase(**{"dialect": "jdbc", "user": "reader", "jdbc": H2, **fields})

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["jdbc:oracle:thin:@//db:1521/shop", "jdbc:sqlserver://db:1433;databaseName=shop"]
)
def test_urls_without_credentials_are_taken(url):
    assert JdbcSettings(**{**H2, "url": url}).url == url


def test_a_block_file_holds_the_settings(tmp_path, monkeypatch):
    block = SourceDatabase(dialect="jdbc", user="reader", jdbc=JdbcSettings(**H2))
    path = block_lookup.save_local(tmp_path / "blocks.yaml", ("shop", block))
    monkeypatch.setenv(block_lookup.VARIABLE, str(path))

    read = block_lookup.source("shop")

    assert read.jdbc == block.jdbc
    assert read.packages() == ("com.h2database:h2:2.4.240",)
    assert read.location == "h2:tcp://db.internal/./shop"
