"""Connections to and queries of a PostgreSQL source.

Promise: the database's errors become our own error texts. No credential, statement or row of
its messages is in them.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import ClassVar, LiteralString, Self
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import make_conninfo

from blocks.postgres.catalog_queries import relation
from blocks.postgres.relation_details import relation_details
from blocks.postgres.session_settings import APPLICATION, transaction
from blocks.postgres.sqlstate_errors import Meaning, meaning_of_message, meaning_of_state
from blocks.postgres.transport_security import TransportSecurity
from blocks.source_dialects.consistent_read import SourceReading
from blocks.source_dialects.source_sessions import SourceSessions
from contracts.errors import StrandlineError
from contracts.model.source_relation import Relation, RelationDetails

__all__ = ["JDBC_DRIVER", "PostgresqlSource"]

JDBC_DRIVER = "org.postgresql:postgresql:42.7.8"
"""Maven coordinates of the driver that Spark and Iceberg use."""

_BROKEN, _TIMED_OUT, _UNFIT, _WRONG = "08006", "57014", "22000", "42000"

_BEGINNING: LiteralString = """
SELECT
    pg_catalog.statement_timestamp(),
    COUNT(*) FILTER (
        WHERE a.xact_start IS NULL AND COALESCE(a.wait_event_type, '') <> 'Client'
        AND a.state IS NOT NULL AND a.state <> 'disabled'
    ),
    COUNT(*) FILTER (WHERE a.state IS NULL OR a.state = 'disabled')
FROM pg_catalog.pg_stat_activity AS a
WHERE
    a.datname = pg_catalog.current_database()
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.usesysid IS NOT NULL
    AND COALESCE(a.backend_type, 'client backend') = 'client backend'
"""
"""The clock before the sessions are looked at (beside aggregates, that of now would be after it),
then how many of others may be beginning a transaction: the time at which it begins is taken, and
not yet reported. One that waits for its client has taken none. Last, how many there are whose
activity, and kind, this user may not see, or that report none."""

_OPEN_TRANSACTIONS: LiteralString = """
SELECT
    (
        SELECT pg_catalog.min(a.xact_start)
        FROM pg_catalog.pg_stat_activity AS a
        WHERE
            a.datname = pg_catalog.current_database()
            AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.backend_type <> 'autovacuum worker'
            AND (a.backend_xid IS NOT NULL OR a.application_name !~ %s)
    ),
    (
        SELECT pg_catalog.min(p.prepared)
        FROM pg_catalog.pg_prepared_xacts AS p
        WHERE p.database = pg_catalog.current_database()
    ),
    NOT pg_catalog.pg_is_in_recovery() AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_activity AS a
        INNER JOIN pg_catalog.pg_locks AS l ON a.pid = l.pid
        WHERE
            a.datname = pg_catalog.current_database()
            AND a.pid <> pg_catalog.pg_backend_pid()
            AND COALESCE(a.state, 'disabled') = 'disabled'
            AND l.locktype = 'virtualxid'
    )
"""
"""The oldest open and the oldest prepared transaction of others, and whether those are
all. Our own sessions only read. An open transaction of another session may still write, and stamp
its rows with the time of its start. A user without the right to see a session's activity still
sees its locks, and each transaction has one; a replica has none of the locks on its primary."""

_OURS = f"^{APPLICATION}( [0-9a-f]+)?$"

_END_SESSIONS: LiteralString = """
SELECT pg_catalog.pg_terminate_backend(a.pid)
FROM pg_catalog.pg_stat_activity AS a
WHERE
    a.datname = pg_catalog.current_database()
    AND a.usename = CURRENT_USER
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.application_name = %s
    AND a.state <> 'idle'
"""
"""Ends the sessions of one read that still do something, however they were begun."""

_SNAPSHOT: LiteralString = """
SELECT pg_catalog.now(), pg_catalog.pg_export_snapshot()
"""
"""The read's instant, and the snapshot's name, by which other sessions join the read."""

_LOOK_AGAIN_SECONDS = 0.01

_REPORTED_SECONDS, _HIDDEN_SECONDS = 2.0, 0.1
"""By when a transaction has reported that it began: where its session is seen to have begun
something, and where the session is hidden from this user."""

_GRACE_SECONDS = 15
"""How much longer than its timeout a statement may take here, before the connection is cut: a
server that hangs does not end the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlSource(SourceSessions):
    """One database and its login. Times are in seconds."""

    packages: ClassVar[tuple[str, ...]] = (JDBC_DRIVER,)

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    security: TransportSecurity
    connect_timeout: int
    statement_timeout: int
    application: str = APPLICATION

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"database {self.database} on {self.host}:{self.port}"

    def jdbc_options(self, snapshot: str | None = None) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`.

        The url holds no credentials: Spark shows it in plans. It holds what the driver writes in
        upper and lower case, since Spark hands on the properties of a read in slices in lower case,
        which the driver ignores.

        Args:
            snapshot: The read that the sessions join; None gives each session the current state.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        settings = {
            "ApplicationName": self.application,
            "connectTimeout": str(self.connect_timeout),
            "loginTimeout": str(self.connect_timeout),
            "socketTimeout": str(self.statement_timeout + _GRACE_SECONDS),
            "tcpKeepAlive": "true",
        }
        database = quote(self.database, safe="")
        return {
            "url": f"jdbc:postgresql://{host}:{self.port}/{database}?"
            + urlencode(settings, quote_via=quote),
            "driver": "org.postgresql.Driver",
            "user": self.user,
            "password": self.password,
            **self.security.jdbc(),
            # Spark queries the columns' types in sessions that don't run this statement. They read
            # no value, and no type depends on these settings.
            "sessionInitStatement": transaction(
                statement_timeout=self.statement_timeout, snapshot=snapshot, within=True
            ),
        }

    @contextmanager
    def reading(self) -> Iterator[SourceReading]:
        """Begin a read, and hold its snapshot of the database until the end.

        Sessions that join it are ended with it when it fails: nobody waits for their answers.
        """
        named = replace(self, application=f"{APPLICATION} {secrets.token_hex(4)}")
        with named._session() as session:  # noqa: SLF001 - of the same class
            # Queried before the snapshot, not within: a transaction that ends before the snapshot
            # still counts as open.
            queried = session.all_begun_reported()
            opened, prepared, complete = session.row(_OPEN_TRANSACTIONS, _OURS)
            session.begin_anew()
            now, snapshot = session.row(_SNAPSHOT)
            starts = [_moment(start) for start in (opened, prepared) if start is not None]
            oldest = min([*starts, _moment(queried)]) if complete else min(starts, default=None)
            try:
                yield SourceReading(
                    now=_moment(now),
                    oldest_open=oldest,
                    open_unknown=not complete,
                    session=session.joined_as(str(snapshot)),
                )
            except BaseException:
                session.connection.close()  # with its snapshot, so that none joins it meanwhile
                # The failure itself matters more than sessions that can't be ended.
                with suppress(StrandlineError):
                    named._end_sessions()  # noqa: SLF001 - of the same class
                raise

    def refusal(self, error: Exception, *, connecting: bool = False) -> StrandlineError:
        """The driver's error as one of our own.

        Args:
            error: Of psycopg, or what its loaders raise at a value that Python can't represent.
            connecting: While connecting; then psycopg has only a message.
        """
        state = getattr(error, "sqlstate", None)
        if state is not None and isinstance(error, psycopg.Error):
            meaning = meaning_of_state(state, error.diag.source_function)
            limit = f", timeout {self.statement_timeout} s" if state == _TIMED_OUT else ""
            return meaning.error(self.where, f"SQLSTATE {state}{limit}")
        if connecting:
            return meaning_of_message(str(error)).error(self.where)
        return _meaning_without_state(error).error(self.where, type(error).__name__)

    def _end_sessions(self) -> None:
        """End the other sessions of this read, from a session of its own: its first may be gone."""
        quick = replace(
            self, application=APPLICATION, connect_timeout=2, statement_timeout=_GRACE_SECONDS
        )
        with quick._session() as session:  # noqa: SLF001 - of the same class
            session.row(_END_SESSIONS, self.application)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        try:
            connection = psycopg.connect(
                make_conninfo(**self.security.libpq()),
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                connect_timeout=max(2, self.connect_timeout),  # the minimum of libpq
                application_name=self.application,
                options="",  # else libpq takes them from the environment
                autocommit=True,  # our own statement begins transactions
                prepare_threshold=None,  # poolers mix up prepared statements
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=6,
            )
        except psycopg.Error as error:
            # Not `from error`: its text may quote the user.
            raise self.refusal(error, connecting=True) from None
        with closing(connection):
            session = _Session(self, connection)
            session.begin()
            yield session
            with suppress(psycopg.Error):  # the result is already read
                connection.rollback()


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection in a transaction, with the driver's errors translated to our own."""

    source: PostgresqlSource
    connection: psycopg.Connection = field(repr=False)
    snapshot: str | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Begin a reading transaction, in the current state."""
        statements = transaction(statement_timeout=self.source.statement_timeout)
        with self._translated():
            self.connection.execute(statements.encode())

    def begin_anew(self) -> None:
        """Drop the snapshot, and take the current one."""
        with self._translated():
            self.connection.rollback()
        self.begin()

    def all_begun_reported(self) -> datetime:
        """Wait until each transaction that began before an instant says so; returns the instant.

        A session takes the time of its transaction, and stamps rows with it, before it reports
        that it is in one. On a busy server it may lose the processor in between.
        """
        queried, beginning, hidden = self.row(_BEGINNING)
        begun = time.monotonic()
        # In a transaction of its own each time: the server answers from one look for each.
        self.begin_anew()
        while _unreported(beginning, hidden, time.monotonic() - begun):
            time.sleep(_LOOK_AGAIN_SECONDS)
            _, beginning, hidden = self.row(_BEGINNING)
            self.begin_anew()
        return _moment(queried)

    def joined_as(self, snapshot: str) -> Self:
        """The same session, whose snapshot other sessions may join by that name."""
        return type(self)(self.source, self.connection, snapshot)

    def relation(self, schema: str, table: str) -> Relation:
        """From the catalog."""
        with self._translated():
            return relation(self.connection, self.source.where, schema, table)

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the catalog says of a table."""
        with self._translated():
            return relation_details(self.connection, self.source.where, schema, table)

    def rows(
        self, statement: str, *, seconds: int, most: int | None = None
    ) -> list[tuple[object, ...]]:
        """The rows of a statement that may take so long, and no more than so many.

        A failure ends the transaction.
        """
        usual = self.source.statement_timeout
        with self._translated():
            limit = f"SET LOCAL statement_timeout TO {min(seconds, usual) * 1000}"
            self.connection.execute(limit.encode())
            found = [*islice(self.connection.execute(statement.encode()), most)]
            self.connection.execute(f"SET LOCAL statement_timeout TO {usual * 1000}".encode())
        return found

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._translated():
            row = self.connection.execute(statement.encode()).fetchone()
        return tuple(row) if row is not None else ()

    def row(self, statement: LiteralString, *values: str) -> tuple[object, ...]:
        """The one row of a statement of ours."""
        with self._translated():
            row = self.connection.execute(statement, values or None).fetchone()
        return tuple(row or ())

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader."""
        return self.source.jdbc_options(self.snapshot)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        seconds = self.source.statement_timeout + _GRACE_SECONDS
        try:
            with _cut_after(self.connection, seconds):
                yield
        except (psycopg.Error, NotImplementedError, ValueError, OverflowError) as error:
            # Not `from error`: its text may quote the statement or a row.
            raise self.source.refusal(error) from None


@contextmanager
def _cut_after(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the body takes longer; it then fails as if the network had."""
    # A descriptor of our own: the driver may close its, and another file get the number.
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        timer = threading.Timer(seconds, line.shutdown, (socket.SHUT_RDWR,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _unreported(beginning: object, hidden: object, waited: float) -> bool:
    return bool(beginning and waited < _REPORTED_SECONDS) or bool(
        hidden and waited < _HIDDEN_SECONDS
    )


def _meaning_without_state(error: Exception) -> Meaning:
    """The meaning of an error that the driver itself raises once connected."""
    if isinstance(error, psycopg.ProgrammingError):
        return meaning_of_state(_WRONG)
    if isinstance(error, psycopg.Error) and not isinstance(error, psycopg.DataError):
        return meaning_of_state(_BROKEN)
    return meaning_of_state(_UNFIT)


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        message = f"PostgreSQL gave a {type(value).__name__} for a time"
        raise TypeError(message)
    return value.astimezone(UTC)
