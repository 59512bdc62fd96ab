"""The source's tables, brought to the newest form by numbered migrations.

Promise: each file of `source_ddl` that begins with a number is applied once, in their order, and
the database says which were. One that was applied is never changed: a further one is added.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import LiteralString

import psycopg

from contracts.errors import SettingsError, UsageError

__all__ = ["Migration", "ddl_script", "migrate", "migrations"]

_SCRIPTS: Mapping[str, str] = MappingProxyType(
    {"postgresql": "0001_tables_of_the_specification.sql", "mariadb": "mariadb.sql"}
)
"""By dialect the script that makes the tables of the specification elsewhere."""

_NUMBERED = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.sql")

_APPLIED: LiteralString = """
CREATE SCHEMA IF NOT EXISTS source_schema;
CREATE TABLE IF NOT EXISTS source_schema.applied_migrations (
    number     INTEGER PRIMARY KEY,
    name       VARCHAR(100) NOT NULL,
    sha256     VARCHAR(64) NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
)
"""

_LOCK: LiteralString = (
    "SELECT pg_advisory_xact_lock(hashtextextended('strandline source migrations', 0))"
)


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One file of statements.

    Args:
        number: Its place; there is no gap.
        name: What it does.
        statements: In PostgreSQL's SQL.
    """

    number: int
    name: str
    statements: str

    @property
    def digest(self) -> str:
        """SHA-256 of the statements, in hexadecimal."""
        return hashlib.sha256(self.statements.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """All there are, in their order."""
    found = []
    for file in resources.files("demo").joinpath("source_ddl").iterdir():
        named = _NUMBERED.fullmatch(file.name)
        if named is not None:
            statements = file.read_text(encoding="utf-8")
            found.append(Migration(int(named["number"]), named["name"], statements))
    return tuple(sorted(found))


def ddl_script(dialect: str) -> str:
    """The statements that make the tables of the specification in a database of that dialect.

    Raises:
        UsageError: There are none for it.
    """
    if dialect not in _SCRIPTS:
        raise UsageError(
            where="python -m demo ddl",
            expected=f"one of {', '.join(_SCRIPTS)}",
            found="another word",
            next_step="python -m demo ddl mariadb",
        )
    script = resources.files("demo").joinpath("source_ddl", _SCRIPTS[dialect])
    return script.read_text(encoding="utf-8")


def migrate(
    connection: psycopg.Connection, known: tuple[Migration, ...] | None = None
) -> tuple[Migration, ...]:
    """Apply what the database lacks, within the connection's transaction.

    Two processes that migrate one database wait for each other.

    Args:
        connection: To a PostgreSQL, as the owner of its tables.
        known: The migrations; without them those of `migrations`.

    Returns:
        Those that were applied now.

    Raises:
        SettingsError: The database has one in another form, or one of a later release.
    """
    known = migrations() if known is None else known
    connection.execute(_LOCK)
    connection.execute(_APPLIED)
    rows = connection.execute("SELECT number, sha256 FROM source_schema.applied_migrations")
    applied: dict[int, str] = dict(rows.fetchall())
    _refuse_others(applied, {each.number: each.digest for each in known})
    lacking = tuple(each for each in known if each.number not in applied)
    for each in lacking:
        connection.execute(each.statements.encode())
        connection.execute(
            "INSERT INTO source_schema.applied_migrations (number, name, sha256)"
            " VALUES (%s, %s, %s)",
            (each.number, each.name, each.digest),
        )
    return lacking


def _refuse_others(applied: Mapping[int, str], known: Mapping[int, str]) -> None:
    other = sorted(number for number, digest in applied.items() if known.get(number) != digest)
    if other:
        raise SettingsError(
            where="the source's migrations",
            expected="a database to which only migrations of this release were applied",
            found=f"number {', '.join(map(str, other))} in another form, or of a later release",
            next_step="Use the release that the database was made with, or begin with an empty "
            "database. Nothing was changed.",
        )
