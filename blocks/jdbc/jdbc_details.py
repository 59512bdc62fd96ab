"""All that a JDBC driver says of a table, for a contract of it (`java.sql.DatabaseMetaData`).

Promise: only the driver's metadata is asked for, no row. What a load needs is in
`blocks.jdbc.jdbc_catalog`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from blocks.jdbc.jdbc_catalog import jdbc_relation, pattern_of
from contracts.model.source_relation import (
    ColumnDetails,
    ForeignKey,
    Relation,
    RelationColumn,
    RelationDetails,
    UniqueKey,
)

__all__ = ["jdbc_details"]

_UNTOLD = ("who owns a table", "CHECK constraints", "from what a column is computed")
_KINDS = {"base table": "table", "": "table"}
_SIZED = frozenset({"char", "varchar", "nchar", "nvarchar", "binary", "varbinary"})
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_STATISTIC = 0
"""The type of the line of an index that is about the table (JDBC 4.3, getIndexInfo)."""


def jdbc_details(jvm: Any, connection: Any, where: str, schema: str, table: str) -> RelationDetails:
    """Describe a table or view in full.

    Raises:
        SchemaDriftError: There is none of this name that the user may see; near ones are named.
        py4j.protocol.Py4JJavaError: The driver fails.
    """
    described = jdbc_relation(jvm, connection, where, schema, table)
    catalog, place = connection.getMetaData(), connection.getCatalog()
    names = (pattern_of(catalog, schema), pattern_of(catalog, table))

    def is_it(row: dict[str, str]) -> bool:
        return (row["TABLE_SCHEM"], row["TABLE_NAME"]) == (schema, table)

    tables = [row for row in _rows(catalog.getTables(place, *names, None)) if is_it(row)]
    kind = tables[0]["TABLE_TYPE"].lower() if tables else ""
    columns = [row for row in _rows(catalog.getColumns(place, *names, None)) if is_it(row)]
    types = {column.name: column for column in described.columns}
    indexes = [*_rows(catalog.getIndexInfo(place, schema, table, False, True))]
    primary = sorted(
        (int(row["KEY_SEQ"]), row["COLUMN_NAME"])
        for row in _rows(catalog.getPrimaryKeys(place, schema, table))
    )
    return RelationDetails(
        relation=described,
        kind=_KINDS.get(kind, kind),
        comment=tables[0].get("REMARKS", "") if tables else "",
        owner="",
        rows=_estimate(indexes),
        partitioned_by=(),
        keys=_keys(described, tuple(name for _, name in primary), indexes),
        foreign_keys=_foreign_keys(_rows(catalog.getImportedKeys(place, schema, table))),
        checks=(),
        indexed=frozenset(
            row["COLUMN_NAME"]
            for row in indexes
            if row.get("ORDINAL_POSITION") == "1"
            and row.get("COLUMN_NAME")
            and not row.get("FILTER_CONDITION")
        ),
        policies_hide_rows=False,
        columns={row["COLUMN_NAME"]: _column(row, types[row["COLUMN_NAME"]]) for row in columns},
        untold=_UNTOLD,
    )


def _column(row: dict[str, str], column: RelationColumn) -> ColumnDetails:
    sized = column.kind in _SIZED and "(" not in column.type and row.get("COLUMN_SIZE")
    generated = row.get("IS_GENERATEDCOLUMN", "").upper() == "YES"
    is_enum = column.type.upper().startswith("ENUM(")
    return ColumnDetails(
        name=column.name,
        declared=f"{column.type}({row['COLUMN_SIZE']})" if sized else column.type,
        domain=False,
        labels=_labels(column.type) if is_enum else (),
        identity=row.get("IS_AUTOINCREMENT", "").upper() == "YES",
        generated=generated,
        made_of=None if generated else (),
        comment=row.get("REMARKS", ""),
        readable=True,
    )


def _labels(declared: str) -> tuple[str, ...]:
    return tuple(found.replace("''", "'") for found in _LABEL.findall(declared))


def _estimate(indexes: list[dict[str, str]]) -> int | None:
    """How many rows the table has, where the driver hands on its statistics."""
    found = [
        int(float(row["CARDINALITY"]))
        for row in indexes
        if row.get("TYPE") == str(_STATISTIC) and row.get("CARDINALITY")
    ]
    return max(found, default=0) or None


def _keys(
    described: Relation, primary: tuple[str, ...], indexes: list[dict[str, str]]
) -> tuple[UniqueKey, ...]:
    names = {column.name for column in described.columns}
    parts: dict[str, list[tuple[int, str]]] = {}
    for row in indexes:
        unique = row.get("NON_UNIQUE", "").lower() in ("false", "0")
        if unique and row.get("INDEX_NAME") and not row.get("FILTER_CONDITION"):
            part = (int(row["ORDINAL_POSITION"]), row.get("COLUMN_NAME", ""))
            parts.setdefault(row["INDEX_NAME"], []).append(part)
    found = [UniqueKey("the primary key", primary, primary=True)] if primary else []
    for index, each in parts.items():
        columns = tuple(name for _, name in sorted(each))
        if columns != primary and names.issuperset(columns):
            found.append(UniqueKey(index, columns, primary=False))
    return tuple(found)


def _foreign_keys(rows: Iterator[dict[str, str]]) -> tuple[ForeignKey, ...]:
    found: dict[tuple[str, str, str], list[tuple[int, str, str]]] = {}
    for row in rows:
        name = row.get("FK_NAME") or f"foreign key to {row['PKTABLE_NAME']}"
        key = (name, row.get("PKTABLE_SCHEM", ""), row["PKTABLE_NAME"])
        pair = (int(row["KEY_SEQ"]), row["FKCOLUMN_NAME"], row["PKCOLUMN_NAME"])
        found.setdefault(key, []).append(pair)
    return tuple(
        ForeignKey(
            name,
            tuple(column for _, column, _ in sorted(pairs)),
            schema,
            table,
            tuple(referenced for _, _, referenced in sorted(pairs)),
        )
        for (name, schema, table), pairs in found.items()
    )


def _rows(found: Any) -> Iterator[dict[str, str]]:
    """Each line by the names of its columns, which depend on how old a driver is; without nulls."""
    with closing(found):
        labels = found.getMetaData()
        names = [
            str(labels.getColumnLabel(at + 1)).upper() for at in range(labels.getColumnCount())
        ]
        while found.next():
            texts = [found.getString(at + 1) for at in range(len(names))]
            yield {
                name: str(text) for name, text in zip(names, texts, strict=True) if text is not None
            }
