"""Real failures of a real MariaDB in the middle of a read: an error or success, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pymysql
import pytest

from blocks.lookup import block_lookup
from contracts.errors import (
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
)
from flows.load_table import load_table
from tests.blocks.postgres.tls_front import certificates
from tests.flows.failing_source import acting_on, circuit_of, set_source, wait_until
from tests.flows.resetting_proxy import resetting_proxy
from tests.flows.state_contracts import write_contract
from tests.mariadb_server import mariadb_server

pytestmark = pytest.mark.nightly

COLUMNS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
TABLE = (
    "CREATE DATABASE clinic CHARACTER SET utf8mb4",
    "CREATE TABLE clinic.rows_of_it (id INT PRIMARY KEY, v VARCHAR(20), updated_at DATETIME)",
    "CREATE VIEW clinic.people AS SELECT * FROM clinic.rows_of_it",
    "INSERT INTO clinic.rows_of_it VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01')",
)
SLOW_VIEW = (
    "CREATE OR REPLACE VIEW clinic.people AS"
    " SELECT * FROM clinic.rows_of_it WHERE SLEEP({seconds} + 0 * id) = 0"
)
FIRST = [(1, "a", True), (2, "b", True)]
SECOND = [(1, "A", True), (1, "a", False), (2, "b", False), (3, "c", True)]
RETRIES = 3
"""After 2, 4 and 8 s."""
READER = "reader_of_the_drill"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    with mariadb_server(tmp_path_factory.mktemp("own-mariadb")) as server:
        yield server


@pytest.fixture(scope="module")
def contracts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    source = {"schema": "clinic", "load": "full", "retry_attempts": RETRIES}
    write_contract(folder, "people", COLUMNS, source, {"absent": "close"})
    return folder


@pytest.fixture
def loaded(make_workplace, contracts, own_server):
    """A table that was loaded once, and whose source is another by now, which it reads slowly."""
    own_server.execute(*TABLE)
    place = make_workplace(contracts, source=own_server.source("clinic"))
    load_table("people")
    assert versions(place) == FIRST
    own_server.execute(
        "DELETE FROM clinic.rows_of_it WHERE id = 2",
        "UPDATE clinic.rows_of_it SET v = 'A', updated_at = '2024-02-01' WHERE id = 1",
        "INSERT INTO clinic.rows_of_it VALUES (3, 'c', '2024-02-01')",
        SLOW_VIEW.format(seconds=1.5),
    )
    yield place
    own_server.execute("DROP DATABASE clinic", f"DROP USER IF EXISTS {READER}@'127.0.0.1'")


def versions(place):
    rows = place.table("states.people").collect()
    return sorted((row.id, row.v, row.is_current) for row in rows)


def unharmed(place):
    """Nothing of the failed read is in the target or lies around."""
    assert versions(place) == FIRST
    assert place.leftovers == []


def reads(server, *, sparks=True):
    """The sessions that read rows for Spark, or any that are ours."""
    condition = "info LIKE '%/* strandline %'" if sparks else "command <> 'Sleep'"
    query = (
        "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"  # noqa: S608
        f" AND user NOT IN ('admin', 'system user') AND {condition}"
    )
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return [number for (number,) in cursor.fetchall()]


def meanwhile(server, act, *, sparks=True, times=1):
    """Act when a session of ours reads, so many times; yields whether it did."""

    def reading():
        return reads(server, sparks=sparks)

    return acting_on(reading, act, lambda: not reading(), times, pymysql.Error)


def make_reader(server, more=""):
    server.execute(
        f"CREATE USER {READER}@'127.0.0.1' IDENTIFIED BY 'first'",
        f"GRANT SELECT, PROCESS ON *.* TO {READER}@'127.0.0.1' {more}",
    )
    return {"user": READER, "password": "first"}


def test_a_server_that_is_stopped_and_started_meanwhile_is_read_at_the_next_attempt(
    loaded, own_server
):
    with meanwhile(own_server, lambda _: own_server.restart()) as restarted:
        load_table("people")

    assert restarted.is_set()
    assert versions(loaded) == SECOND
    assert circuit_of(loaded).failures == 0


def test_sessions_that_an_administrator_ends_are_an_error_that_passes(loaded, own_server):
    def end(numbers):
        own_server.execute(*[f"KILL CONNECTION {number}" for number in numbers])

    set_source(loaded, circuit_failures=50)
    with (
        meanwhile(own_server, end, times=RETRIES + 1) as ended,
        pytest.raises(SourceUnavailableError),
    ):
        load_table("people")
    assert ended.is_set()
    unharmed(loaded)
    load_table("people")
    assert versions(loaded) == SECOND


def test_a_connection_that_is_reset_is_read_at_the_next_attempt(loaded, own_server):
    with resetting_proxy(own_server.port) as proxy:
        set_source(loaded, port=proxy.port)
        with meanwhile(own_server, lambda _: proxy.cut()) as cut:
            load_table("people")

    assert cut.is_set()
    assert versions(loaded) == SECOND


def test_a_statement_that_takes_too_long_is_ended_and_nothing_is_published(loaded, own_server):
    own_server.execute(SLOW_VIEW.format(seconds=30))
    set_source(loaded, statement_timeout_seconds=1, circuit_failures=50)

    with pytest.raises(SourceUnavailableError, match="timeout"):
        load_table("people")

    unharmed(loaded)
    assert circuit_of(loaded).failures == RETRIES + 1
    assert wait_until(lambda: not reads(own_server, sparks=False), 5)


def test_too_few_connections_are_an_error_that_passes(loaded, own_server):
    login = make_reader(own_server, "WITH MAX_USER_CONNECTIONS 1")
    set_source(loaded, circuit_failures=50, **login)

    with pytest.raises(SourceUnavailableError, match="1226"):
        load_table("people")

    unharmed(loaded)
    assert circuit_of(loaded).failures == RETRIES + 1


def test_a_server_with_no_connection_left_is_an_error_that_passes(loaded, own_server):
    own_server.execute("SET GLOBAL max_connections = 10")
    try:
        with ExitStack() as held:
            for _ in range(10):
                held.enter_context(closing(own_server.connect()))
            with pytest.raises(SourceUnavailableError, match="1040"):
                load_table("people")
    finally:
        own_server.execute("SET GLOBAL max_connections = 151")
    unharmed(loaded)


def test_a_password_that_is_changed_meanwhile_ends_the_load_at_once(loaded, own_server):
    set_source(loaded, **make_reader(own_server))

    def change(_):
        own_server.execute(f"ALTER USER {READER}@'127.0.0.1' IDENTIFIED BY 'second'")

    begun = time.monotonic()
    with (
        meanwhile(own_server, change, sparks=False) as changed,
        pytest.raises(SourceAccessError, match="1045"),
    ):
        load_table("people")

    assert changed.is_set()
    assert time.monotonic() - begun < 60
    unharmed(loaded)
    assert circuit_of(loaded).failures == 0


def test_a_server_whose_certificate_nobody_vouches_for_ends_the_load_at_once(
    loaded, own_server, tmp_path
):
    others = {"ssl_mode": "verify-full", "host": "localhost"}
    set_source(loaded, **others, ssl_root_certificate=str(certificates(tmp_path)))

    with pytest.raises(SettingsError, match="certificate"):
        load_table("people")

    unharmed(loaded)
    set_source(loaded, **others, ssl_root_certificate=str(own_server.authority))
    load_table("people")
    assert versions(loaded) == SECOND


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_after_a_run_was_ended_no_query_of_it_is_in_the_database(loaded, own_server, name):
    own_server.execute(SLOW_VIEW.format(seconds=600))
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("strandline")), "run", "people"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, block_lookup.VARIABLE: str(loaded.root / "blocks.yaml")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert wait_until(lambda: reads(own_server, sparks=False), 120)
    time.sleep(2)
    running.send_signal(getattr(signal, name))
    running.wait(40)

    assert wait_until(lambda: not reads(own_server, sparks=False), 10)
    assert versions(loaded) == FIRST
