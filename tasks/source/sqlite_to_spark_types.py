"""How each type of SQLite is read, so that what arrives is what is stored.

A column of SQLite holds values of any kind, whatever type it is declared with, and its driver
changes them silently: an integer is cut to four bytes, a DATETIME loses its time, text in an
INTEGER column is 0. So each value is selected as text, by the kind that it has
(`typeof`), and Spark makes of it what the contract says (`tasks.source.text_to_spark_types`). A
value of another kind than the column's type is refused with its row, never converted.

Promise: a text says the stored value exactly. A number with a fraction, of which SQLite keeps the
nearest binary one, is the decimal of the contract's digits that it is nearest to.

SQLite, "Datatypes In SQLite".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from blocks.sqlite.type_affinity import affinity
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import COLUMN, Carrier

__all__ = ["sqlite_carrier", "sqlite_readable_as"]

_KIND = f"typeof({COLUMN})"
_BYTES = f"hex({COLUMN})"
_EXACT = (
    f"CASE WHEN CAST(CAST({COLUMN} AS TEXT) AS REAL) = {COLUMN} THEN CAST({COLUMN} AS TEXT)"
    f" ELSE printf('%!.17g', {COLUMN}) END"
)
"""The text of a binary number: 15 digits where they say it, else 17, which always do."""
_AS_TEXT = (
    f"CASE {_KIND} WHEN 'text' THEN {COLUMN} WHEN 'blob' THEN 'x''' || {_BYTES} || ''''"
    f" WHEN 'real' THEN {_EXACT} ELSE CAST({COLUMN} AS TEXT) END"
)
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_DECLARED = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_MAX_PRECISION = 38
_SAFE = 2**53
"""The greatest whole number up to which a binary one says every one exactly."""

_OFFERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "INTEGER": ("bigint", "int", "smallint", "tinyint", "boolean", "double", "string"),
        "TEXT": ("string", "timestamp", "date"),
        "BLOB": ("binary",),
        "REAL": ("double", "string"),
        "NUMERIC": ("string", "bigint", "double", "boolean"),
        "": ("string", "bigint", "double", "binary"),
        "BOOLEAN": ("boolean", "bigint", "int", "smallint", "tinyint", "string"),
        "DATE": ("date", "string"),
        "DATETIME": ("timestamp", "date", "string"),
        "TIMESTAMP": ("timestamp", "date", "string"),
    }
)
"""By declared type, or else by affinity: the types of a contract that it may be read as, its own
first. A number, or text that says one, may also be read as a decimal."""
_NO_DECIMAL = frozenset({"BLOB", "BOOLEAN", "DATE", "DATETIME", "TIMESTAMP"})


_WHOLE_NUMBER = (f"{_KIND} IN ('integer', 'null')", f"CAST({COLUMN} AS TEXT)")
_WAYS = MappingProxyType(
    {
        "string": (f"{_KIND} <> 'blob'", _AS_TEXT),
        # The bytes of nothing would be none, and not nothing.
        "binary": (f"{_KIND} IN ('blob', 'null')", f"CASE {_KIND} WHEN 'blob' THEN {_BYTES} END"),
        "date": (f"{_KIND} IN ('text', 'null')", COLUMN),
        "timestamp": (f"{_KIND} IN ('text', 'null')", COLUMN),
        "double": (
            (
                f"{_KIND} IN ('real', 'null')"
                f" OR {_KIND} = 'integer' AND {COLUMN} BETWEEN {-_SAFE} AND {_SAFE}"
            ),
            _AS_TEXT,
        ),
    }
)
"""By type: which kinds of values fit, and their text; the whole numbers and booleans are alike."""


def sqlite_carrier(column: RelationColumn, wanted: str) -> Carrier | None:
    """How the column is read as a Spark type of a contract; None when no value of it can be one.

    Args:
        column: As its table declares it.
        wanted: A Spark type such as `decimal(10,2)`.
    """
    digits = _DECIMAL.match(wanted)
    if digits:
        return None if _type_of(column) in _NO_DECIMAL else _decimal(int(digits[2]))
    if wanted not in _OFFERED[_type_of(column)]:
        return None
    fits, value = _WAYS.get(wanted, _WHOLE_NUMBER)
    return _carried(fits, value)


def sqlite_readable_as(column: RelationColumn) -> tuple[str, ...]:
    """The Spark types that a contract may name for the column, the best first."""
    kind = _type_of(column)
    match = _DECLARED.search(column.type)
    if kind == "NUMERIC" and match:
        precision, scale = int(match[1]), int(match[2] or 0)
        if scale <= precision <= _MAX_PRECISION:
            return (f"decimal({precision},{scale})", *_OFFERED[kind])
    return _OFFERED[kind]


def _type_of(column: RelationColumn) -> str:
    """The key of `_OFFERED` for a declared type."""
    word = column.type.upper().partition("(")[0].strip()
    if word in _OFFERED:
        return word
    return affinity(column.type) if word != "ANY" else ""


def _carried(fits: str, value: str) -> Carrier:
    return Carrier(f"CASE WHEN {fits} THEN {value} END", "string", fits, _AS_TEXT)


def _decimal(scale: int) -> Carrier:
    """The decimal of so many digits after the point, where it is the one that the number is of."""
    rounded = f"printf('%!.{scale}f', {COLUMN})"
    value = (
        f"CASE {_KIND} WHEN 'real' THEN"
        f" CASE WHEN CAST({rounded} AS REAL) = {COLUMN} THEN {rounded} ELSE {_EXACT} END"
        f" ELSE CAST({COLUMN} AS TEXT) END"
    )
    return _carried(f"{_KIND} <> 'blob'", value)
