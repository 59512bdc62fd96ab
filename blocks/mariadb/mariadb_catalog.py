"""A table as the information schema of MariaDB or MySQL describes it."""

from __future__ import annotations

from difflib import get_close_matches

import pymysql

from contracts.errors import SchemaDriftError
from contracts.model.source_relation import Relation, RelationColumn

__all__ = ["mariadb_relation"]

_COLUMNS = """
SELECT column_name, column_type, is_nullable = 'YES'
FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s
ORDER BY ordinal_position
"""
_KEYS = """
SELECT index_name, column_name
FROM information_schema.statistics
WHERE table_schema = %s AND table_name = %s AND non_unique = 0
ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index
"""
"""A part that is an expression has no name. What the first letters of a column identify, the column
does."""
_DENIED = 1142
_NAMES = "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables"


def mariadb_relation(
    cursor: pymysql.cursors.Cursor, where: str, schema: str, table: str
) -> Relation:
    """Describe a table or view. A type is as the catalog has it: `int(10) unsigned`.

    Raises:
        SchemaDriftError: There is none of this name that the user may read; near ones are named.
        pymysql.Error: The database refuses or does not answer.
    """
    cursor.execute(_COLUMNS, (schema, table))
    columns = tuple(
        RelationColumn(name, declared, "base", bool(nullable))
        for name, declared, nullable in cursor.fetchall()
    )
    if not columns:
        raise _missing(cursor, where, f"{schema}.{table}")
    not_null = {column.name for column in columns if not column.nullable}
    cursor.execute(_KEYS, (schema, table))
    keys: dict[str, list[str]] = {}
    for index, name in cursor.fetchall():
        keys.setdefault(index, []).append(name or "")
    if keys and not _is_shown_whole(cursor, schema, table):
        keys.clear()
    return Relation(
        schema=schema,
        name=table,
        columns=columns,
        unique_keys=tuple(tuple(key) for key in keys.values() if not_null.issuperset(key)),
        row_security=False,
    )


def _is_shown_whole(cursor: pymysql.cursors.Cursor, schema: str, table: str) -> bool:
    """Whether the user may see all columns: else a key may have columns that are not listed."""
    name = ".".join("`" + part.replace("`", "``") + "`" for part in (schema, table))
    try:
        cursor.execute(f"SHOW CREATE TABLE {name}")
    except pymysql.Error as error:
        if error.args[:1] != (_DENIED,):
            raise
        return False
    return True


def _missing(cursor: pymysql.cursors.Cursor, where: str, wanted: str) -> SchemaDriftError:
    cursor.execute(_NAMES)
    names = [str(name) for (name,) in cursor.fetchall()]
    near = get_close_matches(wanted, names, n=3, cutoff=0.5)
    return SchemaDriftError(
        where=where,
        expected=f"a table or view {wanted} that the block's user may read",
        found=f"none of this name; near it: {', '.join(near) or 'nothing'}",
        next_step="Correct the table's name in the contract, whose schema is the database there; or"
        " grant the user SELECT on it.",
    )
