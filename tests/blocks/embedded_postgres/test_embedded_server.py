from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from blocks.embedded_postgres import EmbeddedPostgres, running_postgres, unprivileged_account
from blocks.embedded_postgres.postgres_process import postmaster
from contracts.errors import EnvironmentUnfitError

ROOT = Path(__file__).parents[3]
USER = """
import sys, time
from pathlib import Path
from blocks.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A directory in which a server has run and ended; making one takes longer than starting it."""
    directory = tmp_path_factory.mktemp("embedded") / "below" / "it"
    server = EmbeddedPostgres(directory)
    server.start()
    server.stop()
    return directory


def asked(server: EmbeddedPostgres, statement: str):
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        return connection.execute(statement).fetchone()


def another_process(directory: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that uses the server until its input ends, and the port it was given."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    return process, int(process.stdout.readline())


def test_it_listens_on_the_loopback_alone_and_wants_the_password(postgres):
    assert asked(postgres, "SHOW listen_addresses") == ("127.0.0.1",)
    assert asked(postgres, "SHOW unix_socket_directories") == ("",)
    assert asked(postgres, "SELECT current_user, current_database()") == ("strandline", "postgres")
    rules = "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules"
    assert asked(postgres, rules) == (["scram-sha-256"],)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn.get_secret_value(), password=postgres.user)


def test_the_password_is_its_owners_alone_and_never_shown(postgres):
    file = postgres.directory / "password"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(postgres.password.get_secret_value()) >= 32
    assert postgres.password.get_secret_value() not in repr(postgres) + str(postgres.dsn)


def test_its_log_repeats_neither_statements_nor_rows(postgres):
    with psycopg.connect(postgres.dsn.get_secret_value()) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (name text UNIQUE)")
        connection.execute("INSERT INTO t VALUES ('cormorant-in-a-row')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES ('cormorant-in-a-row')")

    log = (postgres.directory / "data" / "server.log").read_text()
    assert "unique constraint" in log
    assert "cormorant" not in log


def test_a_database_is_made_once_and_asking_again_does_no_harm(postgres):
    for _ in range(2):
        postgres.create_database("Asked For")

    with psycopg.connect(postgres.dsn_of("Asked For").get_secret_value()) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("Asked For",)


def test_starting_again_takes_the_server_that_runs_and_its_end_is_the_last_ones(made):
    first, second = EmbeddedPostgres(made), EmbeddedPostgres(made)
    first.start()
    began = time.monotonic()
    first.start()
    second.start()

    assert time.monotonic() - began < 1
    assert first.port == second.port
    first.stop()
    assert asked(second, "SELECT 1") == (1,)
    second.stop()
    second.stop()
    assert postmaster(made / "data") is None
    with pytest.raises(EnvironmentUnfitError, match="start"):
        _ = first.port


def test_data_are_there_after_a_restart(made):
    server = EmbeddedPostgres(made)
    server.start()
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS i")
    server.stop()
    server.start()

    assert asked(server, "SELECT i FROM kept") == (7,)
    server.stop()


def test_several_processes_share_one_server_that_ends_with_the_last(made):
    with ThreadPoolExecutor() as pool:
        users = list(pool.map(another_process, [made] * 2))
    mine = EmbeddedPostgres(made)
    mine.start()

    assert {port for _, port in users} == {mine.port}
    mine.stop()
    assert postmaster(made / "data") is not None
    for process, _ in users:
        process.communicate("", timeout=60)
        assert process.returncode == 0
    assert postmaster(made / "data") is None


def test_a_user_that_was_killed_does_not_keep_the_server(made):
    process, port = another_process(made)
    process.kill()
    process.wait()
    assert postmaster(made / "data") is not None
    mine = EmbeddedPostgres(made)
    mine.start()

    assert mine.port == port
    mine.stop()
    assert postmaster(made / "data") is None


def test_it_starts_again_after_the_server_itself_was_killed(made):
    server = EmbeddedPostgres(made)
    server.start()
    with psycopg.connect(server.dsn.get_secret_value()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS committed AS SELECT 8 AS i")
    killed = postmaster(made / "data")
    os.kill(killed.pid, signal.SIGKILL)
    while psutil.pid_exists(killed.pid) and psutil.Process(killed.pid).status() != "zombie":
        time.sleep(0.02)
    assert (made / "data" / "postmaster.pid").exists()
    server.start()

    assert asked(server, "SELECT i FROM committed") == (8,)
    server.stop()


def test_a_process_number_given_to_another_program_meanwhile_is_not_taken_for_the_server(made):
    pid_file = made / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{made / 'data'}\n1\n5432\n\n127.0.0.1\n1\nready\n")
    server = EmbeddedPostgres(made)
    server.start()

    assert asked(server, "SELECT 1") == (1,)
    server.stop()


def test_what_an_interrupted_first_start_left_behind_is_made_anew(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path)
    server.start()

    assert asked(server, "SELECT 1") == (1,)
    server.stop()


def test_damaged_data_are_an_error_that_names_the_log(made, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("18\n")
    (tmp_path / "password").write_text("p" * 32)

    with pytest.raises(EnvironmentUnfitError, match=r"server\.log"):
        EmbeddedPostgres(tmp_path).start()


def test_a_directory_that_can_not_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvironmentUnfitError, match="directory"):
        EmbeddedPostgres(tmp_path / "file" / "below").start()


def test_a_process_keeps_one_server_for_all_who_ask(made):
    first = running_postgres(made)

    assert running_postgres(made) is first
    first.stop()
    assert asked(running_postgres(made), "SELECT 1") == (1,)
    first.stop()


def test_not_being_root_nothing_changes_owner_and_no_way_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(unprivileged_account.os, "geteuid", lambda: 1000)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    unprivileged_account.give_to_account(closed)
    unprivileged_account.open_way_to(closed / "below")

    assert unprivileged_account.account() == {}
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
