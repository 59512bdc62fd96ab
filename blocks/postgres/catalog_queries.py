"""A table as PostgreSQL's own catalog describes it.

Promise: tables, partitioned tables, views, materialized views and foreign tables alike, whatever
the session's user may read. A type has its modifier, a domain is given as its base type.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import LiteralString

import psycopg

from blocks.postgres.sqlstate_errors import meaning_of_state
from contracts.errors import SchemaDriftError
from contracts.model.source_relation import Relation, RelationColumn

__all__ = ["relation"]

_NO_PERMISSION = "42501"

_TABLE: LiteralString = """
WITH RECURSIVE read_from (oid) AS (
    SELECT c.oid
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION
    SELECT d.refobjid
    FROM read_from AS v
    INNER JOIN pg_catalog.pg_rewrite AS r ON v.oid = r.ev_class
    INNER JOIN pg_catalog.pg_depend AS d
        ON r.oid = d.objid
        AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT
    c.oid,
    pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
    AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
    (
        SELECT pg_catalog.bool_or(made.relrowsecurity)
        FROM pg_catalog.pg_class AS made
        INNER JOIN read_from AS f ON made.oid = f.oid
    )
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
"""The table's oid, whether it may be read, and whether it or a relation it reads has policies:
a view reads from the relations that its rule depends on."""

_COLUMNS: LiteralString = """
WITH RECURSIVE made_of (position, type, modifier, of_array, nullable) AS (
    SELECT
        a.attnum, a.atttypid, a.atttypmod, '',
        NOT a.attnotnull OR EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k
            WHERE
                k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated
                AND a.attnum = ANY (k.conkey)
        )
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT
        m.position,
        CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE e.oid END,
        CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE -1 END,
        CASE t.typtype WHEN 'd' THEN m.of_array ELSE m.of_array || '[]' END,
        m.nullable AND NOT (t.typtype = 'd' AND t.typnotnull AND m.of_array = '')
    FROM made_of AS m
    INNER JOIN pg_catalog.pg_type AS t ON m.type = t.oid
    LEFT JOIN pg_catalog.pg_type AS e ON t.oid = e.typarray AND e.typtype = 'd'
    WHERE t.typtype = 'd' OR e.oid IS NOT NULL
)
SELECT
    a.attname,
    pg_catalog.format_type(t.oid, m.modifier) || m.of_array,
    CASE
        WHEN m.of_array <> '' OR e.oid IS NOT NULL THEN 'array'
        ELSE CASE t.typtype
            WHEN 'b' THEN 'base' WHEN 'e' THEN 'enum' WHEN 'c' THEN 'composite'
            WHEN 'r' THEN 'range' WHEN 'm' THEN 'multirange' ELSE 'pseudo'
        END
    END,
    m.nullable
FROM pg_catalog.pg_attribute AS a
INNER JOIN made_of AS m ON a.attnum = m.position
INNER JOIN pg_catalog.pg_type AS t ON m.type = t.oid
LEFT JOIN pg_catalog.pg_type AS e ON t.oid = e.typarray
WHERE
    a.attrelid = %(table)s AND t.typtype <> 'd'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_type AS d WHERE t.oid = d.typarray AND d.typtype = 'd'
    )
ORDER BY a.attnum
"""
"""Each column with the base type of its domains, also of those inside an array."""

_KEYS: LiteralString = """
SELECT (
    SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
    FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
    INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND k.number = a.attnum
    WHERE k.position <= i.indnkeyatts
)
FROM pg_catalog.pg_index AS i
WHERE
    i.indrelid = %(table)s
    AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
    AND i.indpred IS NULL AND i.indexprs IS NULL
    -- A table's index does not hold for those that inherit from it; a partitioned table's does.
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS h
        INNER JOIN pg_catalog.pg_class AS c ON h.inhparent = c.oid
        WHERE h.inhparent = i.indrelid AND c.relkind <> 'p'
    )
ORDER BY i.indisprimary DESC, i.indexrelid
"""

_PAGES: LiteralString = """
WITH RECURSIVE held (oid) AS (
    SELECT %(table)s::oid
    UNION
    SELECT i.inhrelid
    FROM held AS h
    INNER JOIN pg_catalog.pg_inherits AS i ON h.oid = i.inhparent
)
SELECT
    CASE
        WHEN
            pg_catalog.current_setting('server_version_num')::int >= 140000
            AND pg_catalog.bool_and(
                c.relkind = 'p' OR (c.relkind IN ('r', 'm') AND m.amname = 'heap')
            )
            -- Of a view, which has no such column, this would be an error.
            THEN pg_catalog.has_column_privilege(%(table)s::oid, 'ctid', 'SELECT')
    END,
    pg_catalog.array_agg(
        pg_catalog.pg_relation_size(c.oid)
        / pg_catalog.current_setting('block_size')::bigint
        ORDER BY c.oid
    ) FILTER (WHERE c.relkind <> 'p')
FROM pg_catalog.pg_class AS c
INNER JOIN held AS h ON c.oid = h.oid
LEFT JOIN pg_catalog.pg_am AS m ON c.relam = m.oid
"""
"""Whether rows can be read by the page they lie on, and how many pages the table and those below
it have. Before PostgreSQL 14 a range of pages costs a scan of the whole table."""

_NAMES: LiteralString = """
SELECT n.nspname || '.' || c.relname
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE
    c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


def relation(connection: psycopg.Connection, where: str, schema: str, table: str) -> Relation:
    """Describe a table.

    Raises:
        SchemaDriftError: There is none of this name; near matches are named.
        SourceAccessError: There is, and none of its columns are ours to read.
        psycopg.Error: The database refuses or does not answer.
    """
    row = connection.execute(_TABLE, (schema, table, schema, table)).fetchone()
    if row is None:
        raise _missing(connection, where, f"{schema}.{table}")
    oid, readable, row_security = row
    if not readable:
        of_table = f"{where}, table {schema}.{table}"
        raise meaning_of_state(_NO_PERMISSION).error(of_table)
    parameters = {"table": oid}
    columns = tuple(
        RelationColumn(*values) for values in connection.execute(_COLUMNS, parameters).fetchall()
    )
    not_null = {column.name for column in columns if not column.nullable}
    keys = [tuple(names) for (names,) in connection.execute(_KEYS, parameters).fetchall()]
    return Relation(
        schema=schema,
        name=table,
        columns=columns,
        unique_keys=tuple(key for key in keys if not_null.issuperset(key)),
        row_security=bool(row_security),
        pages=_pages(connection, parameters),
    )


def _pages(connection: psycopg.Connection, parameters: dict[str, int]) -> tuple[int, ...]:
    by_page, pages = connection.execute(_PAGES, parameters).fetchone() or (False, None)
    # A partition that is dropped in this moment has no size any more.
    return tuple(size for size in pages or () if size is not None) if by_page else ()


def _missing(connection: psycopg.Connection, where: str, wanted: str) -> SchemaDriftError:
    names = [row[0] for row in connection.execute(_NAMES).fetchall()]
    near = get_close_matches(wanted, names, n=3, cutoff=0.5)
    return SchemaDriftError(
        where=where,
        expected=f"a table or view {wanted}",
        found=f"none of this name; near it: {', '.join(near) or 'nothing'}",
        next_step="Correct the table's name in the contract, or create the table.",
    )
