"""Connections to and queries of a SQLite file.

Promise: the file is only read, and a file that is not there is not made. SQLite's errors become
our own; no statement or value of its messages is in them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from blocks.source_dialects.consistent_read import SourceReading
from blocks.source_dialects.source_sessions import SourceSessions
from blocks.sqlite.sqlite_catalog import sqlite_relation
from blocks.sqlite.sqlite_details import sqlite_details
from blocks.sqlite.sqlite_errors import meaning_of_code
from contracts.errors import StrandlineError
from contracts.model.source_relation import Relation, RelationDetails

__all__ = ["SQLITE_DRIVER", "SqliteSource"]

SQLITE_DRIVER = "org.xerial:sqlite-jdbc:3.50.3.0"
"""Maven coordinates of the driver that Spark and Iceberg use; it has the library inside."""

_STEPS = 10_000
"""After so many of SQLite's own steps the time is looked at."""
_CLOCK = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
_INTERRUPTED = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSource(SourceSessions):
    """One file. Times are in seconds."""

    packages: ClassVar[tuple[str, ...]] = (SQLITE_DRIVER,)

    file: Path
    lock_timeout: int
    statement_timeout: int

    @property
    def where(self) -> str:
        """Its name in messages."""
        return f"SQLite database {self.file}"

    def jdbc_options(self) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`."""
        return {
            "url": f"jdbc:sqlite:{self._address}&busy_timeout={self.lock_timeout * 1000}",
            "driver": "org.sqlite.JDBC",
            "sessionInitStatement": "PRAGMA query_only = 1",
            # So this driver names the time that a statement may wait for a lock.
            "queryTimeout": str(self.lock_timeout),
        }

    def check(self) -> None:
        """Open the file and read its first page: opening alone looks at nothing."""
        self.query_row("SELECT count(*) FROM sqlite_schema")

    @contextmanager
    def reading(self) -> Iterator[SourceReading]:
        """Begin a read. Each of its statements sees one state of the file, the rows' included.

        Nothing is locked between statements: a program that writes need not wait for the whole
        load. SQLite does not tell whether a transaction is open, or since when.
        """
        with self._session() as session:
            (now,) = session.query_row(_CLOCK)
            yield SourceReading(
                now=datetime.fromisoformat(str(now)).replace(tzinfo=UTC),
                oldest_open=None,
                open_unknown=True,
                session=session,
                as_text=True,
            )

    @property
    def _address(self) -> str:
        """The file as a URI by which it is only read (SQLite, "Uniform Resource Identifiers")."""
        return f"file:{quote(str(self.file.expanduser().absolute()))}?mode=ro"

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        try:
            connection = sqlite3.connect(
                self._address, uri=True, timeout=self.lock_timeout, isolation_level=None
            )
        except sqlite3.Error as error:
            raise _refusal(self, error) from None
        # As Spark's driver has it: a sign in place of bytes that are none of the encoding.
        connection.text_factory = lambda text: text.decode(errors="replace")
        with closing(connection):
            yield _Session(self, connection)


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection, with SQLite's errors translated to our own."""

    source: SqliteSource
    connection: sqlite3.Connection = field(repr=False)

    def relation(self, schema: str, table: str) -> Relation:
        """From the catalog."""
        with self._translated(self.source.statement_timeout):
            return sqlite_relation(self.connection, self.source.where, schema, table)

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._translated(self.source.statement_timeout):
            row = self.connection.execute(statement).fetchone()
        return tuple(row) if row is not None else ()

    def rows(
        self, statement: str, *, seconds: int, most: int | None = None
    ) -> list[tuple[object, ...]]:
        """The rows of a statement that may take so long, and no more than so many."""
        with self._translated(min(seconds, self.source.statement_timeout)):
            found = self.connection.execute(statement)
            return [tuple(row) for row in islice(found, most)]

    def details(self, schema: str, table: str) -> RelationDetails:
        """All that the catalog says of a table."""
        with self._translated(self.source.statement_timeout):
            return sqlite_details(self.connection, self.source.where, schema, table)

    def jdbc_options(self) -> dict[str, str]:
        """For Spark's JDBC reader."""
        return self.source.jdbc_options()

    @contextmanager
    def _translated(self, seconds: int) -> Iterator[None]:
        until = time.monotonic() + seconds
        self.connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            # Not `from error`: its text may quote the statement or a value.
            raise _refusal(self.source, error) from None
        finally:
            self.connection.set_progress_handler(None, 0)


def _refusal(source: SqliteSource, error: Exception) -> StrandlineError:
    code = getattr(error, "sqlite_errorcode", 1)
    limit = f", timeout {source.statement_timeout} s" if code == _INTERRUPTED else ""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return meaning_of_code(code, str(error)).error(source.where, f"{name}{limit}")
