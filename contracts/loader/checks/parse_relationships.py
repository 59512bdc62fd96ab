"""The standard's `relationships` of a table and its columns, as checks of references.

Promise: a relationship that Strandline would not check is refused.

A relationship belongs to the target, so `to` names a column of another history table of ours:
`table.column` in the contract's own namespace, or `namespace.table.column`. It warns unless
`customProperties` say otherwise, since the other table may be loaded later than this one:
`strandline: {severity: error, weight: 0.5, at_most: {percent: 1}}`. With `relation` (and
`connection`, of another source) there, the value is looked up in a table of a source instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import StrEnum

from contracts.loader.checks.checked_table import (
    CheckedTable,
    Word,
    identifier_or,
    read_severity,
)
from contracts.loader.checks.parse_thresholds import read_at_most
from contracts.model import Argument, Check
from contracts.validation.validate_checks import check_relation
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_$-]*$")
_FULL = re.compile(r"^/?schema/([^/]+)/properties/([^/]+)$")
_KEYS = ("severity", "weight", "at_most", "relation", "connection")
_HOW = "table.column, or namespace.table.column"
_LEAST_PARTS = 2


class _Kind(StrEnum):
    """The standard's one type of a relationship."""

    FOREIGN_KEY = "foreignKey"


def relationship_checks(table: CheckedTable, taken: set[str]) -> Iterator[tuple[Section, Check]]:
    """The checks, those of the table first, each with its section; `taken` grows by their ids."""
    for entry in table.relation.children("relationships"):
        name = _one(entry, "from")
        column = _own_column(entry, table, name) if name else ""
        if column:
            yield from _checks(entry, table, column, taken)
    for section, column_ in zip(table.properties, table.columns, strict=True):
        for entry in section.children("relationships"):
            if entry.has("from"):
                entry.problem("from", "is this column already", "leave it out")
            yield from _checks(entry, table, column_.name, taken)


def _checks(
    entry: Section, table: CheckedTable, column: str, taken: set[str]
) -> Iterator[tuple[Section, Check]]:
    check = _check(entry, table, column, taken)
    if check is not None:
        taken.add(check.id)
        yield entry, check


def _check(
    entry: Section, table: CheckedTable, column: str, taken: Collection[str]
) -> Check | None:
    entry.choice("type", _Kind, default=_Kind.FOREIGN_KEY)
    extension = entry.extension() or Section(
        {}, entry.at("customProperties.strandline"), entry.report
    )
    extension.only(_KEYS)
    severity = read_severity(extension, Word.WARNING)
    threshold = read_at_most(extension)
    weight = extension.number("weight", default=0.0 if threshold else 1.0, high=1.0)
    target = _other_column(entry, table)
    if target is None:
        return None
    history, referenced = target
    given: dict[str, Argument] = {"column": referenced}
    for key in ("relation", "connection"):
        if extension.has(key):
            given[key] = extension.text(key)
    if "relation" not in given:
        given["history"] = history
    check_relation(extension, given, place="")
    if column not in table.mapped:
        entry.report.add(
            entry.path,
            f"the column {column} is generated, not made of source columns",
            "move it to a column that is",
        )
        return None
    return Check(
        id=identifier_or(entry, f"{column}_in_{history.rpartition('.')[2]}", taken),
        rule="references",
        columns=(column,),
        arguments=given,
        severity=severity,
        weight=weight,
        dimension="consistency",
        about_target=True,
        threshold=threshold,
    )


def _one(entry: Section, key: str) -> str:
    """The one name under a key that may also hold the names of a composite key."""
    value = entry.value.get(key)
    if isinstance(value, list):
        if len(value) != 1:
            entry.problem(
                key, "several columns at once are not looked up", "one relationship per column"
            )
            return ""
        return Section({key: value[0]}, entry.path, entry.report).text(key)
    return entry.text(key)


def _own_column(entry: Section, table: CheckedTable, name: str) -> str:
    """The name of a column of the contract's table."""
    full = _FULL.match(name)
    if full:
        ids = {
            section.value.get("id"): column.name
            for section, column in zip(table.properties, table.columns, strict=True)
        }
        known, word = ids, full[2]
    else:
        known, word = (
            {column.name: column.name for column in table.columns},
            name.rpartition(".")[2],
        )
    owner = full[1] if full else name.rpartition(".")[0]
    owners = (table.relation.value.get("id"),) if full else table.names
    if owner not in owners:
        entry.problem("from", f"{owner or name} is not the contract's table", table.names[-1])
        return ""
    if word not in known:
        hint = did_you_mean(word, [each for each in known if isinstance(each, str)])
        entry.problem("from", f"the target has no column {word}", hint)
        return ""
    return known[word]


def _other_column(entry: Section, table: CheckedTable) -> tuple[str, str] | None:
    """The history table below its catalog, and the column."""
    name = _one(entry, "to")
    if not name:
        return None
    if "/" in name or "#" in name:
        entry.problem("to", "names a place in a contract file, which is not read here", _HOW)
        return None
    parts = name.split(".")
    if len(parts) < _LEAST_PARTS or not all(_NAME.match(part) for part in parts):
        entry.problem("to", "must be the name of a column", _HOW)
        return None
    *namespace, other, column = parts
    if not namespace and other == table.relation.value.get("name"):
        return f"{table.namespace}.{table.table}", column
    return f"{'.'.join(namespace) or table.namespace}.{other}", column
