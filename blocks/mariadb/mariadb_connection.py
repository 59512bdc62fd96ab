"""Connections to and queries of a MariaDB or MySQL source.

Promise: the database's errors become our own. No credential, statement or row of its messages is
in them.

Small queries go through PyMySQL, rows through MariaDB Connector/J, which speaks to both servers.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

import pymysql

from blocks.mariadb.mariadb_catalog import mariadb_relation
from blocks.mariadb.mariadb_details import mariadb_details
from blocks.mariadb.mariadb_errors import NO_KEY_STORE, TIMED_OUT, meaning_of_number
from blocks.mariadb.mariadb_security import KeyStoreError, MariadbSecurity
from blocks.mariadb.mariadb_session import READ_ONLY, session_variables, statement_limit
from blocks.source_dialects.consistent_read import SourceReading
from blocks.source_dialects.source_sessions import SourceSessions
from contracts.errors import SourceAccessError, StrandlineError
from contracts.model.source_relation import Relation, RelationDetails

__all__ = ["MARIADB_DRIVER", "MariadbSource"]

MARIADB_DRIVER = "org.mariadb.jdbc:mariadb-java-client:3.5.6"
"""Maven coordinates of the driver that Spark uses."""

_APPLICATION = "strandline"
_GRACE_SECONDS = 15
"""How much longer than its timeout a statement may take here, before the connection is cut."""
_NO_CONNECTION, _TLS, _BAD_VALUE = 2003, 2026, 1366
_WHILE_CONNECTING = frozenset({2003, 2013, 2026})
_BROKE = frozenset({2006, 2013})

_OPEN_TRANSACTIONS = """
SELECT
    (
        SELECT COUNT(*) FROM information_schema.innodb_trx AS own
        WHERE own.trx_mysql_thread_id = CONNECTION_ID()
    ),
    (
        SELECT MIN(UNIX_TIMESTAMP(t.trx_started))
        FROM information_schema.innodb_trx AS t
        WHERE t.trx_mysql_thread_id <> CONNECTION_ID() AND t.trx_is_read_only = 0
    ),
    (
        SELECT MIN(UNIX_TIMESTAMP() - p.time - 1)
        FROM information_schema.processlist AS p
        WHERE p.id <> CONNECTION_ID() AND p.command IN ('Query', 'Execute')
    ),
    @@global.read_only = 0 AND NOT EXISTS (
        SELECT 1 FROM information_schema.processlist AS r
        WHERE r.user = 'system user' AND r.command <> 'Daemon'
    )
"""
"""Whether our own transaction is listed, when the oldest one of others began that may still write,
and the oldest statement: one that waits for a lock has the time of its start in NOW() and no
transaction yet. And whether these are all: a replica has none of the transactions on its primary.
It needs the right PROCESS.

InnoDB hands on a list that it keeps for as long as it is read more often than every 0.1 s (MySQL,
"Persistence and Consistency of InnoDB Transaction and Locking Information"). So our transaction
begins first: a list that has it has all that began before. Its times are in the zone of the
server's system, and so has the session's to be, while it asks."""

_RUNNING = """
SELECT p.id
FROM information_schema.processlist AS p
WHERE
    p.user = SUBSTRING_INDEX(USER(), '@', 1) AND INSTR(p.info, '{mark}') > 0
    AND p.id <> CONNECTION_ID()
"""
"""The sessions with a statement that is marked so. Everybody sees and may end the sessions of the
own user, without a right to."""
_NO_SESSION = 1094

_LISTS = 20
_LIST_AGE = 0.11
"""How often, and after how many seconds each, a list without our transaction is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSource(SourceSessions):
    """One server, database and login. Times are in seconds."""

    packages: ClassVar[tuple[str, ...]] = (MARIADB_DRIVER,)

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    security: MariadbSecurity
    connect_timeout: int
    statement_timeout: int

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"database {self.database} on {self.host}:{self.port}"

    def jdbc_options(self) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`.

        It connects once, to learn which of the two servers it is.
        """
        with self._session() as session:
            return session.jdbc_options()

    @contextmanager
    def reading(self) -> Iterator[SourceReading]:
        """Begin a read. Each of its statements sees one state of the database.

        No sessions of these servers can share a state, so rows are read by one statement in one
        session, and their bounds and the values that checks look up by others before.

        When it fails, its sessions are ended, whatever they do: nobody waits for their answers.
        """
        with self._session() as session:
            oldest, complete = session.oldest_open()
            (now,) = session.query_row("SELECT UTC_TIMESTAMP(6)")
            marked = replace(session, mark=f"/* {_APPLICATION} {secrets.token_hex(4)} */ ")
            try:
                yield SourceReading(
                    now=_moment(now),
                    oldest_open=oldest,
                    open_unknown=not complete,
                    session=marked,
                    as_text=True,
                )
            except BaseException:
                # The failure itself matters more than sessions that can't be ended.
                with suppress(StrandlineError):
                    self._end_sessions(marked)
                raise

    def refusal(self, error: Exception) -> StrandlineError:
        """The driver's error as one of our own."""
        number = _number(error)
        limit = f", timeout {self.statement_timeout} s" if number in TIMED_OUT else ""
        return meaning_of_number(number).error(self.where, f"error {number}{limit}")

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with closing(self._connected()) as connection:
            session = _Session(self, connection)
            session.begin()
            yield session

    def _end_sessions(self, reading: _Session) -> None:
        """End what a read still does, from a session of its own: its first may be waiting."""
        quick = replace(self, connect_timeout=2, statement_timeout=_GRACE_SECONDS)
        running = _RUNNING.format(mark=reading.mark)
        with quick._session() as session:  # noqa: SLF001 - of the same class
            for (number,) in session.rows(running, seconds=_GRACE_SECONDS):
                session.end(int(str(number)))

    def _connected(self) -> Any:
        try:
            context = self.security.context()
        except OSError as error:
            raise meaning_of_number(_TLS).error(self.where, type(error).__name__) from None
        except KeyStoreError as error:
            raise NO_KEY_STORE.error(self.where, str(error)) from None
        try:
            return self._connect(context)
        except (pymysql.Error, OSError) as error:
            # Not `from error`: its text may quote the user.
            raise self.refusal(self._unread_refusal(error) or error) from None

    def _unread_refusal(self, error: Exception) -> Exception | None:
        """What the server had against the client's certificate, where it hung up too soon to tell.

        With TLS 1.3 it looks at the certificate after the handshake, and the client that finds the
        connection broken as it logs in does not read why. With TLS 1.2 it tells within the
        handshake (RFC 8446, 4.4.2.4; RFC 5246, 7.4.6).
        """
        if self.security.key_store is None or _number(error) not in _BROKE:
            return None
        try:
            self._connect(self.security.context(most=ssl.TLSVersion.TLSv1_2)).close()
        except (pymysql.Error, OSError) as told:
            has_no_tls_1_2 = "PROTOCOL" in str(told).upper()
            return told if _number(told) == _TLS and not has_no_tls_1_2 else None
        return None

    def _connect(self, context: ssl.SSLContext | None) -> Any:
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=self.connect_timeout,
            read_timeout=self.statement_timeout + _GRACE_SECONDS,
            write_timeout=self.statement_timeout + _GRACE_SECONDS,
            program_name=_APPLICATION,
            read_default_file=None,
            # Else it would take an unencrypted connection where it gets no other.
            **({"ssl_disabled": True} if context is None else {"ssl": context}),
        )


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection, with the driver's errors translated to our own."""

    source: MariadbSource
    connection: Any = field(repr=False)
    mark: str = ""
    """A comment in the statements of a read, by which they are found. Not by the number of a
    session, which a server that was started again gives to another."""

    def end(self, number: int) -> None:
        """End a session, if it is there."""
        with self._cursor() as cursor:
            try:
                cursor.execute(f"KILL CONNECTION {number}")
            except pymysql.Error as error:
                if _number(error) != _NO_SESSION:
                    raise

    @property
    def is_mariadb(self) -> bool:
        """Else it is a MySQL."""
        return "mariadb" in str(self.connection.get_server_info()).lower()

    @property
    def variables(self) -> dict[str, str]:
        """Those of each session, Spark's too."""
        return session_variables(
            is_mariadb=self.is_mariadb, statement_timeout=self.source.statement_timeout
        )

    def begin(self) -> None:
        """Set the session as Spark's are."""
        self._set(self.variables)
        self.query_row(READ_ONLY)

    def relation(self, schema: str, table: str) -> Relation:
        """From the catalog."""
        with self._cursor() as cursor:
            return mariadb_relation(cursor, self.source.where, schema, table)

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._cursor() as cursor:
            cursor.execute(self.mark + statement)
            row = cursor.fetchone()
        return tuple(row) if row is not None else ()

    def rows(
        self, statement: str, *, seconds: int, most: int | None = None
    ) -> list[tuple[object, ...]]:
        """The rows of a statement that may take so long, and no more than so many."""
        self._limit_statements(min(seconds, self.source.statement_timeout))
        with self._cursor() as cursor:
            cursor.execute(self.mark + statement)
            found = [tuple(row) for row in islice(cursor, most)]
        self._limit_statements(self.source.statement_timeout)
        return found

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the catalog says of a table."""
        with self._cursor() as cursor:
            return mariadb_details(
                cursor, self.source.where, schema, table, is_mariadb=self.is_mariadb
            )

    def oldest_open(self) -> tuple[datetime | None, bool]:
        """The begin of the oldest transaction of others, and whether all of them may be seen."""
        self.query_row("SET time_zone = 'SYSTEM'")
        (asked,) = self.query_row("SELECT UTC_TIMESTAMP(6)")
        self.query_row("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            begun, complete = self._begun()
        except SourceAccessError:
            begun, complete = [], False
        self.query_row("COMMIT")
        self.query_row(f"SET time_zone = {self.variables['time_zone']}")
        if complete:
            return min([_moment(asked), *begun]), True
        return min(begun, default=None), False

    def _begun(self) -> tuple[list[datetime], bool]:
        """When what is open began, and whether that is all that is open."""
        for _ in range(_LISTS):
            ours, transaction, statement, is_primary = self.query_row(_OPEN_TRANSACTIONS)
            if ours:
                found = [float(str(each)) for each in (transaction, statement) if each is not None]
                return [datetime.fromtimestamp(each, UTC) for each in found], bool(is_primary)
            time.sleep(_LIST_AGE)
        return [], False

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader.

        The url holds no credentials: Spark shows it in plans. It holds what the driver writes in
        upper and lower case, since Spark hands on the properties of a read in slices in lower case.
        """
        source = self.source
        host = f"[{source.host}]" if ":" in source.host else source.host
        seconds = timedelta(seconds=1) // timedelta(milliseconds=1)
        settings = {
            **source.security.jdbc(),
            "connectTimeout": str(source.connect_timeout * seconds),
            "socketTimeout": str((source.statement_timeout + _GRACE_SECONDS) * seconds),
            "sessionVariables": ",".join(f"{name}={text}" for name, text in self.variables.items()),
            "connectionAttributes": f"program_name:{_APPLICATION}",
        }
        options = "&".join(f"{name}={text}" for name, text in settings.items())
        return {
            "url": f"jdbc:mariadb://{host}:{source.port}/?{options}",
            "driver": "org.mariadb.jdbc.Driver",
            "user": source.user,
            "password": source.password,
            **source.security.jdbc_secrets(),
            "sessionInitStatement": READ_ONLY,
            **({"prepareQuery": self.mark} if self.mark else {}),
            # Of each statement; the driver sets it in place of the session's own.
            "queryTimeout": str(source.statement_timeout),
        }

    def _limit_statements(self, seconds: int) -> None:
        self._set(statement_limit(is_mariadb=self.is_mariadb, seconds=seconds))

    def _set(self, variables: dict[str, str]) -> None:
        self.query_row("SET " + ", ".join(f"{name} = {text}" for name, text in variables.items()))

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except (pymysql.Error, OSError, ValueError, OverflowError) as error:
            # Not `from error`: its text may quote the statement or a row.
            raise self.source.refusal(error) from None


def _number(error: Exception) -> int:
    """The number of the server's or of the client's own error."""
    if isinstance(error, ssl.SSLError):
        return _TLS
    if isinstance(error, ValueError | OverflowError):
        return _BAD_VALUE
    number = error.args[0] if isinstance(error, pymysql.Error) and error.args else None
    if not isinstance(number, int):
        return _NO_CONNECTION
    # PyMySQL has one number for all that keeps a connection from coming about.
    failed_tls = number in _WHILE_CONNECTING and "SSL" in str(error.args[-1]).upper()
    return _TLS if failed_tls else number


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        message = f"the database gave a {type(value).__name__} for a time"
        raise TypeError(message)
    return value.replace(tzinfo=UTC)
