from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from pyspark.sql import functions as F

from blocks.postgres.catalog_queries import relation
from blocks.source_database import SourceDatabase
from contracts.loader import TABLES, find_contract
from contracts.model import SourceColumn
from contracts.model.reserved_column_names import UNFIT
from contracts.schemas.spark_schemas import source_schema
from tasks.source.jdbc_reader import Fetch, source_rows
from tasks.source.sample_query import sample_query, sampled_here
from tasks.source.sql_dialects.mariadb_sql import MARIADB
from tasks.source.sql_dialects.sqlite_sql import SQLITE
from tests.tasks.source.relations import source_query

ROWS = 20_000
MADE = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.trips (
    id BIGINT, leg INT, at TIMESTAMP, "Net Amount" NUMERIC(12,2), minutes FLOAT8, note TEXT
);
INSERT INTO {schema}.trips
SELECT n / 2, CASE WHEN n % 2 = 0 THEN n % 3 END, TIMESTAMP '2024-01-01' + n * INTERVAL '1 minute',
       n, n % 50, NULL FROM generate_series(1, 20000) AS n;
"""
FEATURES = ("Net Amount", "minutes")


@pytest.fixture(scope="module")
def contract():
    shipped = find_contract("new_source_table", TABLES)
    columns = (
        SourceColumn("id", "bigint"),
        SourceColumn("leg", "int"),
        SourceColumn("at", "timestamp"),
        SourceColumn("Net Amount", "decimal(12,2)"),
        SourceColumn("minutes", "double"),
    )
    return replace(
        shipped,
        source=replace(
            shipped.source,
            schema="sample_query_test",
            table="trips",
            columns=columns,
            sequence=("at",),
            watermark=("at",),
            partition_column=None,
        ),
    )


@pytest.fixture(scope="module")
def database(any_postgres):
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for setting in ("TimeZone TO 'UTC'", "DateStyle TO 'ISO'"):
            connection.execute(f"SET {setting}".encode())
        connection.execute(sql.SQL(MADE).format(schema=sql.Identifier("sample_query_test")))
        yield connection
        connection.execute("DROP SCHEMA sample_query_test CASCADE")


def sample(contract, database, *, rows=ROWS, sample_rows=2000, identity=("id", "leg"), after=None):
    table = relation(database, "the test's database", "sample_query_test", "trips")
    return sample_query(
        source_query(contract, table, after=after),
        FEATURES,
        identity,
        rows=rows,
        sample_rows=sample_rows,
    )


def read(database, query):
    return database.execute(query).fetchall()


def test_about_as_many_rows_as_asked_for_are_read(contract, database):
    found = read(database, sample(contract, database))

    # Binomial: a standard deviation is 42.
    assert 1750 < len(found) < 2250
    assert len({*found}) == len(found)


def test_the_sample_is_of_all_parts_of_the_table(contract, database):
    amounts = [int(row[0]) for row in read(database, sample(contract, database))]

    for start in range(0, ROWS, 4000):
        assert 300 < sum(start < amount <= start + 4000 for amount in amounts) < 500


def test_the_sample_does_not_depend_on_the_order_in_the_table(contract, database):
    before = {*read(database, sample(contract, database))}
    database.execute(
        "CREATE TABLE sample_query_test.sorted AS SELECT * FROM sample_query_test.trips"
        " ORDER BY minutes, id DESC; DROP TABLE sample_query_test.trips;"
        " ALTER TABLE sample_query_test.sorted RENAME TO trips"
    )

    assert {*read(database, sample(contract, database))} == before


def test_only_rows_that_the_load_reads_are_sampled(contract, database):
    after = datetime(2024, 1, 10, tzinfo=UTC)
    first = (datetime(2024, 1, 10) - datetime(2024, 1, 1) - contract.source.overlap).total_seconds()

    found = read(database, sample(contract, database, after=after))

    assert found
    assert min(row[0] for row in found) >= first / 60


def test_a_small_batch_is_read_whole(contract, database):
    query = sample(contract, database, rows=ROWS, sample_rows=ROWS)

    assert len(read(database, query)) == ROWS
    assert "hash" not in query


def test_only_the_features_leave_the_source(contract, database):
    found = database.execute(sample(contract, database))

    assert [column.name for column in found.description] == [*FEATURES, UNFIT]


def test_times_texts_and_nulls_identify_too(contract, database):
    found = read(database, sample(contract, database, identity=("leg", "at")))

    assert 1750 < len(found) < 2250


def test_spark_reads_it_as_it_reads_a_load(spark, contract, database, any_postgres):
    source = SourceDatabase(
        host=any_postgres.host,
        port=any_postgres.port,
        database=any_postgres.database,
        user=any_postgres.user,
        password=any_postgres.password,
    )
    query = sample(contract, database)
    columns = tuple(each for each in contract.source.columns if each.name in FEATURES)
    features = replace(contract, source=replace(contract.source, columns=columns))

    with source.reading() as reading:
        frame = source_rows(spark, reading, source_schema(features), Fetch(1000, 60), query=query)
        amounts = {row[0] for row in frame.collect()}

    assert amounts == {row[0] for row in read(database, query)}


def test_mariadb_has_its_own_hash():
    query = sample_query(
        "SELECT 1", ('a"b',), ("k", "at"), rows=1000, sample_rows=100, dialect=MARIADB
    )

    assert 'SELECT "a""b"' in query
    assert """CONV(SUBSTRING(MD5(CONCAT_WS(',', COALESCE(CAST("k" AS CHAR), ''), """ in query
    assert query.endswith("< 104857")


def test_what_identifies_a_row_is_read_where_a_database_can_not_hash():
    query = sample_query("SELECT 1", ("a",), ("k", "a"), rows=9, sample_rows=1, dialect=SQLITE)

    assert query == f'SELECT "a", "k", "{UNFIT}"\nFROM (SELECT 1) batch'


def test_spark_chooses_about_so_many_rows_and_the_same_ones_again(spark):
    rows = spark.range(20_000).selectExpr("id", "id % 7 AS leg")

    chosen = [
        {
            row.id
            for row in sampled_here(each, ("id", "leg"), rows=20_000, sample_rows=2_000).collect()
        }
        for each in (rows, rows.orderBy(F.desc("id")))
    ]

    assert chosen[0] == chosen[1]
    assert 1_800 < len(chosen[0]) < 2_200
