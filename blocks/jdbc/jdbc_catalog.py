"""A table as a JDBC driver describes it (`java.sql.DatabaseMetaData`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from difflib import get_close_matches
from typing import Any

from py4j.protocol import Py4JError

from contracts.errors import SchemaDriftError
from contracts.model.source_relation import Relation, RelationColumn

__all__ = ["jdbc_relation", "pattern_of"]

_NOT_NULL = 0
_WITH_DIGITS = ("NUMERIC", "DECIMAL")
_FLOATING = "DECFLOAT"
"""A decimal number whose point may be anywhere, which drivers call a NUMERIC."""


def jdbc_relation(jvm: Any, connection: Any, where: str, schema: str, table: str) -> Relation:
    """Describe a table or view; the kind of a column is its JDBC type, in lower case.

    Raises:
        SchemaDriftError: There is none of this name that the user may see; near ones are named.
        py4j.protocol.Py4JJavaError: The driver fails.
    """
    catalog = connection.getMetaData()
    names = (pattern_of(catalog, schema), pattern_of(catalog, table))
    found = catalog.getColumns(connection.getCatalog(), *names, None)
    columns = sorted(
        (int(row.getInt("ORDINAL_POSITION")), _column(jvm, row))
        for row in _rows(found)
        # Where nothing escapes a pattern, other tables are found, too.
        if (str(row.getString("TABLE_SCHEM")), str(row.getString("TABLE_NAME"))) == (schema, table)
    )
    if not columns:
        raise _missing(connection, where, schema, table)
    described = tuple(column for _, column in columns)
    not_null = {column.name for column in described if not column.nullable}
    return Relation(
        schema=schema,
        name=table,
        columns=described,
        unique_keys=tuple(
            key for key in _unique_keys(connection, schema, table) if not_null.issuperset(key)
        ),
        row_security=False,
    )


def pattern_of(catalog: Any, name: str) -> str:
    """The pattern that means a name itself, as far as the driver can say that.

    Args:
        catalog: Its metadata.
        name: Of a schema or a table.
    """
    escape = str(catalog.getSearchStringEscape() or "")
    for sign in ("_", "%"):
        name = name.replace(sign, escape + sign)
    return name


def _column(jvm: Any, row: Any) -> RelationColumn:
    kind = _jdbc_type(jvm, int(row.getInt("DATA_TYPE")))
    name = str(row.getString("TYPE_NAME"))
    if kind in _WITH_DIGITS and "(" not in name and not name.upper().startswith(_FLOATING):
        name = f"{name}({row.getInt('COLUMN_SIZE')},{row.getInt('DECIMAL_DIGITS')})"
    nullable = int(row.getInt("NULLABLE")) != _NOT_NULL
    return RelationColumn(str(row.getString("COLUMN_NAME")), name, kind.lower(), nullable)


def _jdbc_type(jvm: Any, code: int) -> str:
    try:
        return str(jvm.java.sql.JDBCType.valueOf(code).getName())
    except Py4JError:  # a code of the driver's own
        return "OTHER"


def _unique_keys(connection: Any, schema: str, table: str) -> Iterator[tuple[str, ...]]:
    catalog, place = connection.getMetaData(), connection.getCatalog()
    primary = sorted(
        (int(row.getInt("KEY_SEQ")), str(row.getString("COLUMN_NAME")))
        for row in _rows(catalog.getPrimaryKeys(place, schema, table))
    )
    if primary:
        yield tuple(name for _, name in primary)
    indexes: dict[str, list[tuple[int, str]]] = {}
    for row in _rows(catalog.getIndexInfo(place, schema, table, True, True)):
        name = row.getString("INDEX_NAME")
        if name is not None and row.getString("FILTER_CONDITION") is None:
            part = (int(row.getInt("ORDINAL_POSITION")), str(row.getString("COLUMN_NAME") or ""))
            indexes.setdefault(str(name), []).append(part)
    for parts in indexes.values():
        key = tuple(name for _, name in sorted(parts))
        if [name for _, name in primary] != list(key):
            yield key


def _missing(connection: Any, where: str, schema: str, table: str) -> SchemaDriftError:
    found = connection.getMetaData().getTables(connection.getCatalog(), None, None, None)
    names = [
        f"{row.getString('TABLE_SCHEM')}.{row.getString('TABLE_NAME')}" for row in _rows(found)
    ]
    wanted = f"{schema}.{table}"
    by_letters = {name.lower(): name for name in names}
    near = get_close_matches(wanted.lower(), by_letters, n=3, cutoff=0.5)
    return SchemaDriftError(
        where=where,
        expected=f"a table or view {wanted} that the block's user may read",
        found="none of this name; near it: "
        + (", ".join(by_letters[name] for name in near) or "nothing"),
        next_step="Correct the table's name in the contract: letters count as the driver has them.",
    )


def _rows(found: Any) -> Iterator[Any]:
    with closing(found):
        while found.next():
            yield found
