from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from blocks.source_database import SourceDatabase
from contracts.errors import SchemaDriftError
from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, SourceColumn
from contracts.model.reserved_column_names import UNFIT
from contracts.schemas.spark_schemas import source_schema
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_partitions import source_slices
from tasks.source.jdbc_reader import Fetch, reference_values, source_rows
from tasks.source.source_query import compile_source_query

MADE = """
CREATE SCHEMA source_rows_test;
CREATE TABLE source_rows_test.readings (
    id bigint, at timestamptz, weight numeric, nobody_asked money[], "ID" text
) PARTITION BY RANGE (at);
CREATE TABLE source_rows_test.old PARTITION OF source_rows_test.readings
    FOR VALUES FROM (MINVALUE) TO ('2024-01-01 00:00+00');
CREATE TABLE source_rows_test.rest PARTITION OF source_rows_test.readings DEFAULT;
INSERT INTO source_rows_test.readings (id, at, weight) VALUES
    (1, '2023-06-01 00:00+00', 1.5), (2, '2024-06-01 00:00+00', 'NaN'),
    (3, 'infinity', 2.5), (4, '-infinity', 3.5), (5, NULL, 4.5), (6, '12000-01-01', 5.5);
CREATE TABLE source_rows_test.wards (code numeric, opened date, mark "char");
INSERT INTO source_rows_test.wards VALUES
    (1.5, '2024-01-01', 'a'), ('NaN', 'infinity', ''), (1.5, '2024-01-01', 'a');
"""


@pytest.fixture(scope="module")
def source(any_postgres):
    """A source of these tables, and a session that may change them."""
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for setting in ("TimeZone TO 'UTC'", "DateStyle TO 'ISO, YMD'"):
            connection.execute(f"SET {setting}".encode())
        connection.execute(MADE)
        yield (
            SourceDatabase(
                host=any_postgres.host,
                port=any_postgres.port,
                database=any_postgres.database,
                user=any_postgres.user,
                password=any_postgres.password,
            ),
            connection,
        )
        connection.execute("DROP SCHEMA source_rows_test CASCADE")


@pytest.fixture
def contract():
    shipped = find_contract("new_source_table", TABLES)
    return replace(
        shipped,
        source=replace(
            shipped.source,
            schema="source_rows_test",
            table="readings",
            columns=(
                SourceColumn("weight", "decimal(5,2)"),
                SourceColumn("id", "bigint"),
                SourceColumn("at", "timestamp"),
            ),
            load=LoadKind.FULL,
            watermark=(),
            partition_column="at",
        ),
    )


YEAR_12000 = (date(8000, 1, 1) - date(1970, 1, 1) + timedelta(days=10 * 146_097)).days
"""In days since 1970: the calendar repeats every 146,097 days, which are 400 years."""


@pytest.mark.parametrize("slices", [1, 4])
def test_every_row_is_read_once_and_what_is_not_carried_is_told(source, spark, contract, slices):
    database, _ = source
    with database.reading() as reading:
        relation = reading.relation("source_rows_test", "readings")
        queries = compile_source_query(contract, relation)
        low, high, count, _ = reading.query_row(queries.bounds())
        query = queries.rows(within=(low, high))
        cuts = source_slices(slices, pages=(4,))
        schema = source_schema(contract)
        frame = source_rows(spark, reading, schema, Fetch(1000, 60), query=query, slices=cuts)
        shown = frame.selectExpr("id", "weight", "unix_micros(at) AS micros", UNFIT).collect()

    assert frame.columns == ["weight", "id", "at", UNFIT]
    assert (count, len(cuts), len(shown)) == (6, slices, 6)
    assert {row.id: (row.weight, row.micros, json.loads(row[UNFIT] or "{}")) for row in shown} == {
        1: (Decimal("1.50"), micros(datetime(2023, 6, 1, tzinfo=UTC)), {}),
        2: (None, micros(datetime(2024, 6, 1, tzinfo=UTC)), {"weight": "NaN"}),
        3: (Decimal("2.50"), None, {"at": "infinity"}),
        4: (Decimal("3.50"), None, {"at": "-infinity"}),
        5: (Decimal("4.50"), None, {}),
        6: (Decimal("5.50"), YEAR_12000 * 86_400_000_000, {}),
    }


def micros(moment):
    return int(moment.timestamp()) * 1_000_000


def values_of(database, reading, spark, column):
    """The values of a column of the wards, as a check that refers to it compares with them."""
    wards = reading.relation("source_rows_test", "wards")
    return reference_values(
        spark,
        reading,
        wards,
        frozenset({column}),
        Fetch(1000, 60),
        dialect=sql_dialect_of(database),
        where="readings",
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("code", {"1.5", "NaN"}),
        ("opened", {date(2024, 1, 1), None}),
        ("mark", {"a", ""}),
    ],
)
def test_a_reference_is_read_as_the_rows_are(source, spark, column, values):
    database, connection = source
    with database.reading() as reading:
        connection.execute("INSERT INTO source_rows_test.wards VALUES (9, '2025-01-01', 'z')")
        try:
            frame = values_of(database, reading, spark, column)
            found = [row[column] for row in frame.collect()]
        finally:
            connection.execute("DELETE FROM source_rows_test.wards WHERE code = 9")

    assert (len(found), set(found)) == (2, values)


def test_a_reference_to_a_column_that_is_not_there_is_drift(source, spark):
    database, _ = source

    with database.reading() as reading, pytest.raises(SchemaDriftError, match="cod"):
        values_of(database, reading, spark, "cod")
