"""A contract with a column of each classification and protection, and roles of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import product

from contracts.loader import TABLES, load_contract
from contracts.model import (
    AboveLevel,
    Classification,
    Column,
    Contract,
    History,
    LoadKind,
    Period,
    Protection,
    ProtectionKind,
    Role,
    RowRight,
    Source,
    Transformation,
)

LEVELS = ("PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED")
KINDS = (None, *ProtectionKind)
ROW_LEVELS = (*LEVELS, None, "SECRET", "public")
STATUSES = ("A", "I", None)
ENHANCED = load_contract(TABLES / "new_source_table.yaml")


_WORDS = {
    ProtectionKind.MASK: {"keep": 2},
    ProtectionKind.GENERALISE: {"period": Period.YEAR},
}


def _column(name, level, kind="string", *, made="direct", protection=None) -> Column:
    if protection is ProtectionKind.GENERALISE:
        kind = "date"
    how = None if protection is None else Protection(protection, **_WORDS.get(protection, {}))
    return Column(
        name=name,
        type=kind,
        nullable=True,
        transformation=Transformation(made),
        classification=Classification(level),
        protection=how,
        description=name,
    )


CELLS = {
    f"{level}_{kind or 'clear'}".lower(): (level, kind) for level, kind in product(LEVELS, KINDS)
}
"""Columns of the matrix: classification and protection by name."""

COLUMNS = (
    _column("id", "PUBLIC", "int"),
    *(_column(name, level, protection=kind) for name, (level, kind) in CELLS.items()),
    _column("row_level", "INTERNAL"),
    _column("status", "INTERNAL"),
    _column("is_current", "INTERNAL", "boolean", made="is_current"),
)


@dataclass(frozen=True)
class Row:
    id: int
    level: str | None
    current: bool
    status: str | None
    cells: dict[str, str | date] = field(default_factory=dict)


def _clear_value(name, number):
    """A value that no other cell has, and that is no first day of a year."""
    if CELLS[name][1] is ProtectionKind.GENERALISE:
        return date(1000 + number, 5, 17 + LEVELS.index(CELLS[name][0]))
    return f"canary-{name}-{number:03d}"


ROWS = tuple(
    Row(
        number,
        level,
        current,
        status,
        {name: _clear_value(name, number) for name in CELLS} if number % 7 else {},
    )
    for number, (level, current, status) in enumerate(
        product(ROW_LEVELS, (True, False), STATUSES), start=1
    )
)
"""Every seventh row has nulls only."""

WHERES = {
    "": lambda row: True,
    # A null status is unknown, and unknown is not shown.
    "status <> 'I'": lambda row: row.status is not None and row.status != "I",
}


def _roles():
    yield Role("silent")
    for level, above in product(LEVELS, AboveLevel):
        yield Role(f"{level}_{above}".lower(), level=Classification(level), above=above)
    for number, (level, current, where) in enumerate(product(LEVELS, (True, False), WHERES)):
        rows = RowRight(Classification(level), current, where)
        yield Role(f"rows_{number}", level=Classification.RESTRICTED, rows=rows)
    named = Classification.INTERNAL
    yield Role("allowed", level=named, allow=("restricted_clear",))
    yield Role(
        "denied", level=Classification.RESTRICTED, deny=("public_clear", "restricted_encrypt")
    )
    yield Role("masked", level=named, mask={"restricted_clear": 2, "public_clear": 9})


ROLES = {role.name: role for role in _roles()}


def contract_with(roles, columns=COLUMNS) -> Contract:
    return Contract(
        name="matrix",
        version="1.0.0",
        description="Every kind of cell.",
        owner="Tests",
        namespace="wards",
        table="matrix",
        source=Source("db", "s", "t", (), LoadKind.FULL, ("id",), ()),
        columns=tuple(columns),
        key=("id",),
        history=History(tracked=()),
        roles=tuple(roles),
        row_classification="row_level",
    )
