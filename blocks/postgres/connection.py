"""How a PostgreSQL is reached and asked.

Promise: what the database says is put into our own words. No credential, statement or row of
its messages is passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, LiteralString, Self
from urllib.parse import quote

import psycopg

from blocks.postgres.catalog_queries import relation
from blocks.postgres.consistent_read import SourceReading
from blocks.postgres.session_settings import APPLICATION, transaction
from blocks.postgres.sqlstate_errors import Meaning, meaning_of_message, meaning_of_state
from contracts.errors import StrandlineError
from contracts.model.source_relation import Relation

__all__ = ["JDBC_DRIVER", "SYSTEM_AUTHORITIES", "PostgresqlSource"]

JDBC_DRIVER = "org.postgresql:postgresql:42.7.8"
"""Maven coordinates of the driver that Spark and Iceberg use."""

SYSTEM_AUTHORITIES = "system"
"""Stands for the certificate authorities that the machine trusts."""

_BROKEN, _TIMED_OUT, _UNFIT, _WRONG = "08006", "57014", "22000", "42000"

_OPEN: LiteralString = """
SELECT
    pg_catalog.clock_timestamp(),
    (
        SELECT pg_catalog.min(a.xact_start)
        FROM pg_catalog.pg_stat_activity AS a
        WHERE
            a.datname = pg_catalog.current_database()
            AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.backend_type <> 'autovacuum worker'
            AND (a.backend_xid IS NOT NULL OR a.application_name <> %s)
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
"""The clock, the oldest open and the oldest prepared transaction of others, and whether that is
all. Our own sessions only read. What others have open may write yet, and stamp what they write
with the time of their start. Who may not see what a session does still sees its locks, and each
transaction has one; a replica has none of those on its primary."""

_BEGUN: LiteralString = """
SELECT pg_catalog.now(), pg_catalog.pg_export_snapshot()
"""
"""The read's instant, and the name by which others join it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlSource:
    """One database, and who asks it. Times are in seconds."""

    packages: ClassVar[tuple[str, ...]] = (JDBC_DRIVER,)

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ssl_mode: str
    ssl_root_certificate: str | None
    connect_timeout: int
    statement_timeout: int

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"database {self.database} on {self.host}:{self.port}"

    def jdbc_options(self, snapshot: str | None = None) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`.

        The url holds no credentials: Spark shows it in plans.

        Args:
            snapshot: The read that the sessions join; None lets each see what is there.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {
            "url": f"jdbc:postgresql://{host}:{self.port}/{quote(self.database, safe='')}",
            "driver": "org.postgresql.Driver",
            "user": self.user,
            "password": self.password,
            "sslmode": self.ssl_mode,
            **self._authorities_of_java(),
            "connectTimeout": str(self.connect_timeout),
            "loginTimeout": str(self.connect_timeout),
            "tcpKeepAlive": "true",
            "ApplicationName": APPLICATION,
            # Spark asks for the columns' types in sessions that never hear of this. No value
            # comes from them, and no type depends on what is set here.
            "sessionInitStatement": transaction(
                statement_timeout=self.statement_timeout, snapshot=snapshot, within=True
            ),
        }

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The columns of a table in their order, each with its type as the database writes it.

        Raises:
            SchemaDriftError: There is no such table.
            SourceAccessError: There is, but its columns are not ours to see.
        """
        with self._session() as session:
            found = session.relation(schema, table)
        return {column.name: column.type for column in found.columns}

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._session() as session:
            return session.query_row(statement)

    def check(self) -> None:
        """Connect, and ask for nothing."""
        with self._session():
            pass

    @contextmanager
    def reading(self) -> Iterator[SourceReading]:
        """Begin a read, and hold its state of the database until the end."""
        with self._session() as session:
            # Asked before, not within: who begins after this answer stamps nothing earlier, and
            # who ends between it and the state of the read is counted as open still.
            asked, opened, prepared, told = session.row(_OPEN, APPLICATION)
            session.begin_anew()
            now, snapshot = session.row(_BEGUN)
            starts = [_moment(start) for start in (opened, prepared) if start is not None]
            oldest = min([*starts, _moment(asked)]) if told else min(starts, default=None)
            yield SourceReading(
                now=_moment(now),
                oldest_open=oldest,
                open_unknown=not told,
                session=session.joined_as(str(snapshot)),
            )

    def refusal(self, error: Exception, *, connecting: bool = False) -> StrandlineError:
        """What the driver raised, in our words.

        Args:
            error: Of psycopg, or what its loaders raise at a value that Python can't hold.
            connecting: While connecting; of that, psycopg has only a message.
        """
        state = getattr(error, "sqlstate", None)
        if state is not None and isinstance(error, psycopg.Error):
            meaning = meaning_of_state(state, error.diag.source_function)
            limit = f", timeout {self.statement_timeout} s" if state == _TIMED_OUT else ""
            return meaning.error(self.where, f"SQLSTATE {state}{limit}")
        if connecting:
            return meaning_of_message(str(error)).error(self.where)
        return _meaning_without_state(error).error(self.where, type(error).__name__)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        try:
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                sslmode=self.ssl_mode,
                sslrootcert=self._authorities(),
                connect_timeout=max(2, self.connect_timeout),  # libpq knows nothing shorter
                application_name=APPLICATION,
                options="",  # else libpq takes them from the environment
                autocommit=True,  # transactions begin by our own statement
                prepare_threshold=None,  # poolers don't know whose prepared statement is whose
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=6,
            )
        except psycopg.Error as error:
            # Not `from error`: its text may quote who we are.
            raise self.refusal(error, connecting=True) from None
        with closing(connection):
            session = _Session(self, connection)
            session.begin()
            yield session
            with suppress(psycopg.Error):  # what was asked for is here already
                connection.rollback()

    def _authorities(self) -> str | None:
        """The file with the certificate authorities, or `system`."""
        if self.ssl_root_certificate in {None, SYSTEM_AUTHORITIES}:
            return self.ssl_root_certificate
        return str(Path(str(self.ssl_root_certificate)).expanduser())

    def _authorities_of_java(self) -> dict[str, str]:
        authorities = self._authorities()
        if authorities is None:
            return {}
        if authorities == SYSTEM_AUTHORITIES:
            return {"sslfactory": "org.postgresql.ssl.DefaultJavaSSLFactory"}
        return {"sslrootcert": authorities}


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection in a transaction, in which the errors are our own."""

    source: PostgresqlSource
    connection: psycopg.Connection = field(repr=False)
    snapshot: str | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Begin to read, in the state of now."""
        statements = transaction(statement_timeout=self.source.statement_timeout)
        with self._translated():
            self.connection.execute(statements.encode())

    def begin_anew(self) -> None:
        """Leave the state, and take that of now."""
        with self._translated():
            self.connection.rollback()
        self.begin()

    def joined_as(self, snapshot: str) -> Self:
        """The same session, whose state others may join by that name."""
        return type(self)(self.source, self.connection, snapshot)

    def relation(self, schema: str, table: str) -> Relation:
        """From the catalog."""
        with self._translated():
            return relation(self.connection, self.source.where, schema, table)

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
        try:
            yield
        except (psycopg.Error, NotImplementedError, ValueError, OverflowError) as error:
            # Not `from error`: its text may quote the statement or a row.
            raise self.source.refusal(error) from None


def _meaning_without_state(error: Exception) -> Meaning:
    """What the driver raises by itself once there is a connection."""
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
