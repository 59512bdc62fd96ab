"""Loads from a real streaming replica that lags behind: nothing is missed, and it is read whole."""

from __future__ import annotations

import shutil
import time

import psycopg
import pytest

from blocks.embedded_postgres import EmbeddedPostgres, postgres_process
from blocks.source_database import SourceDatabase
from flows.load_table import load_table
from tests.flows.failing_source import wait_until
from tests.flows.state_contracts import write_contract

pytestmark = pytest.mark.nightly

COLUMNS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
TABLE = """
CREATE TABLE {name} (id integer PRIMARY KEY, v varchar(20), updated_at timestamptz NOT NULL)
"""


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    """A server whose log can be followed."""
    with pytest.MonkeyPatch.context() as settings:
        for name, value in {"wal_level": "replica", "max_wal_senders": "4"}.items():
            settings.setitem(postgres_process._SETTINGS, name, value)
        server = EmbeddedPostgres(tmp_path_factory.mktemp("primary"))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def replica(primary, tmp_path_factory):
    """A standby that follows it."""
    folder = tmp_path_factory.mktemp("replica")
    data = folder / "data"
    data.mkdir(mode=0o700)
    postgres_process.give_to_account(data)
    postgres_process._run(
        "pg_basebackup",
        *("--pgdata", str(data), "--wal-method", "stream", "--checkpoint", "fast"),
        *("--write-recovery-conf", "--dbname", primary.dsn.get_secret_value()),
    )
    shutil.copy(primary.directory / "password", folder / "password")
    server = EmbeddedPostgres(folder)
    server.start()
    yield server
    server.stop()


def on(server, *statements):
    with psycopg.connect(server.dsn.get_secret_value(), autocommit=True) as connection:
        found = [connection.execute(statement) for statement in statements]
        return found[-1].fetchone() if found[-1].description else None


def caught_up(primary, replica):
    (position,) = on(primary, "SELECT pg_current_wal_lsn()::text")
    query = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
    assert wait_until(lambda: on(replica, query) == (True,), 20)


def source_of(server):
    """The block of a server."""
    return SourceDatabase(
        host=server.host, port=server.port, database=server.database, user=server.user,
        password=server.password,
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(primary, replica, make_workplace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    write_contract(folder, "whole", COLUMNS, {"load": "full"}, {"absent": "close"})
    recent = {"load": "incremental", "watermark": ["updated_at"], "overlap": "1 hour"}
    write_contract(folder, "recent", COLUMNS, recent)
    on(primary, *[TABLE.format(name=name) for name in ("whole", "recent")])
    return make_workplace(folder, source=source_of(replica))


def versions(place, name):
    rows = place.table(f"states.{name}").orderBy("id", "valid_from").collect()
    return [(row.id, row.v, row.is_current) for row in rows]


def test_a_replica_does_not_know_what_is_open_on_its_primary(primary, replica):
    with psycopg.connect(primary.dsn.get_secret_value()) as other:
        other.execute("CREATE TABLE IF NOT EXISTS held (id integer)")
        caught_up(primary, replica)
        with source_of(replica).reading() as reading:
            assert (reading.oldest_open, reading.open_unknown) == (None, True)


@pytest.mark.parametrize("name", ["whole", "recent"])
def test_what_a_replica_does_not_have_yet_is_read_once_it_has_it(place, primary, replica, name):
    on(primary, f"INSERT INTO {name} VALUES (1, 'a', now()), (2, 'b', now())")  # noqa: S608
    caught_up(primary, replica)
    load_table(name)
    on(replica, "SELECT pg_wal_replay_pause()")
    # Stamped before the next load reads, which can't see it.
    on(
        primary,
        f"UPDATE {name} SET v = 'A', updated_at = now() WHERE id = 1",  # noqa: S608
        f"INSERT INTO {name} VALUES (3, 'c', now())",  # noqa: S608
        f"DELETE FROM {name} WHERE id = 2",  # noqa: S608
    )
    time.sleep(0.1)
    lagging = load_table(name)
    seen_while_lagging = versions(place, name)
    on(replica, "SELECT pg_wal_replay_resume()")
    caught_up(primary, replica)
    load_table(name)
    again = load_table(name)

    assert seen_while_lagging == [(1, "a", True), (2, "b", True)]
    assert lagging.report.opened == 0
    closed = name == "recent"
    assert versions(place, name) == [
        (1, "a", False), (1, "A", True), (2, "b", closed), (3, "c", True),
    ]  # fmt: skip
    assert again.report.opened == 0
    # Though a read that could not see it came between, each change has its own time.
    rows = place.table(f"states.{name}").collect()
    assert [row.id for row in rows if row.valid_from != row.updated_at] == []
