from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

import psycopg
import pytest
from psycopg import sql

from blocks.postgres.catalog_queries import relation
from contracts.errors import ContractError, SchemaDriftError, SettingsError
from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, SourceColumn
from contracts.model.reserved_column_names import UNFIT
from contracts.model.source_relation import Relation, RelationColumn
from tasks.source.jdbc_partitions import source_slices
from tasks.source.source_query import SLICE, values_query
from tasks.source.sql_dialects.mariadb_sql import MARIADB
from tests.tasks.source.relations import bounds_query, relation_of, source_query

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
def table(database):
    """What the catalog says of the source."""
    return relation(database, "the test's database", "source_query_test", "new_source_table")


@pytest.fixture(scope="module")
def database(any_postgres, rows):
    """A connection to a source of these rows, in a schema of its own."""
    schema = "source_query_test"
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for setting in ("TimeZone TO 'UTC'", "DateStyle TO 'ISO'", "quote_all_identifiers TO off"):
            connection.execute(f"SET {setting}".encode())
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


def ids(database, query, condition="1 = 1"):
    """The ids of the rows that a query selects; Spark too asks for some columns of it only."""
    rows = database.execute(f"SELECT id FROM ({query}) AS batch WHERE {condition}")  # noqa: S608
    return sorted(row[0] for row in rows.fetchall())


AFTER = [None, datetime(2024, 2, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("after", AFTER)
def test_the_rows_read_are_those_from_the_watermark_on(contract, database, table, rows, after):
    low = (after or datetime(1, 1, 2, tzinfo=UTC)) - timedelta(hours=1)
    expected = [
        number
        for number, _, created, updated in rows
        if low <= (updated or created).replace(tzinfo=UTC)
    ]

    found = ids(database, source_query(moved(contract), table, after=after))

    assert found == expected
    query = bounds_query(moved(contract), after=after)
    *bounds, _ = database.execute(query).fetchone()
    chosen = [row for row in rows if row[0] in set(expected)]
    assert bounds == [
        min((row[2] for row in chosen), default=None),
        max((row[2] for row in chosen), default=None),
        len(expected),
    ]


def test_the_row_at_the_lower_bound_is_read_again(contract, database, table, rows):
    number, _, created, updated = max(rows, key=lambda row: row[3] or row[2])
    last = (updated or created).replace(tzinfo=UTC)

    query = source_query(moved(contract, overlap=timedelta(0)), table, after=last)

    assert ids(database, query) == [number]


def test_rows_that_left_the_filter_are_read_too(contract, database, table, rows):
    assert ids(database, source_query(moved(contract), table)) == [row[0] for row in rows]
    assert 'status" IN' not in source_query(moved(contract), table)


def test_exactly_the_columns_of_the_contract_are_read(contract, database, table):
    found = database.execute(source_query(moved(contract), table) + "\nLIMIT 1")

    assert found.description is not None
    names = [column.name for column in found.description]
    assert names == [*[column.name for column in contract.source.columns], SLICE, UNFIT]


def test_the_source_leaves_out_the_partitions_that_the_bounds_exclude(contract, database, table):
    within = (datetime(2024, 2, 3, tzinfo=UTC), datetime(2024, 2, 9, tzinfo=UTC))

    plan = database.execute(
        "EXPLAIN " + source_query(moved(contract), table, within=within)
    ).fetchall()

    text = "\n".join(row[0] for row in plan)
    assert "february" in text
    assert "january" not in text
    assert "later" not in text


def test_parts_of_the_partition_column_add_up_to_the_whole(contract, database, table, rows):
    edges = [date(2024, 1, 1), date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 1)]
    second = timedelta(microseconds=1)
    parts = []
    for low, high in pairwise(edges):
        end = datetime(high.year, high.month, high.day, tzinfo=UTC) - second
        parts += ids(database, source_query(moved(contract), table, within=(low, end)))

    assert sorted(parts) == [row[0] for row in rows]


def test_the_watermark_can_be_looked_up_in_the_indexes(contract, database, table):
    database.execute("SET enable_seqscan = off")
    query = source_query(moved(contract), table, after=datetime(2024, 3, 30, tzinfo=UTC))
    plan = "\n".join(row[0] for row in database.execute("EXPLAIN " + query).fetchall())
    database.execute("RESET enable_seqscan")

    assert "Seq Scan" not in plan
    assert "updated_date" in plan
    assert "BitmapOr" in plan


def test_a_full_load_has_no_bounds_of_the_watermark(contract):
    full = moved(contract, load=LoadKind.FULL)
    query = source_query(full, relation_of(full), after=datetime(2024, 1, 1, tzinfo=UTC))

    assert "WHERE" not in query


def test_times_are_rendered_in_utc_and_to_the_microsecond(contract):
    table = relation_of(contract)
    east = datetime(2024, 1, 1, 3, 0, 0, 7, tzinfo=timezone(timedelta(hours=3)))

    query = source_query(contract, table, within=(None, east))

    assert "<= '2024-01-01 00:00:00.000007+00'" in query
    old = source_query(contract, table, within=(datetime(99, 1, 1), None))
    assert "'0099-01-01 00:00:00.000000+00'" in old
    assert MARIADB.literal(east) == "TIMESTAMP '2024-01-01 00:00:00.000007'"


def test_names_are_quoted_whatever_they_contain(contract):
    column = SourceColumn(name='i"d`', type="bigint")
    strange = moved(contract, columns=(column,), table='t"; DROP TABLE x')
    table = relation_of(strange)

    assert source_query(strange, table).startswith('SELECT\n  "i""d`",\n')
    assert 'FROM "source_query_test"."t""; DROP' in source_query(strange, table)
    assert 'SELECT\n  CAST("i""d`" AS CHAR) AS "i""d`",\n' in source_query(
        strange, table, dialect=MARIADB
    )


@pytest.mark.parametrize(
    ("value", "literal"),
    [(5, "5"), (Decimal("1.50"), "1.50"), (date(2024, 5, 1), "DATE '2024-05-01'")],
)
def test_parts_may_be_bounded_by_numbers_and_dates(contract, value, literal):
    query = source_query(contract, relation_of(contract), within=(value, None))

    assert f'"created_date" >= {literal}' in query


@pytest.mark.parametrize("value", ["1' OR '1'='1", True, 1.5, b"x"])
def test_other_bounds_are_refused_without_showing_them(contract, value):
    with pytest.raises(SettingsError) as caught:
        source_query(contract, relation_of(contract), within=(value, None))

    assert type(value).__name__ in str(caught.value)
    assert "OR" not in str(caught.value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_bounds_nothing(contract, value):
    query = source_query(contract, relation_of(contract), within=(value, value))

    assert "WHERE" not in query
    assert source_slices(8, cuts=[value] * 7) == ("1 = 1",)


def test_a_part_needs_a_partition_column(contract):
    whole = replace(contract, source=replace(contract.source, partition_column=None))

    with pytest.raises(ContractError, match="partition_column"):
        source_query(whole, relation_of(whole), within=(1, 2))
    assert "NULL AS lowest" in bounds_query(whole)


def test_a_column_that_is_missing_or_of_another_type_is_drift(contract):
    table = relation_of(contract)
    others = tuple(column for column in table.columns if column.name != "id")
    gone = replace(table, columns=others)
    changed = RelationColumn(name="id", type="text", kind="base", nullable=True)

    for other in (gone, replace(table, columns=(changed, *others))):
        with pytest.raises(SchemaDriftError, match="a column id"):
            source_query(contract, other)
        with pytest.raises(SchemaDriftError, match="a column id"):
            values_query(other, {"id": "bigint"})


ODD = """
CREATE TABLE {schema}.odd (
    id BIGINT, day DATE, moment TIMESTAMP, zoned TIMESTAMPTZ, amount NUMERIC, part {part}
);
INSERT INTO {schema}.odd (id, day, moment, zoned, part) VALUES
    (1, '2024-01-05', '2024-01-05 10:00', '2024-01-05 10:00+00', {first}),
    (2, '2024-01-06', '2024-01-06 00:00', '2024-01-05 23:00-01', {last}),
    (3, 'infinity', 'infinity', 'infinity', {most}),
    (4, '-infinity', '-infinity', '-infinity', {least}),
    (5, '0044-03-15 BC', '0044-03-15 BC', '0044-03-15 BC', {least}),
    (6, '12000-01-01', '12000-01-01', '12000-01-01', {most}),
    (7, NULL, NULL, NULL, NULL);
"""
PARTS = [
    ("timestamptz", "timestamp", "'2024-01-01'", "'2024-02-01'", "'infinity'", "'-infinity'"),
    ("timestamp", "timestamp", "'2024-01-01'", "'2024-02-01'", "'12000-01-01'", "'0044-01-01 BC'"),
    ("date", "date", "'2024-01-01'", "'2024-02-01'", "'12000-01-01'", "'-infinity'"),
    ("numeric", "decimal(10,2)", "1", "2.5", "'NaN'", "'-Infinity'"),
    ("numeric", "decimal(10,2)", "1", "2.5", "'Infinity'", "-1e300"),
    ("bigint", "bigint", "1", "2", "9223372036854775807", "-9223372036854775808"),
    ("text", "string", "'a'", "'b'", "'z'", "''"),
]


@pytest.fixture
def odd(contract, database, request):
    """A contract of a table with odd values in the columns that choose rows, and the table."""
    part, kind, *values = request.param
    names = ("first", "last", "most", "least")
    database.execute(
        ODD.format(
            schema="source_query_test", part=part, **dict(zip(names, values, strict=True))
        ).encode()
    )
    columns = (
        SourceColumn("id", "bigint"),
        SourceColumn("day", "date"),
        SourceColumn("moment", "timestamp"),
        SourceColumn("zoned", "timestamp"),
        SourceColumn("part", kind),
    )
    source = {
        "columns": columns,
        "table": "odd",
        "watermark": ("zoned",),
        "partition_column": "part",
        "overlap": timedelta(0),
    }
    yield (
        moved(contract, **source),
        relation(database, "the test's database", "source_query_test", "odd"),
    )
    database.execute("DROP TABLE source_query_test.odd")


def sliced(database, query, slices):
    found = []
    for condition in slices:
        found += ids(database, query, condition)
    return sorted(found)


@pytest.mark.parametrize("odd", PARTS, indirect=True, ids=lambda part: " ".join(part[:1]))
def test_no_value_of_the_partition_column_hides_a_row(odd, database):
    contract, table = odd
    low, high, count, cuts = database.execute(bounds_query(contract, slices=4)).fetchone()
    whole = source_query(contract, table)
    bounded = source_query(contract, table, within=(low, high))
    by_value = source_query(contract, replace(table, pages=()))

    assert count == 7
    assert ids(database, bounded) == [1, 2, 3, 4, 5, 6, 7]
    assert sliced(database, by_value, source_slices(4, cuts=cuts or ())) == [1, 2, 3, 4, 5, 6, 7]
    assert sliced(database, whole, source_slices(4, pages=table.pages)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("odd", PARTS[:1], indirect=True, ids=["odd"])
@pytest.mark.parametrize("name", ["day", "moment", "zoned"])
def test_rows_from_the_watermark_on_and_rows_without_one_are_read(odd, database, name):
    contract, table = odd
    chosen = replace(contract, source=replace(contract.source, watermark=(name,)))
    after = datetime(2024, 1, 6, tzinfo=UTC)

    assert ids(database, source_query(chosen, table, after=after)) == [2, 3, 6, 7]
    later = source_query(chosen, table, after=after + timedelta(hours=1))
    assert ids(database, later) == [3, 6, 7]
    first = source_query(
        replace(chosen, source=replace(chosen.source, overlap=timedelta(days=9))),
        table,
        after=datetime(1, 1, 2, tzinfo=UTC),
    )
    assert ids(database, first) == [1, 2, 3, 6, 7]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("odd", PARTS[:1], indirect=True, ids=["odd"])
def test_the_bounds_are_moments_wherever_the_session_is(odd, database, zone):
    contract, table = odd
    database.execute(f"SET TIME ZONE '{zone}'".encode())
    try:
        query = source_query(contract, table, after=datetime(2024, 1, 6, tzinfo=UTC))
        rows = database.execute(f"SELECT id, zoned FROM ({query}) AS batch")  # noqa: S608
        found = dict(rows.fetchall())
    finally:
        database.execute("SET TIME ZONE 'UTC'")

    assert sorted(found) == [2, 3, 6, 7]
    assert found[2] == datetime(2024, 1, 6, tzinfo=UTC).timestamp() * 1_000_000


def test_more_columns_than_a_function_takes_can_be_told_as_unfit(contract, database):
    names = [f"it's \\{number}" for number in range(120)]
    wide = moved(
        contract,
        columns=tuple(SourceColumn(name, "decimal(5,0)") for name in names),
        table="wide",
        partition_column=None,
    )
    described = Relation(
        schema="source_query_test",
        name="wide",
        columns=tuple(RelationColumn(name, "numeric", "base", True) for name in names),
        unique_keys=(),
        row_security=False,
    )
    columns = sql.SQL(", ").join(sql.SQL("{} NUMERIC").format(sql.Identifier(n)) for n in names)
    database.execute(sql.SQL("CREATE TABLE source_query_test.wide ({})").format(columns))
    database.execute("INSERT INTO source_query_test.wide SELECT")
    database.execute(
        sql.SQL("INSERT INTO source_query_test.wide ({}, {}) VALUES (1.5, 7)").format(
            sql.Identifier(names[0]), sql.Identifier(names[119])
        )
    )

    rows = database.execute(source_query(wide, described)).fetchall()

    assert [json.loads(row[-1]) for row in rows if row[-1]] == [{names[0]: "1.5"}]
    assert [row[119] for row in rows] == [None, 7]
