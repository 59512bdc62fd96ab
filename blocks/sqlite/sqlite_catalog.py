"""A table as SQLite's own catalog describes it."""

from __future__ import annotations

import sqlite3
from difflib import get_close_matches

from blocks.sqlite.type_affinity import affinity
from contracts.errors import SchemaDriftError
from contracts.model.source_relation import Relation, RelationColumn

__all__ = ["sqlite_relation"]

_TABLE = "SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ? AND type <> 'shadow'"
_TABLES = """
SELECT schema || '.' || name FROM pragma_table_list WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'
"""
_COLUMNS = """
SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid
"""
"""Without the hidden columns of virtual tables; generated columns are among them."""
_INDEXES = """
SELECT name FROM pragma_index_list(?, ?) WHERE "unique" AND NOT partial AND origin <> 'pk'
"""
_INDEXED = "SELECT name FROM pragma_index_info(?, ?) ORDER BY seqno"


def sqlite_relation(
    connection: sqlite3.Connection, where: str, schema: str, table: str
) -> Relation:
    """Describe a table or view. A type is as it is declared; a column may have none.

    Raises:
        SchemaDriftError: There is none of this name; near matches are named.
        sqlite3.Error: The file can't be read.
    """
    found = connection.execute(_TABLE, (schema, table)).fetchone()
    if found is None:
        raise _missing(connection, where, f"{schema}.{table}")
    rows = connection.execute(_COLUMNS, (table, schema)).fetchall()
    key = [name for name, _, _, place in sorted(rows, key=lambda row: row[3]) if place]
    types = {name: declared for name, declared, _, _ in rows}
    # A primary key may be null, for historical reasons: but for the row's own number.
    is_rowid = len(key) == 1 and types[key[0]].upper() == "INTEGER"
    never_null = {name for name, _, not_null, _ in rows if not_null}
    never_null |= {*key} if found[0] or is_rowid else set()
    keys = [tuple(key)] if key else []
    for (index,) in connection.execute(_INDEXES, (table, schema)).fetchall():
        keys.append(tuple(name for (name,) in connection.execute(_INDEXED, (index, schema))))
    return Relation(
        schema=schema,
        name=table,
        columns=tuple(
            RelationColumn(name, declared, "base", name not in never_null)
            for name, declared, _, _ in rows
        ),
        unique_keys=tuple(each for each in keys if _identifies(each, types, never_null)),
        row_security=False,
    )


def _identifies(key: tuple[str | None, ...], types: dict[str, str], never_null: set[str]) -> bool:
    """Whether the columns tell every row from the others; an expression has no name.

    A column without an affinity may have 1 and '1', which are two values of SQLite and one of ours.
    """
    return all(
        name is not None and name in never_null and affinity(types[name]) != "BLOB" for name in key
    )


def _missing(connection: sqlite3.Connection, where: str, wanted: str) -> SchemaDriftError:
    names = [name for (name,) in connection.execute(_TABLES)]
    near = get_close_matches(wanted, names, n=3, cutoff=0.5)
    return SchemaDriftError(
        where=where,
        expected=f"a table or view {wanted}",
        found=f"none of this name; near it: {', '.join(near) or 'nothing'}",
        next_step="Correct the table's name in the contract; the schema of a file is `main`.",
    )
