"""What the drivers raise inside of Spark, by real statements that fail."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from blocks.source_database import SourceDatabase
from contracts.errors import (
    SchemaDriftError,
    SettingsError,
    SourceConflictError,
    SourceUnavailableError,
    SourceValueError,
)
from tasks.run.spark_error_mapping import map_spark_errors


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    file = tmp_path_factory.mktemp("errors") / "errors.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    return SourceDatabase(dialect="sqlite", database=str(file), connect_timeout_seconds=1)


def failure(spark, source, query, seconds=None):
    """What reading a query ends in, as a run would be told."""
    with source.reading(seconds) as reading:
        options = {**reading.jdbc_options(), "query": query, "customSchema": "a STRING"}
        with pytest.raises(Exception) as caught, map_spark_errors("orders", "read"):  # noqa: PT011
            spark.read.format("jdbc").options(**options).load().collect()
    assert "secret" not in str(caught.value)
    assert caught.value.where == "orders, step read"
    return type(caught.value)


def test_sqlite(spark, sqlite):
    assert failure(spark, sqlite, "SELECT a FROM secret") is SchemaDriftError
    assert failure(spark, sqlite, "SELECT secret FROM orders") is SchemaDriftError
    assert failure(spark, sqlite, "SELECT )secret(") is SettingsError
    with closing(sqlite3.connect(sqlite.database, isolation_level=None)) as other, sqlite.reading():
        other.execute("BEGIN EXCLUSIVE")
        assert failure_in_spark_alone(spark, sqlite) is SourceConflictError


def failure_in_spark_alone(spark, source):
    options = {**source._source().jdbc_options(), "query": "SELECT id AS a FROM orders"}
    with pytest.raises(Exception) as caught, map_spark_errors("orders", "read"):  # noqa: PT011
        spark.read.format("jdbc").options(**options).load().collect()
    return type(caught.value)


def test_mariadb(spark, mariadb):
    source = mariadb.source("mysql", user="reader")

    assert failure(spark, source, "SELECT a FROM mysql.secret") is SchemaDriftError
    assert failure(spark, source, "SELECT secret FROM mysql.db") is SchemaDriftError
    assert failure(spark, source, "SELECT )secret(") is SettingsError
    slow = "SELECT SLEEP(3) AS a FROM mysql.db UNION ALL SELECT SLEEP(3)"
    assert failure(spark, source, slow, seconds=1) is SourceUnavailableError
    over = "SELECT 18446744073709551615 + db.n AS a FROM (SELECT 1 AS n) AS db"
    assert failure(spark, source, over) is SourceValueError


def test_mariadb_that_ends_the_session(spark, mariadb):
    source = mariadb.source("mysql", user="admin")
    killed = "SELECT a FROM (SELECT SLEEP(0.1) AS a) AS s"
    options = {**source.jdbc_options(), "query": killed, "customSchema": "a STRING"}
    options["sessionInitStatement"] = "KILL CONNECTION_ID()"
    frame = spark.read.format("jdbc").options(**options).load()

    with pytest.raises(SourceUnavailableError), map_spark_errors("orders", "read"):
        frame.collect()


def test_mariadb_that_ends_the_session_while_it_is_read(spark, mariadb):
    asleep = "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'"

    def end():
        with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
            while not cursor.execute(asleep):
                pass
            cursor.execute(f"KILL CONNECTION {cursor.fetchone()[0]}")

    ending = threading.Thread(target=end)
    ending.start()
    # The driver has no number for it, and only a state.
    query = "SELECT SLEEP(60 + seq) AS a FROM mysql.seq_1_to_2"
    assert failure(spark, mariadb.source("mysql"), query) is SourceUnavailableError
    ending.join()


def test_another_database(spark, h2):
    source = h2.source("errors")
    endless = "SELECT COUNT(*) AS a FROM SYSTEM_RANGE(1, 1000000) A, SYSTEM_RANGE(1, 1000000) B"

    assert failure(spark, source, "SELECT a FROM secret") is SchemaDriftError
    assert failure(spark, source, 'SELECT "secret" FROM (SELECT 1) AS s') is SchemaDriftError
    assert failure(spark, source, "SELECT )secret(") is SettingsError
    assert failure(spark, source, "SELECT CAST('secret' AS INT) AS a") is SourceValueError
    assert failure(spark, source, endless, seconds=1) is SourceUnavailableError
