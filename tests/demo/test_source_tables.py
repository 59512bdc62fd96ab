from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from contracts.loader import LEDGERS, load_ledger
from demo.demo_source_database import create

SPEC_COLUMNS = [
    ("id", "bigint", None),
    ("column1", "character varying", 100),
    ("column2", "character varying", 255),
    ("column3", "numeric", None),
    ("status", "character varying", 20),
    ("created_date", "timestamp without time zone", None),
    ("updated_date", "timestamp without time zone", None),
    ("created_by", "character varying", 50),
    ("updated_by", "character varying", 50),
    ("data_classification", "character varying", 20),
    ("checksum", "character varying", 64),
    ("version_number", "integer", None),
]

LINEAGE_COLUMNS = [
    ("lineage_id", "bigint"),
    ("source_table", "string"),
    ("target_table", "string"),
    ("record_id", "bigint"),
    ("transformation_applied", "string"),
    ("processed_timestamp", "timestamp"),
    ("batch_id", "string"),
    ("data_quality_score", "decimal(5,2)"),
]


@pytest.fixture(scope="module")
def dsn(database):
    created = database()
    create(created)
    create(created)
    return created


def scanned(dsn, query):
    """The relations that the plan of a query reads."""
    with psycopg.connect(dsn.get_secret_value()) as connection:
        (plan,) = connection.execute(SQL("EXPLAIN (FORMAT JSON) ") + query).fetchone()

    def relations(node):
        if "Relation Name" in node:
            yield node["Relation Name"]
        for child in node.get("Plans", ()):
            yield from relations(child)

    return set(relations(plan[0]["Plan"]))


def test_new_source_table_has_the_columns_of_the_specification(dsn, ask):
    assert (
        ask(
            dsn,
            """
            SELECT column_name, data_type, character_maximum_length
            FROM information_schema.columns
            WHERE table_schema = 'source_schema' AND table_name = 'new_source_table'
            ORDER BY ordinal_position
            """,
        )
        == SPEC_COLUMNS
    )


def test_amounts_have_ten_digits_two_of_them_decimal(dsn, ask):
    assert ask(
        dsn,
        """
        SELECT numeric_precision, numeric_scale FROM information_schema.columns
        WHERE table_name = 'new_source_table' AND column_name = 'column3'
        """,
    ) == [(10, 2)]


def test_the_three_indexes_of_the_specification_are_there(dsn, ask):
    indexes = dict(
        ask(
            dsn,
            """
            SELECT indexname, indexdef FROM pg_indexes
            WHERE schemaname = 'source_schema' AND tablename = 'new_source_table'
            """,
        )
    )

    assert "btree (created_date, status)" in indexes["idx_created_date_status"]
    assert "hash (column1)" in indexes["idx_column1_hash"]
    assert "(updated_date) WHERE (updated_date IS NOT NULL)" in indexes["idx_updated_date"]
    assert "UNIQUE" in indexes["new_source_table_pkey"]
    assert "(id, created_date)" in indexes["new_source_table_pkey"]


def test_changes_of_the_aircraft_are_found_by_an_index_in_every_partition(dsn, ask):
    assert ask(
        dsn,
        """
        SELECT count(DISTINCT tablename) FROM pg_indexes
        WHERE schemaname = 'source_schema' AND tablename LIKE 'aircraft_%'
            AND indexdef LIKE '%btree (updated_date)'
        """,
    ) == [(13,)]


@pytest.mark.parametrize(
    ("table", "since", "until", "partition"),
    [
        ("new_source_table", "2023-06-01", "2024-02-01", "p_2024_01"),
        ("new_source_table", "2024-02-01", "2024-03-01", "p_2024_02"),
        ("new_source_table", "2024-03-01", "2024-04-01", "p_2024_03"),
        ("new_source_table", "2024-04-01", "2031-01-01", "p_future"),
        ("aircraft", "2013-01-01", "2013-02-01", "aircraft_2013_01"),
        ("aircraft", "2013-07-01", "2013-08-01", "aircraft_2013_07"),
        ("aircraft", "2013-12-01", "2014-01-01", "aircraft_2013_12"),
        ("aircraft", "2014-01-01", "2014-02-01", "aircraft_later"),
    ],
)
def test_a_month_is_read_from_one_partition(dsn, table, since, until, partition):
    query = SQL("SELECT * FROM {} WHERE created_date >= {} AND created_date < {}").format(
        Identifier("source_schema", table), Literal(since), Literal(until)
    )

    assert scanned(dsn, query) == {partition}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("version_number", 0),
        ("data_classification", "SECRET"),
        ("checksum", "abc"),
        ("id", 0),
        ("column1", None),
    ],
)
def test_the_table_refuses_what_its_application_never_writes(dsn, column, value):
    row = {"id": 1, "column1": "a", "created_date": "2024-01-01", column: value}
    statement = SQL("INSERT INTO source_schema.new_source_table ({}) VALUES ({})").format(
        SQL(", ").join(map(Identifier, row)), SQL(", ").join(map(Literal, row.values()))
    )

    with (
        psycopg.connect(dsn.get_secret_value()) as connection,
        pytest.raises(psycopg.errors.IntegrityError),
    ):
        connection.execute(statement)


def test_the_table_takes_any_status_and_fills_in_the_defaults(dsn):
    with psycopg.connect(dsn.get_secret_value()) as connection:
        row = connection.execute(
            """
            INSERT INTO source_schema.new_source_table (id, column1, status, created_date)
            VALUES (1, 'a', 'ARCHIVED', '2030-01-01'), (2, 'b', DEFAULT, '2020-01-01')
            RETURNING status, data_classification, version_number
            """
        ).fetchall()
        connection.rollback()

    assert row == [("ARCHIVED", "INTERNAL", 1), ("ACTIVE", "INTERNAL", 1)]


def test_lineage_is_no_table_of_the_source_but_the_ledger_with_the_columns_it_asks_for(dsn, ask):
    tables = ask(dsn, "SELECT tablename FROM pg_tables WHERE schemaname = 'source_schema'")
    ledger = load_ledger(LEDGERS / "data_lineage.yaml")

    assert "data_lineage" not in [name for (name,) in tables]
    assert [(each.name, each.type) for each in ledger.columns] == LINEAGE_COLUMNS


def test_airports_and_planes_are_filled_once(dsn, ask):
    assert ask(
        dsn,
        """
        SELECT
            (SELECT count(*) FROM source_schema.airports),
            (SELECT count(*) FROM source_schema.existing_table_1),
            (SELECT count(time_zone) FROM source_schema.existing_table_1),
            (SELECT count(*) FROM source_schema.planes),
            (SELECT count(built_year) FROM source_schema.planes)
        """,
    ) == [(1_458, 1_458, 1_455, 3_322, 3_252)]


def test_an_airport_is_written_as_the_package_has_it(dsn, ask):
    assert ask(
        dsn,
        """
        SELECT name, latitude, longitude, altitude_feet, time_zone
        FROM source_schema.existing_table_1 WHERE code = 'JFK'
        """,
    ) == [("John F Kennedy Intl", 40.639751, -73.778925, 13, "America/New_York")]
