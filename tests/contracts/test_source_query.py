from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import psycopg
import pytest
from psycopg import sql

from contracts.errors import ContractError, SettingsError
from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind
from contracts.source_query import bounds_query, source_query

TABLE = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.new_source_table (
    id BIGINT, column1 VARCHAR(100), column2 VARCHAR(255), column3 DECIMAL(10,2),
    status VARCHAR(20),
    created_date TIMESTAMP NOT NULL, updated_date TIMESTAMP, created_by VARCHAR(50),
    updated_by VARCHAR(50), data_classification VARCHAR(20), checksum VARCHAR(64),
    version_number INTEGER, not_in_the_contract TEXT DEFAULT 'x'
) PARTITION BY RANGE (created_date);
CREATE TABLE {schema}.january PARTITION OF {schema}.new_source_table
    FOR VALUES FROM (MINVALUE) TO ('2024-02-01');
CREATE TABLE {schema}.february PARTITION OF {schema}.new_source_table
    FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE {schema}.later PARTITION OF {schema}.new_source_table DEFAULT;
CREATE INDEX ON {schema}.new_source_table (created_date, status);
CREATE INDEX ON {schema}.new_source_table (updated_date) WHERE updated_date IS NOT NULL;
"""


@pytest.fixture
def contract():
    return find_contract("new_source_table", TABLES)


@pytest.fixture(scope="module")
def rows():
    """id, status, created, updated of 2000 records from January to March 2024."""
    chance = random.Random(7)  # noqa: S311
    start = datetime(2024, 1, 1)
    made = []
    for number in range(2000):
        created = start + timedelta(seconds=chance.randrange(90 * 86_400))
        changed = created + timedelta(seconds=chance.randrange(20 * 86_400))
        status = chance.choice(["ACTIVE", "PENDING", "INACTIVE", "?"])
        made.append((number, status, created, chance.choice([None, changed])))
    return made


@pytest.fixture(scope="module")
def database(postgres, rows):
    """A connection to a source of these rows, in a schema of its own."""
    schema = "source_query_test"
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(sql.SQL(TABLE).format(schema=sql.Identifier(schema)))
        with connection.cursor().copy(
            "COPY source_query_test.new_source_table (id, status, created_date, updated_date)"
            " FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute("ANALYZE source_query_test.new_source_table")
        yield connection
        connection.execute("DROP SCHEMA source_query_test CASCADE")


def moved(contract, **changes):
    return replace(contract, source=replace(contract.source, schema="source_query_test", **changes))


def ids(database, query):
    return sorted(row[0] for row in database.execute(query).fetchall())


BOUNDS = [
    (None, None),
    (datetime(2024, 2, 1, tzinfo=UTC), None),
    (None, datetime(2024, 2, 20, 12, 30, tzinfo=UTC)),
    (datetime(2024, 1, 20, tzinfo=UTC), datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC)),
    (datetime(2025, 1, 1, tzinfo=UTC), None),
]


@pytest.mark.parametrize(("after", "until"), BOUNDS)
def test_the_rows_read_are_those_whose_watermark_lies_in_the_bounds(
    contract, database, rows, after, until
):
    low = (after or datetime(1, 1, 2, tzinfo=UTC)) - timedelta(hours=1)
    high = until or datetime(9999, 1, 1, tzinfo=UTC)
    expected = [
        number
        for number, _, created, updated in rows
        if low <= (updated or created).replace(tzinfo=UTC) <= high
    ]

    found = ids(database, source_query(moved(contract), after=after, until=until))

    assert found == expected
    bounds = database.execute(bounds_query(moved(contract), after=after, until=until)).fetchone()
    chosen = [row for row in rows if row[0] in set(expected)]
    assert bounds == (
        min((row[2] for row in chosen), default=None),
        max((row[2] for row in chosen), default=None),
        max((row[3] or row[2] for row in chosen), default=None),
        len(expected),
    )


def test_the_row_at_the_lower_bound_is_read_again(contract, database, rows):
    number, _, created, updated = max(rows, key=lambda row: row[3] or row[2])
    last = (updated or created).replace(tzinfo=UTC)

    query = source_query(moved(contract, overlap=timedelta(0)), after=last)

    assert ids(database, query) == [number]


def test_rows_that_left_the_filter_are_read_too(contract, database, rows):
    assert ids(database, source_query(moved(contract))) == [row[0] for row in rows]
    assert 'status" IN' not in source_query(contract)


def test_exactly_the_columns_of_the_contract_are_read(contract, database):
    found = database.execute(source_query(moved(contract)) + "\nLIMIT 1")

    assert found.description is not None
    names = [column.name for column in found.description]
    assert names == [column.name for column in contract.source.columns]


def test_the_source_leaves_out_the_partitions_that_the_bounds_exclude(contract, database):
    within = (datetime(2024, 2, 3, tzinfo=UTC), datetime(2024, 2, 9, tzinfo=UTC))

    plan = database.execute("EXPLAIN " + source_query(moved(contract), within=within)).fetchall()

    text = "\n".join(row[0] for row in plan)
    assert "february" in text
    assert "january" not in text
    assert "later" not in text


def test_parts_of_the_partition_column_add_up_to_the_whole(contract, database, rows):
    edges = [date(2024, 1, 1), date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 1)]
    second = timedelta(microseconds=1)
    parts = []
    for low, high in pairwise(edges):
        end = datetime(high.year, high.month, high.day, tzinfo=UTC) - second
        parts += ids(database, source_query(moved(contract), within=(low, end)))

    assert sorted(parts) == [row[0] for row in rows]


def test_the_watermark_can_be_looked_up_in_the_indexes(contract, database):
    database.execute("SET enable_seqscan = off")
    query = source_query(moved(contract), after=datetime(2024, 3, 30, tzinfo=UTC))
    plan = "\n".join(row[0] for row in database.execute("EXPLAIN " + query).fetchall())
    database.execute("RESET enable_seqscan")

    assert "Seq Scan" not in plan
    assert "updated_date" in plan
    assert "BitmapOr" in plan


def test_a_full_load_has_no_bounds_of_the_watermark(contract):
    query = source_query(
        moved(contract, load=LoadKind.FULL), after=datetime(2024, 1, 1, tzinfo=UTC)
    )

    assert "WHERE" not in query


def test_times_are_rendered_in_utc_and_to_the_microsecond(contract):
    east = datetime(2024, 1, 1, 3, 0, 0, 7, tzinfo=timezone(timedelta(hours=3)))

    query = source_query(contract, until=east)

    assert "<= TIMESTAMP '2024-01-01 00:00:00.000007'" in query
    assert "'0099-01-01 00:00:00.000000'" in source_query(contract, until=datetime(99, 1, 1))


def test_names_are_quoted_whatever_they_contain(contract):
    column = replace(contract.source.columns[0], name='i"d`')
    strange = moved(contract, columns=(column,), table='t"; DROP TABLE x')

    assert source_query(strange).startswith(
        'SELECT\n  "i""d`"\nFROM "source_query_test"."t""; DROP'
    )
    assert source_query(strange, dialect="mysql").startswith('SELECT\n  `i"d```\nFROM `source')


@pytest.mark.parametrize(
    ("value", "literal"),
    [(5, "5"), (Decimal("1.50"), "1.50"), (date(2024, 5, 1), "DATE '2024-05-01'")],
)
def test_parts_may_be_bounded_by_numbers_and_dates(contract, value, literal):
    assert f'"created_date" >= {literal}' in source_query(contract, within=(value, None))


@pytest.mark.parametrize("value", ["1' OR '1'='1", True, 1.5, Decimal("NaN"), b"x"])
def test_other_bounds_are_refused_without_showing_them(contract, value):
    with pytest.raises(SettingsError) as caught:
        source_query(contract, within=(value, None))

    assert type(value).__name__ in str(caught.value)
    assert "OR" not in str(caught.value)


def test_an_unknown_dialect_is_refused(contract):
    with pytest.raises(SettingsError, match="postgresql, mysql"):
        source_query(contract, dialect="sybase")


def test_a_part_needs_a_partition_column(contract):
    whole = replace(contract, source=replace(contract.source, partition_column=None))

    with pytest.raises(ContractError, match="partition_column"):
        source_query(whole, within=(1, 2))
    assert "NULL AS lowest" in bounds_query(whole)
