from __future__ import annotations

import pickle
import socket
import threading
import time
from urllib.parse import parse_qsl

import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from blocks.source_database import SourceDatabase
from contracts.errors import (
    FixableError,
    RetryableError,
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    SourceValueError,
    StrandlineError,
)

READER = "canary-reader"
PASSWORD = "canary/pass word%"  # noqa: S105

TABLES = """
DROP SCHEMA IF EXISTS crm CASCADE;
CREATE SCHEMA crm;
CREATE TABLE crm.customers (
    customer_id bigint PRIMARY KEY, name varchar(40), code char(3), balance numeric(12, 2),
    ratio numeric, born date, seen timestamptz, tags text[], active boolean, extra jsonb
);
INSERT INTO crm.customers (customer_id, name, balance)
SELECT i, 'name ' || i, i / 4.0 FROM generate_series(1, 5) AS g (i);
CREATE TABLE crm.secrets (i int);
GRANT USAGE ON SCHEMA crm TO "canary-reader";
GRANT SELECT ON crm.customers TO "canary-reader";
ALTER ROLE "canary-reader" SET statement_timeout TO '20s';
ALTER ROLE "canary-reader" SET lock_timeout TO '1s';
ALTER ROLE "canary-reader" SET idle_in_transaction_session_timeout TO '700ms';
ALTER ROLE "canary-reader" SET transaction_timeout TO '800ms';
ALTER ROLE "canary-reader" IN DATABASE bank SET standard_conforming_strings TO off;
"""


@pytest.fixture(scope="module")
def reader(any_postgres) -> SourceDatabase:
    """A database with two tables, as somebody sees it who may read one of them."""
    any_postgres.create_database("bank")
    with psycopg.connect(any_postgres.dsn_of("bank").get_secret_value(), autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone():
            statement = "CREATE ROLE {} LOGIN PASSWORD {}"
            admin.execute(
                psycopg.sql.SQL(statement).format(
                    psycopg.sql.Identifier(READER), psycopg.sql.Literal(PASSWORD)
                )
            )
        admin.execute(TABLES)
    return SourceDatabase(
        host=any_postgres.host,
        port=any_postgres.port,
        database="bank",
        user=READER,
        password=SecretStr(PASSWORD),
        connect_timeout_seconds=3,
    )


@pytest.fixture(scope="module")
def owner(any_postgres, reader) -> SourceDatabase:
    """The same database, as its owner sees it."""
    return SourceDatabase(
        host=any_postgres.host,
        port=any_postgres.port,
        database="bank",
        user=any_postgres.user,
        password=any_postgres.password,
    )


def changed(block: SourceDatabase, **fields) -> SourceDatabase:
    return block.model_copy(update=fields)


def error_of(act) -> StrandlineError:
    """The error that `act` ends in, having looked that it tells no secret."""
    with pytest.raises(StrandlineError) as caught:
        act()
    error = caught.value
    shown = f"{error!r} {error} {error.__cause__!r} {vars(error)}"
    assert PASSWORD not in shown
    assert READER not in shown
    assert error.__suppress_context__ or error.__context__ is None
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    assert error.next_step
    return error


def test_a_database_that_lets_us_in_passes(reader):
    reader.check()


@pytest.mark.parametrize(
    "fields",
    [{"port": 1}, {"host": "nowhere.invalid"}, {"host": "127.255.255.254", "port": 9}],
    ids=["closed port", "unknown host", "no such address"],
)
def test_a_database_that_does_not_answer_may_answer_later(reader, fields):
    error = error_of(changed(reader, **fields).check)

    assert isinstance(error, SourceUnavailableError)
    assert isinstance(error, RetryableError)


def test_a_server_that_accepts_and_then_says_nothing_is_given_up_in_time(reader):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = error_of(changed(reader, port=port, connect_timeout_seconds=2).check)

    assert isinstance(error, SourceUnavailableError)
    assert "timeout" in error.found


def hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_a_server_that_hangs_up_is_unavailable(reader):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        threading.Thread(target=hang_up, args=[rude], daemon=True).start()
        error = error_of(changed(reader, port=rude.getsockname()[1]).check)

    assert isinstance(error, SourceUnavailableError)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"password": SecretStr("guessed")}, "refused"),
        ({"password": SecretStr("")}, "no password"),
        ({"user": "nobody-knows"}, "refused"),
        ({"database": "nowhere"}, "no such database"),
    ],
    ids=["password", "no password", "user", "database"],
)
def test_a_refusal_has_to_be_repaired(reader, fields, found):
    error = error_of(changed(reader, **fields).check)

    assert isinstance(error, SourceAccessError)
    assert isinstance(error, FixableError)
    assert found in error.found


def test_no_permission_to_connect_is_a_refusal(reader, any_postgres):
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as admin:
        admin.execute("REVOKE CONNECT ON DATABASE bank FROM PUBLIC")
        try:
            error = error_of(reader.check)
        finally:
            admin.execute("GRANT CONNECT ON DATABASE bank TO PUBLIC")

    assert isinstance(error, SourceAccessError)
    assert "permission" in error.found


def test_the_columns_come_in_their_order_with_their_types(reader):
    assert list(reader.columns("crm", "customers").items()) == [
        ("customer_id", "bigint"),
        ("name", "character varying(40)"),
        ("code", "character(3)"),
        ("balance", "numeric(12,2)"),
        ("ratio", "numeric"),
        ("born", "date"),
        ("seen", "timestamp with time zone"),
        ("tags", "text[]"),
        ("active", "boolean"),
        ("extra", "jsonb"),
    ]


def test_a_table_that_is_not_there_is_drift_and_near_ones_are_named(reader):
    error = error_of(lambda: reader.columns("crm", "customer"))

    assert isinstance(error, SchemaDriftError)
    assert "crm.customers" in error.found


def test_a_table_that_is_not_ours_to_see_is_a_refusal_not_drift(reader):
    error = error_of(lambda: reader.columns("crm", "secrets"))

    assert isinstance(error, SourceAccessError)
    assert "crm.secrets" in error.where


def test_a_query_gives_its_first_row_or_none(reader):
    row = reader.query_row("SELECT min(customer_id), max(customer_id) FROM crm.customers")

    assert row == (1, 5)
    assert reader.query_row("SELECT 1 FROM crm.customers WHERE name LIKE 'x%'") == ()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT 1 FROM crm.secrets", SourceAccessError),
        ("SELECT 1 FROM crm.nothing", SchemaDriftError),
        ("SELECT nothing FROM crm.customers", SchemaDriftError),
        ("SELECT canary FROM FROM", SettingsError),
        ("SELECT 'canary'::int", SourceValueError),
        ("SELECT 'infinity'::timestamptz", SourceValueError),
        ("SELECT DATE '0044-03-15 BC'", SourceValueError),
        ("CREATE TABLE pg_temp.canary (i int)", SettingsError),
        ("DELETE FROM crm.customers", SettingsError),
    ],
)
def test_a_failing_query_is_told_in_our_words(reader, statement, kind):
    error = error_of(lambda: reader.query_row(statement))

    assert type(error) is kind
    assert "canary" not in str(error)


def test_sessions_can_not_write_even_where_the_user_may(owner):
    assert "25006" in error_of(lambda: owner.query_row("CREATE TABLE t (i int)")).found


def test_a_statement_that_takes_too_long_is_ended(reader):
    error = error_of(
        lambda: changed(reader, statement_timeout_seconds=1).query_row("SELECT pg_sleep(30)")
    )

    assert isinstance(error, SourceUnavailableError)
    assert "1 s" in error.found


def test_spark_reads_with_the_options_and_its_plan_shows_no_credential(reader, spark):
    frame = spark.read.format("jdbc").options(**reader.jdbc_options(), dbtable="crm.customers")
    rows = frame.load().select("customer_id", "name").orderBy("customer_id")

    assert tuple(rows.first()) == (1, "name 1")
    plan = rows._jdf.queryExecution().toString()
    assert PASSWORD not in plan
    assert READER not in plan


def shown(names) -> str:
    return "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in names)


SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "search_path": '""',
    "row_security": "off",
    "default_transaction_read_only": "on",
    "transaction_read_only": "on",
    "transaction_isolation": "repeatable read",
    "statement_timeout": "7s",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "application_name": "strandline",
}


def test_a_session_is_what_we_say_whatever_server_and_role_say(reader, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c extra_float_digits=-5")
    source = changed(reader, statement_timeout_seconds=7)

    assert source.query_row(shown(SESSION)) == tuple(SESSION.values())


@pytest.mark.parametrize("fetchsize", ["0", "100"])
def test_sparks_sessions_are_the_same_fetching_at_once_or_in_parts(reader, spark, fetchsize):
    options = changed(reader, statement_timeout_seconds=7).jdbc_options()
    frame = spark.read.format("jdbc").options(**options, fetchsize=fetchsize)

    assert frame.option("query", shown(SESSION)).load().first().asDict() == SESSION
    # With predicates, as loads read, Spark hands on its properties in lower case.
    url = options.pop("url")
    properties = {**options, "fetchsize": fetchsize}
    table = f"({shown(SESSION)}) AS session"
    by_slice = spark.read.jdbc(url, table, predicates=["1 = 1"], properties=properties)
    assert by_slice.first().asDict() == SESSION


def test_a_session_leaves_nothing_in_the_connection_that_a_pooler_gives_to_others(reader, owner):
    from blocks.postgres.session_settings import transaction

    with psycopg.connect(
        host=reader.host,
        port=reader.port,
        dbname="bank",
        user=READER,
        password=PASSWORD,
        autocommit=True,
    ) as pooled:
        before = pooled.execute(shown(SESSION)).fetchone()
        pooled.execute(transaction(statement_timeout=1).encode())
        assert pooled.execute(shown(SESSION)).fetchone() != before
        pooled.execute("COMMIT")
        assert pooled.execute(shown(SESSION)).fetchone() == before


def test_names_are_the_catalogs_own(owner, any_postgres):
    with psycopg.connect(any_postgres.dsn_of("bank").get_secret_value(), autocommit=True) as admin:
        admin.execute(
            "CREATE SCHEMA IF NOT EXISTS odd; CREATE OR REPLACE FUNCTION odd.upper(text)"
            " RETURNS text LANGUAGE sql AS $$ SELECT 'another' $$"
        )

    assert owner.query_row("SELECT upper('a')") == ("A",)


def test_a_read_that_fails_ends_the_sessions_that_joined_it_and_no_other(reader):
    def join(name):
        session = psycopg.connect(
            host=reader.host,
            port=reader.port,
            dbname="bank",
            user=READER,
            password=PASSWORD,
            application_name=name,
            # Else the role's own limits would end it.
            options="-c idle_in_transaction_session_timeout=0 -c transaction_timeout=0",
        )
        session.execute("SELECT 1")
        return session

    with pytest.raises(KeyError), reader.reading() as reading:  # noqa: PT012
        settings = dict(parse_qsl(reading.jdbc_options()["url"].partition("?")[2]))
        joined, other = join(settings["ApplicationName"]), join("strandline 0123abcd")
        raise KeyError

    time.sleep(1)
    with pytest.raises(psycopg.errors.AdminShutdown):
        joined.execute("SELECT 1")
    assert other.execute("SELECT 1").fetchone() == (1,)
    other.close()
    joined.close()


def test_a_server_that_hangs_is_left_when_the_statement_should_have_ended(reader, monkeypatch):
    monkeypatch.setattr("blocks.postgres.connection._GRACE_SECONDS", -1)
    begun = time.monotonic()
    # The limit here comes before the server's own: as if that had not ended the statement.
    error = error_of(
        lambda: changed(reader, statement_timeout_seconds=3).query_row("SELECT pg_sleep(30)")
    )

    assert isinstance(error, SourceUnavailableError)
    assert "57014" not in str(error)
    assert time.monotonic() - begun < 15


def test_the_address_of_jdbc_holds_no_credential_and_quotes_what_it_must(reader):
    options = changed(reader, host="::1", database="odd/name?x=1").jdbc_options()

    address, _, settings = options["url"].partition("?")
    assert address == f"jdbc:postgresql://[::1]:{reader.port}/odd%2Fname%3Fx%3D1"
    assert dict(parse_qsl(settings)) == {
        "ApplicationName": "strandline",
        "connectTimeout": "3",
        "loginTimeout": "3",
        "socketTimeout": str(reader.statement_timeout_seconds + 15),
        "tcpKeepAlive": "true",
    }
    assert options["driver"] == "org.postgresql.Driver"
    assert reader.packages() == ("org.postgresql:postgresql:42.7.8",)


def test_an_embedded_database_is_started_when_it_is_needed(tmp_path):
    source = SourceDatabase(embedded_directory=tmp_path / "embedded")
    assert not (tmp_path / "embedded").exists()

    source.check()
    assert source.query_row("SELECT current_user") == ("strandline",)
    assert source.jdbc_options()["user"] == "strandline"


def test_a_block_shows_no_secret_and_wants_to_know_who_asks(reader):
    assert PASSWORD not in repr(reader) + str(reader) + reader.model_dump_json()
    with pytest.raises(ValidationError, match="user is needed") as caught:
        SourceDatabase(password=SecretStr(PASSWORD))
    assert PASSWORD not in str(caught.value)
