"""All that SQLite's own catalog says of a table, for a contract of it.

Promise: only the catalog is queried, no row. What a load needs is in
`blocks.sqlite.sqlite_catalog`.

SQLite, "PRAGMA Statements" and "The SQLITE_STAT Tables".
"""

from __future__ import annotations

import sqlite3

from blocks.sqlite.create_statement import checks_of, computed_columns, definitions_of
from blocks.sqlite.sqlite_catalog import sqlite_relation
from contracts.model.source_relation import (
    ColumnDetails,
    ForeignKey,
    RelationDetails,
    UniqueKey,
)

__all__ = ["sqlite_details"]

_TABLE = "SELECT type FROM pragma_table_list WHERE schema = ? AND name = ?"
_COLUMNS = """
SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid
"""
_KEY = "SELECT name FROM pragma_table_info(?, ?) WHERE pk > 0 ORDER BY pk"
_INDEXES = """
SELECT name FROM pragma_index_list(?, ?) WHERE "unique" AND NOT partial AND origin <> 'pk'
"""
_INDEXED = "SELECT name FROM pragma_index_info(?, ?) ORDER BY seqno"
_FOREIGN_KEYS = """
SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?, ?) ORDER BY id, seq
"""
_STATISTICS = "SELECT stat FROM {schema}.sqlite_stat1 WHERE tbl = ?"
_GENERATED = frozenset({2, 3})
_UNTOLD = ("comments", "who owns a table", "the zone of a time")


def sqlite_details(
    connection: sqlite3.Connection, where: str, schema: str, table: str
) -> RelationDetails:
    """Describe a table or view in full.

    Raises:
        SchemaDriftError: There is none of this name; near matches are named.
        sqlite3.Error: The file can't be read.
    """
    described = sqlite_relation(connection, where, schema, table)
    (kind,) = connection.execute(_TABLE, (schema, table)).fetchone()
    rows = connection.execute(_COLUMNS, (table, schema)).fetchall()
    key = [name for (name,) in connection.execute(_KEY, (table, schema))]
    types = {name: declared for name, declared, _, _ in rows}
    numbered = len(key) == 1 and types[key[0]].upper() == "INTEGER"
    statement = _statement(connection, schema, table)
    definitions = definitions_of(statement)
    computed = computed_columns(definitions, types)
    untold = _UNTOLD if definitions or kind == "view" else (*_UNTOLD, "CHECK constraints")
    return RelationDetails(
        relation=described,
        kind={"virtual": "virtual table"}.get(kind, kind),
        comment="",
        owner="",
        rows=_rows(connection, schema, table),
        partitioned_by=(),
        keys=_keys(connection, schema, table, tuple(key)),
        foreign_keys=_foreign_keys(connection, schema, table),
        checks=tuple(checks_of(statement, definitions)),
        # Times are compared by an expression, since they are text in many forms: no index of a
        # column serves it.
        indexed=frozenset(),
        policies_hide_rows=False,
        columns={
            name: ColumnDetails(
                name=name,
                declared=declared.lower() or "no type",
                domain=False,
                labels=(),
                identity=numbered and name in key,
                generated=hidden in _GENERATED,
                made_of=computed.get(name) if hidden in _GENERATED else (),
                comment="",
                readable=True,
            )
            for name, declared, _, hidden in rows
        },
        untold=untold,
    )


def _rows(connection: sqlite3.Connection, schema: str, table: str) -> int | None:
    """By ANALYZE: the first number of any index."""
    statement = _STATISTICS.format(schema=_quoted(schema))
    try:
        found = connection.execute(statement, (table,)).fetchone()
    except sqlite3.OperationalError:  # it was never run
        return None
    first = str(found[0]).split(maxsplit=1)[0] if found and found[0] else ""
    return int(first) if first.isdigit() else None


def _keys(
    connection: sqlite3.Connection, schema: str, table: str, key: tuple[str, ...]
) -> tuple[UniqueKey, ...]:
    found = [UniqueKey("PRIMARY KEY", key, primary=True)] if key else []
    for (index,) in connection.execute(_INDEXES, (table, schema)).fetchall():
        names = [name for (name,) in connection.execute(_INDEXED, (index, schema))]
        if None not in names:  # no expression
            found.append(UniqueKey(index, tuple(names), primary=False))
    return tuple(found)


def _foreign_keys(
    connection: sqlite3.Connection, schema: str, table: str
) -> tuple[ForeignKey, ...]:
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, other, column, referenced in connection.execute(_FOREIGN_KEYS, (table, schema)):
        found.setdefault(number, []).append((other, column, referenced))
    keys = []
    for number, pairs in sorted(found.items()):
        other = pairs[0][0]
        # Without names it refers to the primary key.
        key = [name for (name,) in connection.execute(_KEY, (other, schema))]
        referenced = [to for _, _, to in pairs if to is not None] or key
        if len(referenced) == len(pairs):
            columns = tuple(column for _, column, _ in pairs)
            keys.append(ForeignKey(f"foreign key {number}", columns, schema, other, (*referenced,)))
    return tuple(keys)


def _statement(connection: sqlite3.Connection, schema: str, table: str) -> str:
    """The statement that made the table; empty: there is none."""
    query = f"SELECT sql FROM {_quoted(schema)}.sqlite_schema WHERE name = ?"  # noqa: S608 - quoted
    found = connection.execute(query, (table,)).fetchone()
    return str(found[0]) if found and found[0] else ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
