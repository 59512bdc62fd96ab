"""A read is cut into parts of equal size, whatever its key's values; each row is in one of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, pairwise

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from blocks.postgres.catalog_queries import relation
from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, SourceColumn
from tasks.source.jdbc_partitions import ALL, page_cuts, source_slices
from tasks.source.source_query import SLICE, compile_source_query

SCHEMA, ROWS, COUNT = "slices_test", 20_000, 4
LONGEST = 1.2 * ROWS / COUNT
"""PostgreSQL adds some dozen pages at a time, of which the last ones may be empty."""

MADE = """
CREATE SCHEMA {schema};
-- Of nine in ten rows the key is below a thousandth of the greatest one.
CREATE TABLE {schema}.skewed AS
SELECT
    CASE WHEN n %% 10 > 0 THEN n ELSE n * 100000::bigint END AS id,
    timestamp '2024-01-01' + n * interval '1 minute' AS at,
    repeat('x', 100) AS filling
FROM generate_series(1, {rows}) AS n
ORDER BY hashint4(n);
CREATE INDEX ON {schema}.skewed (id);
CREATE VIEW {schema}.seen AS SELECT * FROM {schema}.skewed;
CREATE MATERIALIZED VIEW {schema}.kept AS SELECT * FROM {schema}.skewed;

CREATE TABLE {schema}.parts (LIKE {schema}.skewed) PARTITION BY RANGE (at);
CREATE TABLE {schema}.first PARTITION OF {schema}.parts
    FOR VALUES FROM (MINVALUE) TO ('2024-01-02');
CREATE TABLE {schema}.second PARTITION OF {schema}.parts DEFAULT PARTITION BY HASH (id);
CREATE TABLE {schema}.even PARTITION OF {schema}.second FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE {schema}.odd PARTITION OF {schema}.second FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO {schema}.parts SELECT * FROM {schema}.skewed;

CREATE TABLE {schema}.parent AS SELECT * FROM {schema}.skewed WHERE id < 5000;
CREATE TABLE {schema}.child () INHERITS ({schema}.parent);
INSERT INTO {schema}.child SELECT * FROM {schema}.skewed WHERE id >= 5000;
"""
FOREIGN = """
CREATE FOREIGN DATA WRAPPER slices_nowhere;
CREATE SERVER slices_far FOREIGN DATA WRAPPER slices_nowhere;
CREATE FOREIGN TABLE slices_test.far (id bigint, at timestamp) SERVER slices_far;
"""
BY_PAGE = ["skewed", "kept", "parts", "parent"]


@pytest.fixture(scope="module")
def database(any_postgres):
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as connection:
        names = {"schema": sql.Identifier(SCHEMA), "rows": sql.Literal(ROWS)}
        for statement in MADE.replace("%%", "%").split(";\n"):
            connection.execute(sql.SQL(statement).format(**names))
        yield connection
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE".encode())


@pytest.fixture(scope="module")
def contract():
    shipped = find_contract("new_source_table", TABLES)
    source = replace(
        shipped.source,
        schema=SCHEMA,
        columns=(SourceColumn("id", "bigint"), SourceColumn("at", "timestamp")),
        load=LoadKind.FULL,
        watermark=(),
        partition_column="id",
    )
    return replace(shipped, source=source)


def compiled(contract, database, table):
    source = replace(contract.source, table=table)
    found = relation(database, "the test's database", SCHEMA, table)
    return compile_source_query(replace(contract, source=source), found)


def slices_of(query, database, count=COUNT):
    *_, cuts = database.execute(query.bounds(slices=count).encode()).fetchone()
    return source_slices(count, pages=query.pages, cuts=cuts or ())


def ids_of_slices(query, database, slices):
    """For each slice its rows' ids, as Spark asks for them."""
    wanted = f"SELECT id FROM ({query.rows()}) batch WHERE "  # noqa: S608 - the test's own names
    return [
        [row[0] for row in database.execute((wanted + each).encode()).fetchall()] for each in slices
    ]


@pytest.mark.parametrize("table", [*BY_PAGE, "seen"])
def test_slices_have_all_rows_once_and_each_as_many(contract, database, table):
    query = compiled(contract, database, table)

    found = ids_of_slices(query, database, slices_of(query, database))

    every = database.execute(f"SELECT id FROM {SCHEMA}.{table}".encode()).fetchall()  # noqa: S608
    assert sorted(chain.from_iterable(found)) == sorted(row[0] for row in every)
    assert len(found) == COUNT
    assert max(map(len, found)) < LONGEST
    assert bool(query.pages) == (table in BY_PAGE)


@pytest.mark.parametrize("table", BY_PAGE)
def test_a_slice_of_pages_reads_no_other_pages(contract, database, table):
    query = compiled(contract, database, table)
    (*_, last) = slices_of(query, database)

    plan = database.execute(
        f"EXPLAIN SELECT * FROM ({query.rows()}) batch WHERE {last}".encode()  # noqa: S608
    ).fetchall()

    text = "\n".join(row[0] for row in plan)
    assert "Tid Range Scan" in text
    assert "Seq Scan" not in text


def test_rows_that_nobody_has_yet_are_in_the_last_slice(contract, database):
    query = compiled(contract, database, "skewed")
    slices = slices_of(query, database)
    database.execute(f"CREATE TABLE {SCHEMA}.grown AS SELECT * FROM {SCHEMA}.skewed".encode())  # noqa: S608
    database.execute(f"INSERT INTO {SCHEMA}.grown SELECT * FROM {SCHEMA}.skewed".encode())  # noqa: S608
    grown = replace(query, origin=f'"{SCHEMA}"."grown"')

    assert sum(map(len, ids_of_slices(grown, database, slices))) == 2 * ROWS


def test_who_may_read_some_columns_only_reads_by_value(contract, database, any_postgres):
    database.execute(b"CREATE ROLE slices_reader LOGIN PASSWORD 'secret-of-a-test'")
    database.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO slices_reader".encode())
    database.execute(f"GRANT SELECT (id, at) ON {SCHEMA}.skewed TO slices_reader".encode())
    try:
        with psycopg.connect(
            host=any_postgres.host,
            port=any_postgres.port,
            dbname=any_postgres.database,
            user="slices_reader",
            password="secret-of-a-test",  # noqa: S106
            autocommit=True,
        ) as reader:
            query = compiled(contract, reader, "skewed")
            found = ids_of_slices(query, reader, slices_of(query, reader))
    finally:
        database.execute(b"DROP OWNED BY slices_reader")
        database.execute(b"DROP ROLE slices_reader")

    assert query.pages == ()
    assert sum(map(len, found)) == ROWS
    assert max(map(len, found)) < LONGEST


def test_a_foreign_table_is_not_read_by_page(contract, database):
    database.execute(FOREIGN.encode())
    try:
        query = compiled(contract, database, "far")
    finally:
        database.execute(b"DROP FOREIGN DATA WRAPPER slices_nowhere CASCADE")

    assert query.pages == ()


def test_a_value_that_most_rows_have_is_not_cut():
    assert source_slices(4, cuts=[7, 7, 7]) == (
        f'("{SLICE}" < 7 OR "{SLICE}" IS NULL)',
        f'("{SLICE}" >= 7)',
    )


@pytest.mark.parametrize("count", range(1, 9))
def test_fewer_slices_than_there_are_cuts_are_as_even(count):
    slices = source_slices(count, cuts=list(range(10, 80, 10)))

    assert len(slices) == count
    starts = [0, *(int(each.split(">= ")[1].split(" ")[0].rstrip(")")) for each in slices[1:]), 80]
    widths = [high - low for low, high in pairwise(starts)]
    assert max(widths) - min(widths) <= 10


def test_an_empty_table_is_one_slice():
    assert source_slices(8, pages=(0, 0)) == ALL
    assert source_slices(8) == ALL


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.integers(1, 16))
def test_page_cuts_share_the_pages_out_evenly(pages, count):
    cuts = page_cuts(pages, count)

    ends = [0, *cuts, max(pages)]
    shares = [sum(min(p, high) - min(p, low) for p in pages) for low, high in pairwise(ends)]
    assert cuts == sorted(set(cuts))
    assert sum(shares) == sum(pages)
    # A cut goes through all tables, so a slice is a page of each too long at most.
    assert max(shares) <= sum(pages) / count + 2 * len(pages)
