"""Which SQL a source database speaks, by its block."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from blocks.source_database import SourceDatabase
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.jdbc_sql import JdbcSql
from tasks.source.sql_dialects.mariadb_sql import MARIADB
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL
from tasks.source.sql_dialects.sqlite_sql import SQLITE

__all__ = ["sql_dialect_of"]

_DIALECTS: Mapping[str, SqlDialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (POSTGRESQL, MARIADB, SQLITE)}
)


def sql_dialect_of(source: SourceDatabase) -> SqlDialect:
    """The SQL of a source."""
    if source.jdbc is not None:
        return JdbcSql(source.jdbc)
    return _DIALECTS[source.dialect]
