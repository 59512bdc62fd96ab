"""A source that fails on purpose: a server of its own, slow rows, and who looks at its sessions."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg
import yaml

from blocks.coordination.circuit_breaker import Circuit
from blocks.coordination.shared_documents import shared_documents
from tests.flows.readings import FIRST, INSERT, TABLE

Found = TypeVar("Found")

CONNECTION = "source_db_conn"
SLOW_VIEW = """
ALTER TABLE clinic.readings RENAME TO rows;
CREATE OR REPLACE FUNCTION clinic.slowly(state text) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep({seconds}); RETURN state IS NOT NULL; END $$;
CREATE VIEW clinic.readings AS SELECT r.* FROM clinic.rows AS r WHERE clinic.slowly(r.state)
"""
"""Makes the readings a view that takes so long for each row."""
OURS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name LIKE 'strandline%' AND pid <> pg_backend_pid()"
)


def set_source(place, **changes):
    """Change fields of the source's block."""
    path = place.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    text["source-database"]["source-db-conn"].update(changes)
    path.write_text(yaml.safe_dump(text))


def set_settings(place, **changes):
    """Change fields of the run settings."""
    path = place.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    text["run-settings"]["default"].update(changes)
    path.write_text(yaml.safe_dump(text))


def move_source(place, server):
    """Make the place read from another server, with the same rows."""
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        connection.execute("DROP SCHEMA IF EXISTS clinic CASCADE")
        connection.execute(TABLE)
        connection.cursor().executemany(INSERT, FIRST)
    set_source(
        place,
        host=server.host,
        port=server.port,
        database=server.database,
        user=server.user,
        password=server.password.get_secret_value(),
    )


def circuit_of(place) -> Circuit:
    """The circuit of the place's source."""
    documents = shared_documents(place.root / "state", on_server=False)
    return Circuit.read(documents.read("circuit-source-db-conn")[0])


def sessions(dsn: str) -> int:
    """How many sessions of ours there are."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(OURS).fetchone()[0]


@contextmanager
def counting_server():
    """A server that hangs up on everybody; yields its port and when that was."""
    counted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                counted.append(time.monotonic())
                line.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], counted
        server.shutdown(socket.SHUT_RDWR)


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it holds before the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def meanwhile(dsn: str, act: Callable[[], None], *, least: int = 2, times: int = 1):
    """Act when so many sessions of ours read, so many times; yields whether it did."""

    def reading() -> int:
        found = sessions(dsn)
        return found if found >= least else 0

    def gone() -> bool:
        return sessions(dsn) == 0

    with acting_on(reading, lambda _: act(), gone, times, psycopg.Error) as acted:
        yield acted


@contextmanager
def acting_on(
    found: Callable[[], Found],
    act: Callable[[Found], None],
    gone: Callable[[], bool],
    times: int,
    passing: type[Exception],
):
    """Act on what is found, and again once it is gone; yields whether it did so many times."""
    done, ended = threading.Event(), threading.Event()

    def watch():
        acted = 0
        while not ended.wait(0.02):
            with suppress(passing):
                if there := found():
                    act(there)
                    acted += 1
                    if acted == times:
                        done.set()
                        return
                    wait_until(gone, 5)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()
