"""A read of a source sees one state, tells the source's time, and asks the catalog."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pydantic import SecretStr

from blocks.source_database import SourceDatabase
from contracts.errors import SchemaDriftError, SourceAccessError, SourceUnavailableError
from contracts.model.source_relation import RelationColumn

TABLES = """
DROP SCHEMA IF EXISTS ward CASCADE;
CREATE SCHEMA ward;
CREATE DOMAIN ward.price AS numeric(12, 2);
CREATE DOMAIN ward.fee AS ward.price NOT NULL;
CREATE DOMAIN ward.fees AS ward.fee[];
CREATE DOMAIN ward.whole AS integer;
CREATE DOMAIN ward.wholes AS ward.whole[];
CREATE TYPE ward.grade AS ENUM ('low', 'high');
CREATE TYPE ward.place AS (city text, zip text);
CREATE TABLE ward.beds (
    id bigint NOT NULL, code varchar(8) NOT NULL, "Odd ""name" char(3), gone int,
    fee ward.fee, fees ward.fees, wholes ward.wholes, raw ward.whole[], grid integer[][],
    grade ward.grade, grades ward.grade[], place ward.place, during tstzrange,
    times tstzmultirange, at timestamptz(3), ratio numeric, cut numeric(5, -2), pair int2vector,
    body bytea, note text,
    PRIMARY KEY (id)
);
ALTER TABLE ward.beds DROP COLUMN gone;
CREATE UNIQUE INDEX beds_code ON ward.beds (code, id) INCLUDE (note);
CREATE UNIQUE INDEX beds_lower ON ward.beds (lower(code));
CREATE UNIQUE INDEX beds_some ON ward.beds (code) WHERE id > 5;
CREATE UNIQUE INDEX beds_note ON ward.beds (note);
ALTER TABLE ward.beds ADD CONSTRAINT beds_later UNIQUE (id, code) DEFERRABLE;
CREATE TABLE ward.parts (id int NOT NULL, day date NOT NULL, PRIMARY KEY (day, id))
    PARTITION BY RANGE (day);
CREATE TABLE ward.parts_all PARTITION OF ward.parts DEFAULT;
CREATE TABLE ward.parent (id int PRIMARY KEY);
CREATE TABLE ward.child () INHERITS (ward.parent);
CREATE TABLE ward.stays (
    rooms int4range, during tstzrange, PRIMARY KEY (rooms, during WITHOUT OVERLAPS)
);
CREATE TABLE ward.loose (id int UNIQUE);
ALTER TABLE ward.loose ADD CONSTRAINT filled NOT NULL id NOT VALID;
CREATE VIEW ward.seen AS SELECT id, fee FROM ward.beds;
CREATE MATERIALIZED VIEW ward.kept AS SELECT id, code FROM ward.beds;
CREATE MATERIALIZED VIEW ward.unfilled AS SELECT id FROM ward.beds WITH NO DATA;
CREATE TABLE ward.hidden (id int PRIMARY KEY, who text);
INSERT INTO ward.hidden (id, who) VALUES (1, 'a'), (2, 'b');
ALTER TABLE ward.hidden ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON ward.hidden USING (id = 1);
CREATE VIEW ward.over AS SELECT id FROM ward.hidden;
CREATE VIEW ward.further AS SELECT id FROM ward.over;
CREATE TABLE ward.secrets (i int);
CREATE TABLE ward.partly (open int, closed int);
CREATE TABLE ward.marks (id int PRIMARY KEY, at timestamptz);
INSERT INTO ward.marks (id, at) VALUES (1, '2024-01-01 00:00:00+00');
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE ward.far (id int NOT NULL) SERVER nowhere;
CREATE ROLE nurse LOGIN PASSWORD 'nurse';
GRANT USAGE ON SCHEMA ward TO nurse;
GRANT SELECT ON ALL TABLES IN SCHEMA ward TO nurse;
REVOKE ALL ON ward.secrets, ward.partly FROM nurse;
GRANT SELECT (open) ON ward.partly TO nurse;
"""


@pytest.fixture(scope="module")
def owner(any_postgres) -> SourceDatabase:
    """A database with tables of all kinds, as its owner sees it."""
    any_postgres.create_database("ward")
    with psycopg.connect(any_postgres.dsn_of("ward").get_secret_value(), autocommit=True) as admin:
        admin.execute(TABLES)
    return SourceDatabase(
        host=any_postgres.host,
        port=any_postgres.port,
        database="ward",
        user=any_postgres.user,
        password=any_postgres.password,
    )


@pytest.fixture(scope="module")
def nurse(owner) -> SourceDatabase:
    """The same, as somebody sees it who may read most of it."""
    return owner.model_copy(update={"user": "nurse", "password": SecretStr("nurse")})


@pytest.fixture
def other(any_postgres, owner):
    """A session of somebody else, in a transaction as soon as it says something."""
    with psycopg.connect(
        any_postgres.dsn_of("ward").get_secret_value(), application_name="billing"
    ) as session:
        yield session
        session.rollback()


def relation(source, name):
    with source.reading() as reading:
        return reading.relation("ward", name)


def spark_rows(spark, reading, query, **options):
    reader = spark.read.format("jdbc").options(**reading.jdbc_options(), **options)
    return [tuple(row) for row in reader.option("query", query).load().collect()]


@pytest.mark.parametrize("fetchsize", ["0", "100"])
def test_whatever_is_asked_in_a_read_comes_from_one_state(owner, other, spark, fetchsize):
    count = "SELECT count(*) AS n FROM ward.marks"
    with owner.reading() as reading:
        before = reading.query_row(count)
        other.execute("INSERT INTO ward.marks (id) VALUES (2)")
        other.commit()
        try:
            assert owner.query_row(count) == (before[0] + 1,)
            assert reading.query_row(count) == before
            assert spark_rows(spark, reading, count, fetchsize=fetchsize) == [before]
        finally:
            other.execute("DELETE FROM ward.marks WHERE id = 2")
            other.commit()


def test_the_time_is_the_sources_own_in_utc(owner):
    before = datetime.now(UTC)
    with owner.reading() as reading:
        again = reading.query_row("SELECT now()")[0]

    assert before <= reading.now <= datetime.now(UTC)
    assert reading.now == again
    assert reading.now.tzinfo is UTC


def test_times_come_in_utc_by_both_drivers(owner, spark):
    query = "SELECT at, at::text AS said, at::date AS day FROM ward.marks WHERE id = 1"
    with owner.reading() as reading:
        at, *rest = reading.query_row(query)
        by_spark = spark_rows(spark, reading, query)[0]

    assert at == datetime(2024, 1, 1, tzinfo=UTC)
    assert at.utcoffset() == timedelta(0)
    assert rest[0] == by_spark[1] == "2024-01-01 00:00:00+00"
    assert rest[1] == by_spark[2]


def test_a_read_outlives_the_timeouts_that_a_role_has(nurse, any_postgres):
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as admin:
        for name in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            admin.execute(f"ALTER ROLE nurse SET {name} TO '300ms'".encode())
        try:
            with nurse.reading() as reading:
                time.sleep(0.8)
                assert reading.query_row("SELECT 1") == (1,)
        finally:
            admin.execute("ALTER ROLE nurse RESET ALL")


def test_where_nothing_is_open_the_oldest_is_the_moment_before_the_read(owner):
    with owner.reading() as reading:
        assert reading.oldest_open is not None
        assert reading.now - timedelta(seconds=5) < reading.oldest_open <= reading.now
        assert not reading.open_unknown


@pytest.mark.parametrize(
    "said",
    ["INSERT INTO ward.marks (id) VALUES (9)", "SELECT 1"],
    ids=["has written", "may write yet"],
)
def test_the_oldest_open_transaction_of_others_is_told(owner, other, said):
    other.execute(said.encode())
    began = other.execute("SELECT extract(epoch FROM now())").fetchone()[0]
    time.sleep(0.05)
    with owner.reading() as reading, owner.reading() as another:
        pass

    for found in (reading, another):
        assert found.oldest_open.timestamp() == pytest.approx(float(began), abs=2e-6)
        assert found.oldest_open < found.now - timedelta(milliseconds=40)
        assert not found.open_unknown


def test_a_prepared_transaction_is_open_though_its_session_is_gone(odd_postgres):
    source = SourceDatabase(
        port=odd_postgres.port, user=odd_postgres.user, password=odd_postgres.password
    )
    dsn = odd_postgres.dsn.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("BEGIN; CREATE TABLE public.promised (id int); PREPARE TRANSACTION 'p'")
    time.sleep(0.05)
    with source.reading() as reading:
        pass
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("ROLLBACK PREPARED 'p'")
    with source.reading() as later:
        pass

    assert reading.oldest_open < reading.now - timedelta(milliseconds=40)
    assert not reading.open_unknown
    assert later.oldest_open > reading.now


def test_reads_of_our_own_are_no_open_transactions(owner):
    with owner.reading() as first:
        time.sleep(0.05)
        with owner.reading() as second:
            assert second.oldest_open > first.now


def test_who_may_not_see_what_others_do_is_told_that_something_is_open(nurse, other):
    with nurse.reading() as quiet:
        other.execute("INSERT INTO ward.marks (id) VALUES (9)")
        with nurse.reading() as reading:
            assert reading.oldest_open is None
            assert reading.open_unknown
        other.rollback()

    assert not quiet.open_unknown


def test_a_read_whose_session_breaks_off_may_be_tried_again(owner, other, spark):
    with owner.reading() as reading:
        pid = reading.query_row("SELECT pg_backend_pid()")[0]
        options = reading.jdbc_options()
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(SourceUnavailableError):
            reading.query_row("SELECT 1")

    from tasks.run.spark_error_mapping import map_spark_errors

    frame = spark.read.format("jdbc").options(**options).option("query", "SELECT 1 AS one")
    with pytest.raises(SourceUnavailableError, match="snapshot"), map_spark_errors("t", "protect"):
        frame.load().collect()


def test_the_catalog_tells_the_columns_with_the_types_they_are_made_of(owner):
    assert relation(owner, "beds").columns == (
        RelationColumn("id", "bigint", "base", False),
        RelationColumn("code", "character varying(8)", "base", False),
        RelationColumn('Odd "name', "character(3)", "base", True),
        RelationColumn("fee", "numeric(12,2)", "base", False),
        RelationColumn("fees", "numeric(12,2)[]", "array", True),
        RelationColumn("wholes", "integer[]", "array", True),
        RelationColumn("raw", "integer[]", "array", True),
        RelationColumn("grid", "integer[]", "array", True),
        RelationColumn("grade", "ward.grade", "enum", True),
        RelationColumn("grades", "ward.grade[]", "array", True),
        RelationColumn("place", "ward.place", "composite", True),
        RelationColumn("during", "tstzrange", "range", True),
        RelationColumn("times", "tstzmultirange", "multirange", True),
        RelationColumn("at", "timestamp(3) with time zone", "base", True),
        RelationColumn("ratio", "numeric", "base", True),
        RelationColumn("cut", "numeric(5,-2)", "base", True),
        RelationColumn("pair", "int2vector", "base", True),
        RelationColumn("body", "bytea", "base", True),
        RelationColumn("note", "text", "base", True),
    )
    assert owner.columns("ward", "seen") == {"id": "bigint", "fee": "numeric(12,2)"}


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("beds", (("id",), ("code", "id"))),
        ("parts", (("day", "id"),)),
        ("stays", (("rooms", "during"),)),
        ("parent", ()),
        ("loose", ()),
        ("seen", ()),
        ("kept", ()),
        ("far", ()),
    ],
)
def test_a_key_is_what_tells_all_rows_apart_at_any_time(owner, table, keys):
    assert relation(owner, table).unique_keys == keys


@pytest.mark.parametrize(
    ("table", "secured"),
    [("beds", False), ("hidden", True), ("over", True), ("further", True), ("kept", False)],
)
def test_row_security_is_told_of_a_table_and_of_what_a_view_reads(owner, table, secured):
    assert relation(owner, table).row_security is secured


def test_kinds_of_tables_are_described_to_whoever_may_read_them(nurse):
    for table in ("parts", "seen", "kept", "far", "partly", "hidden", "unfilled"):
        assert relation(nurse, table).columns


def test_a_table_of_another_name_is_drift_and_one_that_is_closed_is_a_refusal(nurse):
    with pytest.raises(SchemaDriftError, match=r"ward\.beds"):
        relation(nurse, "bed")
    with pytest.raises(SourceAccessError, match=r"ward\.secrets.*GRANT|ward\.secrets.*Grant"):
        relation(nurse, "secrets")


def test_a_materialized_view_without_data_is_not_ready(nurse):
    with nurse.reading() as reading, pytest.raises(SchemaDriftError, match="REFRESH"):
        reading.query_row("SELECT count(*) FROM ward.unfilled")


def test_rows_that_a_policy_would_hide_are_a_refusal_by_both_drivers(nurse, owner, spark):
    from tasks.run.spark_error_mapping import map_spark_errors

    query = "SELECT id FROM ward.hidden"
    with nurse.reading() as reading:
        with pytest.raises(SourceAccessError, match="BYPASSRLS"):
            nurse.query_row(query)
        with pytest.raises(SourceAccessError, match="BYPASSRLS"), map_spark_errors("t", "protect"):
            spark_rows(spark, reading, query)

    assert owner.query_row("SELECT count(*) FROM ward.hidden") == (2,)
