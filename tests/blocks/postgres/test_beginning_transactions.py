"""A transaction stamps rows with its time before it tells that it is open: reads wait for that."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace

import psycopg
import pytest
from pydantic import SecretStr

from blocks.source_database import SourceDatabase

STAMPED = "BEGIN; INSERT INTO stamped VALUES (now(), pg_current_xact_id()); COMMIT"
ACTIVITY = "SELECT xact_start, wait_event_type FROM pg_stat_activity WHERE pid = %s"
SNAPSHOT = "SELECT pg_current_snapshot()::text"
UNSEEN = """
SELECT count(*) FROM stamped
WHERE at < %s AND NOT pg_visible_in_snapshot(xact, %s::text::pg_snapshot)
"""
STOPPED_SECONDS = 0.5


@pytest.fixture(scope="module")
def database(postgres):
    """The block of a database with the table `stamped`, and its dsn."""
    postgres.create_database("beginning")
    dsn = postgres.dsn_of("beginning").get_secret_value()
    with psycopg.connect(dsn) as session:
        session.execute("CREATE TABLE stamped (at timestamptz NOT NULL, xact xid8 NOT NULL)")
        session.execute("CREATE INDEX ON stamped (at)")
    block = SourceDatabase(
        host=postgres.host,
        port=postgres.port,
        database="beginning",
        user=postgres.user,
        password=postgres.password,
    )
    return block, dsn


@contextmanager
def writing(dsn, sessions=1):
    """Sessions that write without a pause meanwhile; yields the process numbers of theirs."""
    ended, connections = threading.Event(), []

    def write(connection):
        while not ended.is_set():
            connection.execute(STAMPED)

    threads = []
    for _ in range(sessions):
        connections.append(psycopg.connect(dsn, autocommit=True))
        threads.append(threading.Thread(target=write, args=(connections[-1],), daemon=True))
        threads[-1].start()
    try:
        yield [connection.info.backend_pid for connection in connections]
    finally:
        ended.set()
        for thread, connection in zip(threads, connections, strict=True):
            thread.join(30)
            connection.close()


def read(block):
    """The oldest transaction that a read is told of, and what its snapshot shows."""
    with block.reading() as reading:
        return reading.oldest_open, reading.query_row(SNAPSHOT)[0]


@contextmanager
def stopped(pid):
    """The server's process stands still, and goes on after a while whatever happens here.

    It may have a lock that every other session needs.
    """
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(STOPPED_SECONDS, os.kill, (pid, signal.SIGCONT))
    going_on.start()
    try:
        yield
    finally:
        going_on.cancel()
        os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(120)
def test_a_read_waits_for_a_session_that_is_about_to_begin_something(database):
    block, dsn = database
    chance, until = Random(1), time.monotonic() + 60  # noqa: S311 - no secret
    took = None
    with psycopg.connect(dsn, autocommit=True) as asking, writing(dsn) as (pid,):
        while took is None and time.monotonic() < until:
            time.sleep(chance.uniform(0, 0.002))
            with stopped(pid):
                begun = time.monotonic()
                start, waits = asking.execute(ACTIVITY, (pid,)).fetchone()
                if start is None and waits is None and time.monotonic() - begun < 0.1:
                    oldest, snapshot = read(block)
                    took = time.monotonic() - begun

    assert took is not None
    assert took > STOPPED_SECONDS / 2
    with psycopg.connect(dsn) as asking:
        assert asking.execute(UNSEEN, (oldest, snapshot)).fetchone() == (0,)


@pytest.fixture
def waits(monkeypatch):
    """How long a read waited, each time that it did, which takes no time here."""
    waited = []
    # The module's own name for time: other threads of the process go on sleeping.
    here = SimpleNamespace(**{**vars(time), "sleep": waited.append})
    monkeypatch.setattr("blocks.postgres.connection.time", here)
    return waited


def test_a_session_that_waits_for_its_client_is_not_waited_for(database, waits):
    block, dsn = database
    with psycopg.connect(dsn, autocommit=True) as quiet:
        quiet.execute("SELECT 1")
        with block.reading():
            pass

    assert waits == []


def test_sessions_that_are_hidden_from_the_reader_are_waited_for_a_moment(database, waits):
    block, dsn = database
    reader = {"user": "no_onlooker", "password": SecretStr("none")}
    with psycopg.connect(dsn, autocommit=True) as quiet:
        quiet.execute("CREATE ROLE no_onlooker LOGIN PASSWORD 'none'")
        with block.model_copy(update=reader).reading() as reading:
            assert reading.oldest_open is not None
            assert not reading.open_unknown
        quiet.execute("DROP ROLE no_onlooker")

    assert waits


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_nothing_that_a_read_does_not_see_began_before_the_oldest_that_it_is_told_of(database):
    block, dsn = database
    until, reads = time.monotonic() + 120, []
    with writing(dsn, sessions=6):
        while time.monotonic() < until:
            reads.append(read(block))

    assert len(reads) > 20
    with psycopg.connect(dsn) as asking:
        for oldest, snapshot in reads:
            assert asking.execute(UNSEEN, (oldest, snapshot)).fetchone() == (0,)
