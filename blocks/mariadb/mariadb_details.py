"""All that the information schema of MariaDB or MySQL says of a table, for a contract of it.

Promise: only the catalog is queried, no row. What a load needs is in
`blocks.mariadb.mariadb_catalog`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pymysql

from blocks.mariadb.mariadb_catalog import mariadb_relation
from contracts.model.source_relation import (
    CheckConstraint,
    ColumnDetails,
    ForeignKey,
    Relation,
    RelationDetails,
    UniqueKey,
)

__all__ = ["mariadb_details"]

_TABLE = """
SELECT table_type, table_comment, table_rows
FROM information_schema.tables
WHERE table_schema = %s AND table_name = %s
"""
_PARTITIONS = """
SELECT DISTINCT partition_expression
FROM information_schema.partitions
WHERE table_schema = %s AND table_name = %s AND partition_name IS NOT NULL
"""
_COLUMNS = """
SELECT column_name, column_type, extra, generation_expression, column_comment, privileges
FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s
ORDER BY ordinal_position
"""
_INDEXES = """
SELECT index_name, column_name, non_unique = 0, index_type = 'BTREE', sub_part IS NULL
FROM information_schema.statistics
WHERE table_schema = %s AND table_name = %s
ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index
"""
_FOREIGN_KEYS = """
SELECT constraint_name, column_name, referenced_table_schema, referenced_table_name,
    referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = %s AND table_name = %s AND referenced_table_name IS NOT NULL
ORDER BY constraint_name, ordinal_position
"""
_CHECKS = """
SELECT constraint_name, check_clause
FROM information_schema.check_constraints
WHERE constraint_schema = %s AND table_name = %s
ORDER BY constraint_name
"""
_CHECKS_OF_MYSQL = """
SELECT c.constraint_name, c.check_clause
FROM information_schema.table_constraints AS t
INNER JOIN information_schema.check_constraints AS c
    ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
WHERE t.table_schema = %s AND t.table_name = %s AND t.constraint_type = 'CHECK'
ORDER BY c.constraint_name
"""

_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table"}
_NAME = re.compile(r"""'(?:[^'\\]|\\.|'')*'|`((?:[^`]|``)+)`|"((?:[^"]|"")+)\"""")
"""Of text nothing, of a name one group or the other: which quotes it has, `sql_mode` says."""
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_VALID_JSON = re.compile(r"""^json_valid\([`"](.+)[`"]\)$""")
"""The constraint by which MariaDB makes a document of a LONGTEXT."""
_UNTOLD = ("who owns a table",)


def mariadb_details(
    cursor: pymysql.cursors.Cursor, where: str, schema: str, table: str, *, is_mariadb: bool
) -> RelationDetails:
    """Describe a table or view in full.

    Args:
        cursor: Of a session.
        where: The database's name in messages.
        schema: The database there.
        table: The table's name.
        is_mariadb: Else it is a MySQL.

    Raises:
        SchemaDriftError: There is none of this name that the user may read; near ones are named.
        pymysql.Error: The database refuses or does not answer.
    """
    described = mariadb_relation(cursor, where, schema, table)

    def of_table(query: str) -> list[tuple[Any, ...]]:
        cursor.execute(query, (schema, table))
        return [tuple(row) for row in cursor.fetchall()]

    (kind, comment, rows), *_ = of_table(_TABLE) or [("BASE TABLE", "", None)]
    parts = of_table(_PARTITIONS)
    checks = of_table(_CHECKS if is_mariadb else _CHECKS_OF_MYSQL)
    documents = {match[1] for _, clause in checks if (match := _VALID_JSON.match(clause))}
    indexes = of_table(_INDEXES)
    is_view = kind == "VIEW"
    return RelationDetails(
        relation=described,
        kind="partitioned table" if parts else _KINDS.get(kind, kind.lower()),
        comment="" if is_view else comment or "",
        owner="",
        rows=int(rows) if rows else None,
        partitioned_by=_partitioned_by(parts),
        keys=_keys(described, indexes),
        foreign_keys=_foreign_keys(of_table(_FOREIGN_KEYS)),
        checks=tuple(
            CheckConstraint(name, clause)
            for name, clause in checks
            if not _VALID_JSON.match(clause)
        ),
        indexed=_indexed(indexes),
        policies_hide_rows=False,
        columns={
            column.name: column
            for column in (_column(*row, documents=documents) for row in of_table(_COLUMNS))
        },
        untold=_UNTOLD,
    )


def _column(
    name: str,
    declared: str,
    extra: str,
    expression: str | None,
    comment: str,
    privileges: str,
    *,
    documents: Iterable[str],
) -> ColumnDetails:
    return ColumnDetails(
        name=name,
        declared="json" if name in documents else declared,
        domain=False,
        labels=_labels(declared),
        identity="auto_increment" in extra.lower(),
        generated=bool(expression),
        made_of=tuple(dict.fromkeys(_names(expression or ""))),
        comment=comment or "",
        readable="select" in privileges.lower(),
    )


def _labels(declared: str) -> tuple[str, ...]:
    """The members of an ENUM; a SET has any of its members together."""
    if not declared.lower().startswith("enum(") or "\\" in declared:  # it may be an escape or not
        return ()
    return tuple(found.replace("''", "'") for found in _LABEL.findall(declared))


def _names(expression: str) -> list[str]:
    """The names in quotes, which names in the catalog always have."""
    found = _NAME.findall(expression)
    names = (back.replace("``", "`") or double.replace('""', '"') for back, double in found)
    return [name for name in names if name]


def _partitioned_by(parts: list[tuple[Any, ...]]) -> tuple[str, ...]:
    """The columns, where there is nothing but columns."""
    ((expression,), *_) = parts or [("",)]
    names = _names(expression or "")
    bare = _NAME.sub("", expression or "").strip(", ")
    return () if bare else tuple(names)


def _keys(described: Relation, indexes: list[tuple[Any, ...]]) -> tuple[UniqueKey, ...]:
    """Those of columns that the user sees: `Relation.unique_keys`, and such that may be null."""
    known = {column.name: column.nullable for column in described.columns}
    found: dict[str, list[str]] = {}
    for index, column, unique, _, _ in indexes:
        if unique:
            found.setdefault(index, []).append(column or "")
    return tuple(
        UniqueKey(index, tuple(columns), primary=index == "PRIMARY")
        for index, columns in found.items()
        if known.keys() >= {*columns}
        # Of a table of which one sees a part, no key is whole.
        and (tuple(columns) in described.unique_keys or any(known[each] for each in columns))
    )


def _indexed(indexes: list[tuple[Any, ...]]) -> frozenset[str]:
    first: dict[str, str] = {}
    for index, column, _, ordered, whole in indexes:
        if ordered and whole and column:
            first.setdefault(index, column)
        else:
            first.setdefault(index, "")
    return frozenset(first.values()) - {""}


def _foreign_keys(rows: list[tuple[Any, ...]]) -> tuple[ForeignKey, ...]:
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for name, column, schema, table, referenced in rows:
        found.setdefault((name, schema, table), []).append((column, referenced))
    return tuple(
        ForeignKey(
            name,
            tuple(column for column, _ in pairs),
            schema,
            table,
            tuple(referenced for _, referenced in pairs),
        )
        for (name, schema, table), pairs in found.items()
    )
