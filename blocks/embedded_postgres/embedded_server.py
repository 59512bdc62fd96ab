"""A PostgreSQL server of one's own, from a wheel, in a directory.

Promise: whatever happened before, `start` ends with one running server on that directory. It
listens on the loopback interface only, requires a password, and ends with its last user.
"""

from __future__ import annotations

import atexit
import os
import secrets
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from blocks.embedded_postgres.postgres_process import (
    HOST,
    Postmaster,
    initialize,
    launch,
    postmaster,
    shut_down,
)
from blocks.embedded_postgres.server_users import Users
from blocks.operating_system.owner_only_file import locked, write_private
from contracts.errors import EnvironmentUnfitError

__all__ = ["EmbeddedPostgres", "running_postgres"]


class EmbeddedPostgres:
    """A PostgreSQL server in `directory`, shared by every process that starts it there.

    A process that ends without stopping it (SIGKILL) leaves the server running; the next one to
    start or stop notices that no process uses it.

    Args:
        directory: Of the data, the password and the log; made when it is missing. As root,
            the server runs as the system user `pgserver`, which is made when it is missing, and
            the folders above the directory become traversable for it (not readable).
    """

    user = "strandline"
    database = "postgres"
    host = HOST

    _started_here: ClassVar[dict[Path, set[EmbeddedPostgres]]] = {}

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser().resolve()
        self._port: int | None = None
        self._data = self.directory / "data"
        self._password_file = self.directory / "password"
        self._users = Users(self.directory / "users.json")

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.directory)!r})"

    def start(self) -> None:
        """Make sure that the server runs, and count this process among its users.

        Raises:
            EnvironmentUnfitError: The directory can't be used or the server does not start.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.directory / "lock"):
                self._port = self._ensure_running().port
                self._users.add()
                if not self._started_here.get(self.directory):
                    atexit.register(_remove_user, self.directory, os.getpid())
                self._started_here.setdefault(self.directory, set()).add(self)
        except OSError as error:
            raise EnvironmentUnfitError(
                where=f"embedded PostgreSQL in {self.directory}",
                expected="a directory that can be made and written",
                found=error.strerror or type(error).__name__,
                next_step="Choose another directory, or make room and give permission there.",
            ) from error

    def stop(self) -> None:
        """Stop using the server; it ends when no process uses it any more. Twice does no harm."""
        starters = self._started_here.get(self.directory, set())
        starters.discard(self)
        self._port = None
        if not starters:
            _remove_user(self.directory, os.getpid())

    @property
    def port(self) -> int:
        """The TCP port; it may differ from one run of the server to the next."""
        if self._port is None:
            raise EnvironmentUnfitError(
                where=f"embedded PostgreSQL in {self.directory}",
                expected="a started server",
                found="a stopped one",
                next_step="Call start() first.",
            )
        return self._port

    @property
    def password(self) -> SecretStr:
        """The password of `user`, made with the directory."""
        return SecretStr(self._password_file.read_text(encoding="utf-8"))

    @property
    def dsn(self) -> SecretStr:
        """A connection string of libpq for `database`, password included."""
        return self.dsn_of(self.database)

    def dsn_of(self, database: str) -> SecretStr:
        """A connection string of libpq for the named database, password included."""
        return SecretStr(
            make_conninfo(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password.get_secret_value(),
                dbname=database,
            )
        )

    def create_database(self, name: str) -> None:
        """Make a database; one of this name that exists stays as it is."""
        with psycopg.connect(self.dsn.get_secret_value(), autocommit=True) as connection:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # a race between two creators ends in the second

    def _ensure_running(self) -> Postmaster:
        """Under the lock: the running server, else a new one on the same data."""
        if not (self._data / "PG_VERSION").exists() or not self._password_file.exists():
            password = SecretStr(secrets.token_urlsafe(24))
            initialize(self._data, self.user, password)
            write_private(self._password_file, password.get_secret_value())
        return postmaster(self._data) or launch(self._data)


def running_postgres(directory: Path) -> EmbeddedPostgres:
    """The server of that directory, started and kept until this process ends.

    Raises:
        EnvironmentUnfitError: See `EmbeddedPostgres.start`.
    """
    server = _servers.setdefault(directory.expanduser().resolve(), EmbeddedPostgres(directory))
    server.start()
    return server


_servers: dict[Path, EmbeddedPostgres] = {}


def _remove_user(directory: Path, pid: int) -> None:
    """Remove this process from the users; the last one shuts the server down."""
    if pid != os.getpid() or not directory.exists():  # a fork inherits the hook, but is no user
        return
    users = Users(directory / "users.json")
    with locked(directory / "lock"):
        users.remove()
        if not users.any_alive():
            shut_down(directory / "data")
