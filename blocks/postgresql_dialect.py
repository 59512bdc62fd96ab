"""How a PostgreSQL is reached, asked and what its refusals mean.

Promise: what the database says is put into our own words. No credential, statement or row of
its messages is passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import ClassVar, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import errors

from contracts.errors import (
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    StrandlineError,
)

__all__ = ["JDBC_DRIVER", "PostgresqlSource"]

JDBC_DRIVER = "org.postgresql:postgresql:42.7.8"
"""Maven coordinates of the driver that Spark and Iceberg use."""

_APPLICATION = "strandline"

_COLUMNS: LiteralString = """
SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, udt_name
FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s
ORDER BY ordinal_position
"""

_TABLES: LiteralString = """
SELECT n.nspname || '.' || c.relname
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""

_WITH_LENGTH = frozenset({"character varying", "character"})
_BY_ITS_OWN_NAME = frozenset({"ARRAY", "USER-DEFINED"})

_OUT_OF_REACH = (
    "Connection refused",
    "timeout expired",
    "could not translate host name",
    "could not connect",
    "closed the connection",
    "closed unexpectedly",
    "connection is lost",
    "SSL SYSCALL",
    "Connection reset",
    "Network is unreachable",
    "No route to host",
    "failed to resolve host",
    "starting up",
    "shutting down",
    "in recovery",
    "not accepting connections",
    "too many clients",
    "too many connections",
    "remaining connection slots",
)
"""Of libpq (whose messages are English) and of a server that is not ready; all other refusals
are about who asks."""


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
    connect_timeout: int
    statement_timeout: int

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"database {self.database} on {self.host}:{self.port}"

    def jdbc_options(self) -> dict[str, str]:
        """For `spark.read.format("jdbc").options(...)`.

        The url holds no credentials: Spark shows it in plans.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {
            "url": f"jdbc:postgresql://{host}:{self.port}/{quote(self.database, safe='')}",
            "driver": "org.postgresql.Driver",
            "user": self.user,
            "password": self.password,
            "sslmode": self.ssl_mode,
            "connectTimeout": str(self.connect_timeout),
            "loginTimeout": str(self.connect_timeout),
            "tcpKeepAlive": "true",
            "ApplicationName": _APPLICATION,
            "options": self._session_settings(),
        }

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """The columns of a table in their order, each with its type as the database writes it.

        Raises:
            SchemaDriftError: There is no such table.
            SourceAccessError: There is, but its columns are not ours to see.
        """
        with self._connected() as connection:
            rows = connection.execute(_COLUMNS, (schema, table)).fetchall()
            if rows:
                return {row[0]: _type_text(*row[1:]) for row in rows}
            tables = [row[0] for row in connection.execute(_TABLES).fetchall()]
        wanted = f"{schema}.{table}"
        if wanted in tables:
            raise self._no_permission(wanted)
        near = get_close_matches(wanted, tables, n=3, cutoff=0.5)
        raise SchemaDriftError(
            where=self.where,
            expected=f"a table or view {wanted}",
            found=f"none of this name; near it: {', '.join(near) or 'nothing'}",
            next_step="Correct the table's name in the contract, or create the table.",
        )

    def query_row(self, statement: str) -> tuple[object, ...]:
        """The first row of what a statement returns; empty when it returns none."""
        with self._connected() as connection:
            row = connection.execute(statement.encode()).fetchone()
        return tuple(row) if row is not None else ()

    def check(self) -> None:
        """Connect, and ask for nothing."""
        with self._connected() as connection:
            connection.execute("SELECT 1")

    def _session_settings(self) -> str:
        milliseconds = self.statement_timeout * 1000
        return f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on"

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                sslmode=self.ssl_mode,
                connect_timeout=max(2, self.connect_timeout),  # libpq knows nothing shorter
                application_name=_APPLICATION,
                options=self._session_settings(),
            ) as connection:
                yield connection
        except psycopg.Error as error:
            # Not `from error`: its text may quote the statement, a row or who we are.
            raise self._in_our_words(error) from None

    def _in_our_words(self, error: psycopg.Error) -> StrandlineError:
        if isinstance(error, errors.QueryCanceled):
            return self._unavailable(f"no answer within {self.statement_timeout} s")
        if isinstance(error, errors.InsufficientPrivilege):
            return self._no_permission("what the contract names")
        if isinstance(error, (errors.UndefinedTable, errors.UndefinedColumn)):
            return SchemaDriftError(
                where=self.where,
                expected="the tables and columns that the contract names",
                found=f"one of them is missing (SQLSTATE {error.sqlstate})",
                next_step="Compare the contract with the source's tables.",
            )
        if error.sqlstate is None:
            return self._refused(str(error))
        if isinstance(error, psycopg.OperationalError):
            return self._unavailable(f"SQLSTATE {error.sqlstate}")
        return SettingsError(
            where=self.where,
            expected="a statement that the database can run",
            found=f"{type(error).__name__} (SQLSTATE {error.sqlstate})",
            next_step="Correct the expression or filter in the contract.",
        )

    def _refused(self, message: str) -> StrandlineError:
        """A failed connection, of which psycopg has only the message."""
        for sign in _OUT_OF_REACH:
            if sign in message:
                return self._unavailable(sign)
        return SourceAccessError(
            where=self.where,
            expected="access with the user, the password and the ssl_mode of the block",
            found=_refusal(message),
            next_step="Correct the source's block, or ask its administrator for access.",
        )

    def _unavailable(self, found: str) -> SourceUnavailableError:
        return SourceUnavailableError(
            where=self.where,
            expected="an answer in time",
            found=found,
            next_step="See that the database runs and can be reached from here, then run again.",
        )

    def _no_permission(self, what: str) -> SourceAccessError:
        return SourceAccessError(
            where=self.where,
            expected=f"permission to read {what}",
            found="none",
            next_step="Grant the block's user SELECT on the contract's tables.",
        )


def _refusal(message: str) -> str:
    known = {
        "password authentication": "the password or the user refused",
        "role": "no such user, or one that may not log in",
        "does not exist": "no such database",
        "permission denied": "no permission to connect to this database",
        "pg_hba.conf": "no rule that lets this user in from here",
        "SSL": "another ssl_mode required",
        "no password supplied": "no password in the block",
    }
    return next((meaning for sign, meaning in known.items() if sign in message), "refused")


def _type_text(
    name: str, length: int | None, precision: int | None, scale: int | None, own_name: str
) -> str:
    if name in _BY_ITS_OWN_NAME:
        return f"{own_name.removeprefix('_')}[]" if name == "ARRAY" else own_name
    if name in _WITH_LENGTH and length is not None:
        return f"{name}({length})"
    if name == "numeric" and precision is not None:
        return f"numeric({precision},{scale})"
    return name
