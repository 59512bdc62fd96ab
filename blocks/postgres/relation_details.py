"""All that PostgreSQL's catalog says of a table: keys, constraints, comments, statistics.

Promise: only the catalog is queried, no row. What a load needs is in
`blocks.postgres.catalog_queries`.
"""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from blocks.postgres.catalog_queries import relation
from contracts.model.source_relation import (
    CheckConstraint,
    ColumnDetails,
    ForeignKey,
    RelationDetails,
    UniqueKey,
)

__all__ = ["relation_details"]

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}

_TABLE: LiteralString = """
SELECT
    c.oid,
    c.relkind::text,
    COALESCE(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
    pg_catalog.pg_get_userbyid(c.relowner)::text,
    CASE c.relkind
        WHEN 'p' THEN (
            SELECT CASE WHEN pg_catalog.min(l.reltuples) >= 0 THEN pg_catalog.sum(l.reltuples) END
            FROM pg_catalog.pg_partition_tree(c.oid) AS t
            INNER JOIN pg_catalog.pg_class AS l ON t.relid = l.oid
            WHERE t.isleaf
        )
        ELSE c.reltuples
    END::bigint,
    pg_catalog.row_security_active(c.oid),
    COALESCE((
        SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
        FROM pg_catalog.pg_partitioned_table AS p
        CROSS JOIN pg_catalog.unnest(p.partattrs::int2[]) WITH ORDINALITY AS k (number, position)
        INNER JOIN pg_catalog.pg_attribute AS a ON p.partrelid = a.attrelid AND k.number = a.attnum
        WHERE p.partrelid = c.oid
    ), '{}')
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

_COLUMNS: LiteralString = """
WITH RECURSIVE base (position, type) AS (
    SELECT a.attnum, a.atttypid
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.position, t.typbasetype
    FROM base AS b
    INNER JOIN pg_catalog.pg_type AS t ON b.type = t.oid
    WHERE t.typtype = 'd'
)
SELECT
    a.attname::text,
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    d.typtype = 'd',
    COALESCE((
        SELECT pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
        FROM base AS b
        INNER JOIN pg_catalog.pg_enum AS e ON b.type = e.enumtypid
        WHERE b.position = a.attnum
    ), '{}'),
    a.attidentity <> '',
    a.attgenerated <> '',
    COALESCE((
        SELECT pg_catalog.array_agg(DISTINCT m.attname::text)
        FROM pg_catalog.pg_depend AS o
        LEFT JOIN pg_catalog.pg_attrdef AS f
            ON o.objid = f.oid AND o.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        INNER JOIN pg_catalog.pg_attribute AS m
            ON o.refobjid = m.attrelid AND o.refobjsubid = m.attnum
        WHERE
            a.attgenerated <> '' AND o.refobjid = a.attrelid
            AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND m.attnum <> a.attnum
            AND (
                (f.adrelid = a.attrelid AND f.adnum = a.attnum)
                OR (
                    o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND o.objid = a.attrelid AND o.objsubid = a.attnum
                )
            )
    ), '{}'),
    COALESCE(pg_catalog.col_description(a.attrelid, a.attnum), ''),
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_type AS d ON a.atttypid = d.oid
WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_INDEXES: LiteralString = """
SELECT
    n.relname::text,
    (
        SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.position)
        FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
        INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND k.number = a.attnum
        WHERE k.position <= i.indnkeyatts
    ),
    i.indisprimary,
    i.indisunique AND i.indimmediate AND i.indexprs IS NULL
    -- A table's index does not hold for those that inherit from it; a partitioned table's does.
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS h
        INNER JOIN pg_catalog.pg_class AS c ON h.inhparent = c.oid
        WHERE h.inhparent = i.indrelid AND c.relkind <> 'p'
    ),
    m.amname IN ('btree', 'brin') AND (i.indkey::int2[])[0] <> 0
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS n ON i.indexrelid = n.oid
INNER JOIN pg_catalog.pg_am AS m ON n.relam = m.oid
WHERE
    i.indrelid = %(table)s AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
ORDER BY i.indisprimary DESC, i.indexrelid
"""

_FOREIGN_KEYS: LiteralString = """
SELECT
    k.conname::text,
    (
        SELECT pg_catalog.array_agg(a.attname::text ORDER BY p.position)
        FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS p (number, position)
        INNER JOIN pg_catalog.pg_attribute AS a ON k.conrelid = a.attrelid AND p.number = a.attnum
    ),
    n.nspname::text,
    f.relname::text,
    (
        SELECT pg_catalog.array_agg(a.attname::text ORDER BY p.position)
        FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS p (number, position)
        INNER JOIN pg_catalog.pg_attribute AS a ON k.confrelid = a.attrelid AND p.number = a.attnum
    )
FROM pg_catalog.pg_constraint AS k
INNER JOIN pg_catalog.pg_class AS f ON k.confrelid = f.oid
INNER JOIN pg_catalog.pg_namespace AS n ON f.relnamespace = n.oid
-- A foreign key to a partitioned table is also recorded for each of its partitions.
WHERE k.conrelid = %(table)s AND k.contype = 'f' AND (k.conparentid = 0 OR k.confrelid IN (
    SELECT p.confrelid FROM pg_catalog.pg_constraint AS p
    WHERE p.oid = k.conparentid AND p.conrelid <> k.conrelid
))
ORDER BY k.conname
"""

_CHECKS: LiteralString = """
WITH RECURSIVE domains (position, name, type) AS (
    SELECT a.attnum, a.attname, a.atttypid
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT d.position, d.name, t.typbasetype
    FROM domains AS d
    INNER JOIN pg_catalog.pg_type AS t ON d.type = t.oid
    WHERE t.typtype = 'd'
)
SELECT k.conname::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid), ''
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = %(table)s AND k.contype = 'c' AND k.convalidated
UNION ALL
SELECT k.conname::text, pg_catalog.pg_get_expr(k.conbin, 0), d.name::text
FROM domains AS d
INNER JOIN pg_catalog.pg_constraint AS k ON d.type = k.contypid
WHERE k.contype = 'c' AND k.convalidated
ORDER BY 3, 1
"""


def relation_details(
    connection: psycopg.Connection, where: str, schema: str, table: str
) -> RelationDetails:
    """Describe a table in full.

    Raises:
        SchemaDriftError: There is none of this name; near matches are named.
        SourceAccessError: There is, and none of its columns are ours to read.
        psycopg.Error: The database refuses or does not answer.
    """
    described = relation(connection, where, schema, table)
    found = connection.execute(_TABLE, (schema, table)).fetchone()
    if found is None:
        return RelationDetails(
            described, "table", "", "", None, (), (), (), (), frozenset(), False, {}
        )
    oid, kind, comment, owner, rows, policies, partitioned_by = found

    def of_table(query: LiteralString) -> list[tuple[Any, ...]]:
        return connection.execute(query, {"table": oid}).fetchall()

    columns = [
        ColumnDetails(
            name, declared, domain, tuple(labels), identity, generated, tuple(parts), text, readable
        )
        for name, declared, domain, labels, identity, generated, parts, text, readable in of_table(
            _COLUMNS
        )
    ]
    indexes = of_table(_INDEXES)
    return RelationDetails(
        relation=described,
        kind=_KINDS[kind],
        comment=comment,
        owner=owner,
        # Without statistics it is -1, and before PostgreSQL 14 zero.
        rows=rows if rows is not None and rows > 0 else None,
        partitioned_by=tuple(partitioned_by),
        keys=tuple(
            UniqueKey(name, tuple(names), primary)
            for name, names, primary, unique, _ in indexes
            if unique
        ),
        foreign_keys=tuple(
            ForeignKey(name, tuple(names), of_schema, other, tuple(referenced))
            for name, names, of_schema, other, referenced in of_table(_FOREIGN_KEYS)
        ),
        checks=tuple(CheckConstraint(*values) for values in of_table(_CHECKS)),
        indexed=frozenset(names[0] for _, names, _, _, ordered in indexes if ordered),
        policies_hide_rows=policies,
        columns={column.name: column for column in columns},
    )
