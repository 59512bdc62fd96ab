"""Real failures of a real source in the middle of a read: an error or success, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import yaml

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.lookup import block_lookup
from contracts.errors import SettingsError, SourceAccessError, SourceUnavailableError
from flows.load_table import load_table
from tests.blocks.postgres.tls_front import certificates, tls_front
from tests.flows.failing_source import (
    SLOW_VIEW,
    circuit_of,
    meanwhile,
    move_source,
    sessions,
    set_source,
    wait_until,
)
from tests.flows.readings import AFTER_BOTH, CONTRACT, INSERT, SECOND, versions
from tests.flows.resetting_proxy import resetting_proxy

pytestmark = pytest.mark.nightly

TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'strand%'"
)
RETRIES = 4
"""After 2, 4, 8 and 16 s: a server may take long to start."""
READER = "reader-of-the-drill"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("own-postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def contracts(tmp_path_factory):
    """The contract of the readings, whose reads are tried five times."""
    folder = tmp_path_factory.mktemp("contracts")
    text = yaml.safe_load(CONTRACT.read_text())
    text["customProperties"][0]["value"]["source"]["retry_attempts"] = RETRIES
    (folder / "readings.yaml").write_text(yaml.safe_dump(text))
    return folder


@pytest.fixture
def loaded(readings, own_server):
    """A table that was loaded once, and whose source has more rows by now, which it reads slowly.

    The source is on a server of its own.
    """
    move_source(readings, own_server)
    load_table("readings")
    with psycopg.connect(own_server.dsn.get_secret_value()) as connection:
        for row in SECOND:
            connection.execute("DELETE FROM clinic.readings WHERE patient = %s", row[:1])
            connection.execute(INSERT, row)
        connection.execute(SLOW_VIEW.format(seconds=1.5))
    yield readings
    with psycopg.connect(own_server.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA clinic CASCADE")
        connection.execute(f'DROP ROLE IF EXISTS "{READER}"')


def unharmed(place, before):
    """Nothing of the failed read is in the target or lies around."""
    assert versions(place) == before
    assert place.leftovers == []


def test_a_server_that_is_stopped_and_started_meanwhile_is_read_at_the_next_attempt(
    loaded, own_server
):
    with resetting_proxy(own_server.port) as proxy:

        def restart():
            own_server.stop()
            own_server.start()
            proxy.target = own_server.port

        set_source(loaded, port=proxy.port)
        with meanwhile(own_server.dsn.get_secret_value(), restart) as restarted:
            load_table("readings")

    assert restarted.is_set()
    assert versions(loaded) == AFTER_BOTH
    assert circuit_of(loaded).failures == 0


def test_sessions_that_an_administrator_ends_are_an_error_that_passes(loaded, own_server):
    before = versions(loaded)

    def end():
        with psycopg.connect(own_server.dsn.get_secret_value()) as connection:
            connection.execute(TERMINATE)

    set_source(loaded, circuit_failures=50)
    with (
        meanwhile(own_server.dsn.get_secret_value(), end, times=RETRIES + 1) as ended,
        pytest.raises(SourceUnavailableError),
    ):
        load_table("readings")
    assert ended.is_set()
    unharmed(loaded, before)
    load_table("readings")
    assert versions(loaded) == AFTER_BOTH


def test_a_connection_that_is_reset_is_read_at_the_next_attempt(loaded, own_server):
    with resetting_proxy(own_server.port) as proxy:
        set_source(loaded, port=proxy.port)
        with meanwhile(own_server.dsn.get_secret_value(), proxy.cut) as cut:
            load_table("readings")

    assert cut.is_set()
    assert versions(loaded) == AFTER_BOTH


def make_reader(server, *, limit):
    """A user that may have so many connections."""
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        connection.execute(
            f"CREATE ROLE \"{READER}\" LOGIN PASSWORD 'first' CONNECTION LIMIT {limit}".encode()
        )
        connection.execute(f'GRANT USAGE ON SCHEMA clinic TO "{READER}"'.encode())
        connection.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO "{READER}"'.encode())


def drop_reader(server):
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        connection.execute(f'DROP OWNED BY "{READER}"'.encode())
        connection.execute(f'DROP ROLE "{READER}"'.encode())


def test_too_few_connections_are_an_error_that_passes(loaded, own_server):
    before = versions(loaded)
    make_reader(own_server, limit=1)
    set_source(loaded, user=READER, password="first", circuit_failures=50)  # noqa: S106

    with pytest.raises(SourceUnavailableError, match="53300"):
        load_table("readings")

    unharmed(loaded, before)
    assert circuit_of(loaded).failures == RETRIES + 1
    drop_reader(own_server)


def test_a_password_that_is_changed_meanwhile_ends_the_load_at_once(loaded, own_server):
    before = versions(loaded)
    make_reader(own_server, limit=9)
    set_source(loaded, user=READER, password="first")  # noqa: S106

    def change():
        with psycopg.connect(own_server.dsn.get_secret_value()) as connection:
            connection.execute(f"ALTER ROLE \"{READER}\" PASSWORD 'second'".encode())

    begun = time.monotonic()
    with (
        meanwhile(own_server.dsn.get_secret_value(), change, least=1) as changed,
        pytest.raises(SourceAccessError, match="28P01"),
    ):
        load_table("readings")

    assert changed.is_set()
    assert time.monotonic() - begun < 60
    unharmed(loaded, before)
    assert circuit_of(loaded).failures == 0
    drop_reader(own_server)


def test_a_server_whose_certificate_nobody_vouches_for_ends_the_load_at_once(
    loaded, own_server, tmp_path
):
    before = versions(loaded)
    ours, others = tmp_path / "ours", tmp_path / "others"
    for folder in (ours, others):
        folder.mkdir()
    with tls_front((own_server.host, own_server.port), ours) as front:
        named = {"host": "localhost", "port": front.port}
        set_source(loaded, **named, ssl_root_certificate=str(certificates(others)))
        with pytest.raises(SettingsError, match="ssl_root_certificate"):
            load_table("readings")
        unharmed(loaded, before)
        assert circuit_of(loaded).failures == 0

        set_source(loaded, **named, ssl_root_certificate=str(front.authority))
        load_table("readings")
    assert versions(loaded) == AFTER_BOTH


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_after_a_run_was_ended_no_query_of_it_is_in_the_database(loaded, own_server, name):
    dsn = own_server.dsn.get_secret_value()
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP VIEW clinic.readings")
        connection.execute("ALTER TABLE clinic.rows RENAME TO readings")
        connection.execute(SLOW_VIEW.format(seconds=600))
    before = versions(loaded)
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("strandline")), "run", "readings"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, block_lookup.VARIABLE: str(loaded.root / "blocks.yaml")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert wait_until(lambda: sessions(dsn) > 0, 120)
    time.sleep(2)
    running.send_signal(getattr(signal, name))
    running.wait(40)

    assert wait_until(lambda: sessions(dsn) == 0, 10)
    assert versions(loaded) == before
