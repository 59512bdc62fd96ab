"""The tables and views of a source that its user can see, with what is needed to choose among them.

Promise: the catalog alone is asked; no row is read and none is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from blocks.source_dialects.consistent_read import SourceReading

__all__ = ["ListedTable", "list_tables"]

_SECONDS = 30

_POSTGRESQL = """
SELECT
    n.nspname::text,
    c.relname::text,
    CASE c.relkind
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
        ELSE 'table'
    END,
    CASE WHEN c.relkind IN ('r', 'm') AND c.reltuples > 0 THEN c.reltuples::bigint END,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND (
        pg_catalog.has_table_privilege(c.oid, 'SELECT')
        OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
    ),
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
        AND i.indexprs IS NULL
    )
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2
"""
_MARIADB = """
SELECT
    t.table_schema,
    t.table_name,
    CASE t.table_type WHEN 'BASE TABLE' THEN 'table' ELSE 'view' END,
    t.table_rows,
    1,
    (
        SELECT COUNT(*) > 0 FROM information_schema.table_constraints AS c
        WHERE
            c.table_schema = t.table_schema AND c.table_name = t.table_name
            AND c.constraint_type IN ('PRIMARY KEY', 'UNIQUE')
    )
FROM information_schema.tables AS t
WHERE t.table_schema = DATABASE()
ORDER BY 1, 2
"""
_SQLITE = """
SELECT
    'main',
    l.name,
    CASE l.type WHEN 'view' THEN 'view' ELSE 'table' END,
    NULL,
    1,
    EXISTS (SELECT 1 FROM pragma_table_info(l.name) WHERE pk)
    OR EXISTS (SELECT 1 FROM pragma_index_list(l.name) WHERE "unique" AND NOT partial)
FROM pragma_table_list AS l
WHERE l.schema = 'main' AND l.type <> 'shadow' AND l.name NOT LIKE 'sqlite~_%' ESCAPE '~'
ORDER BY 1, 2
"""
_QUERIES: Mapping[str, str] = MappingProxyType(
    {"postgresql": _POSTGRESQL, "mariadb": _MARIADB, "sqlite": _SQLITE}
)


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table or view of the source.

    Attributes:
        schema: Its schema.
        name: Its name there.
        kind: 'table', 'view', 'materialized view' or 'foreign table'.
        rows: How many rows it has, by the statistics; None: they don't say.
        readable: The user may read some of its columns.
        keyed: It has a unique index, so that something identifies its rows.
    """

    schema: str
    name: str
    kind: str
    rows: int | None
    readable: bool
    keyed: bool

    @property
    def qualified(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"


def list_tables(reading: SourceReading, dialect: str) -> tuple[ListedTable, ...]:
    """The tables and views, by schema and name; partitions are not listed beside their table.

    Args:
        reading: A read of the source.
        dialect: 'postgresql', 'mariadb' or 'sqlite', as its block has it.

    Raises:
        StrandlineError: As `SourceReading.rows`.
    """
    return tuple(
        ListedTable(
            schema=str(schema),
            name=str(name),
            kind=str(kind),
            rows=None if rows is None else int(str(rows)),
            readable=bool(readable),
            keyed=bool(keyed),
        )
        for schema, name, kind, rows, readable, keyed in reading.rows(
            _QUERIES[dialect], seconds=_SECONDS
        )
    )
