"""Connections to and queries of any database with a JDBC driver.

Promise: the driver's exceptions become our own errors. No credential, statement or row of their
texts is in them.

There is no Python library for every database, so small queries go through the driver, too, in the
JVM of this process's Spark. Behind Spark Connect there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError

from blocks.jdbc.jdbc_catalog import jdbc_relation
from blocks.jdbc.jdbc_details import jdbc_details
from blocks.jdbc.jdbc_errors import meaning_of_exception
from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.source_dialects.consistent_read import SourceReading
from blocks.source_dialects.error_meanings import unavailable
from blocks.source_dialects.source_sessions import SourceSessions
from blocks.spark.jvm_launch import running_session
from contracts.errors import EnvironmentUnfitError, SettingsError, StrandlineError
from contracts.model.source_relation import Relation, RelationDetails

__all__ = ["JdbcSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JdbcSource(SourceSessions):
    """One database and its login. Times are in seconds."""

    settings: JdbcSettings
    user: str
    password: str = field(repr=False)
    connect_timeout: int
    statement_timeout: int

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"database {self.settings.location}"

    def jdbc_options(self) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`."""
        options = {
            "url": self.settings.url,
            "driver": self.settings.driver,
            "queryTimeout": str(self.statement_timeout),
        }
        if self.user:
            options |= {"user": self.user, "password": self.password}
        if self.settings.session_statement is not None:
            options["sessionInitStatement"] = self.settings.session_statement
        return options

    @contextmanager
    def reading(self) -> Iterator[SourceReading]:
        """Begin a read. Each of its statements sees one state of the database.

        What else is open there, no standard tells.
        """
        with self._session() as session:
            yield SourceReading(
                now=session.now(),
                oldest_open=None,
                open_unknown=True,
                session=session,
                as_text=True,
            )

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        jvm = _jvm(self.where)
        with _translated(self.where):
            registry = jvm.org.apache.spark.sql.execution.datasources.jdbc.DriverRegistry
            registry.register(self.settings.driver)
            properties = jvm.java.util.Properties()
            if self.user:
                properties.setProperty("user", self.user)
                properties.setProperty("password", self.password)
            jvm.java.sql.DriverManager.setLoginTimeout(self.connect_timeout)
            connection = jvm.java.sql.DriverManager.getConnection(self.settings.url, properties)
        with closing(connection):
            with _translated(self.where):
                connection.setReadOnly(True)
            session = _Session(self, jvm, connection)
            session.begin()
            yield session


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection of the JVM's, with the driver's exceptions translated to our own errors."""

    source: JdbcSource
    jvm: Any = field(repr=False)
    connection: Any = field(repr=False)

    def begin(self) -> None:
        """Run the statement that each session begins with."""
        first = self.source.settings.session_statement
        if first is not None:
            with self._statement() as statement:
                statement.execute(first)

    def now(self) -> datetime:
        """The database's clock, in UTC."""
        with self._statement() as statement:
            found = statement.executeQuery(self.source.settings.clock)
            found.next()
            moment = found.getTimestamp(1)
            whole, nanoseconds = int(moment.getTime()) // 1000, int(moment.getNanos())
        return datetime.fromtimestamp(whole, UTC) + timedelta(microseconds=nanoseconds // 1000)

    def relation(self, schema: str, table: str) -> Relation:
        """From the driver's metadata."""
        with _translated(self.source.where):
            return jdbc_relation(self.jvm, self.connection, self.source.where, schema, table)

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns, as text; empty when it returns none."""
        found = self._rows(statement, self.source.statement_timeout, most=1)
        return found[0] if found else ()

    def rows(
        self, statement: str, *, seconds: int, most: int | None = None
    ) -> list[tuple[object, ...]]:
        """The rows of a statement that may take so long, as text, and no more than so many."""
        limit = min(seconds, self.source.statement_timeout)
        return self._rows(statement, limit, most=most or 0)

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the driver says of a table."""
        with _translated(self.source.where):
            return jdbc_details(self.jvm, self.connection, self.source.where, schema, table)

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader."""
        return self.source.jdbc_options()

    def _rows(self, sql: str, seconds: int, *, most: int) -> list[tuple[object, ...]]:
        with self._statement(seconds) as statement:
            statement.setMaxRows(most)
            found = statement.executeQuery(sql)
            count = int(found.getMetaData().getColumnCount())
            rows: list[tuple[object, ...]] = []
            while found.next():
                rows.append(tuple(found.getString(at + 1) for at in range(count)))
        return rows

    @contextmanager
    def _statement(self, seconds: int | None = None) -> Iterator[Any]:
        with _translated(self.source.where), closing(self.connection.createStatement()) as made:
            made.setQueryTimeout(seconds or self.source.statement_timeout)
            yield made


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except Py4JJavaError as error:
        # Not `from error`: its text may quote the statement, a row or the user.
        raise _refusal(where, error) from None
    except (Py4JError, ConnectionError):
        raise unavailable("the end of Spark's process").error(where) from None


def _refusal(where: str, error: Py4JJavaError) -> StrandlineError:
    exception = error.java_exception
    try:
        meaning, detail = meaning_of_exception(exception)
    except Py4JError:  # no SQLException: the driver is not there, or fails by itself
        return SettingsError(
            where=where,
            expected="a JDBC driver that answers",
            found=str(exception.getClass().getName()),
            next_step="Correct `driver`, `packages` and `url` of the block's jdbc settings.",
        )
    return meaning.error(where, detail)


def _jvm(where: str) -> Any:
    session = running_session()
    if session is None:
        raise EnvironmentUnfitError(
            where=where,
            expected="Spark in this process, whose JVM has the driver",
            found="none, or one behind Spark Connect",
            next_step="Use a Spark block of kind local or master.",
        )
    return session._jvm  # noqa: SLF001 - there is no public way to a driver's metadata
