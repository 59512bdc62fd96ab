"""How each type of MariaDB and MySQL is read, so that what arrives is what is stored.

Their drivers and Spark's reader change values silently: BIT(16) 259 becomes 769, TINYINT(1) 2
becomes true, an ENUM is padded to its longest member, a TIMESTAMP is off by the server's zone, and
a zero date is null, another day or an error. So each value is selected as text, and Spark makes of
it what the contract says (`tasks.source.text_to_spark_types`).

Promise: a text says the stored value exactly; a type without such a text is refused by name.

The session has to have the zone +00:00 and sql_mode ANSI_QUOTES (`blocks.mariadb.mariadb_session`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from contracts.model.database_type_names import holds
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import COLUMN, Carrier

__all__ = ["mariadb_carrier", "mariadb_readable_as"]

_AS_TEXT = f"CAST({COLUMN} AS CHAR)"
_TEXT = f"CONVERT({COLUMN} USING utf8mb4)"
_FLOAT = f"CAST(CAST({COLUMN} AS DOUBLE) AS CHAR)"
"""All digits of a FLOAT, of which the server itself writes six."""
_BITS = f"CAST(CAST({COLUMN} AS UNSIGNED) AS CHAR)"
_BYTES = f"HEX({COLUMN})"

_TYPE = re.compile(r"^([a-z0-9_ ]+?)\s*(?:\((\d+)(?:,(\d+))?\))?(\s.*)?$")
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_MAX_PRECISION = 38
_LONGEST_BITS = 63
"""So many bits are a positive bigint; one more is none."""

_SIGNED: Mapping[str, str] = MappingProxyType(
    {
        "tinyint": "tinyint",
        "smallint": "smallint",
        "mediumint": "int",
        "int": "int",
        "integer": "int",
        "bigint": "bigint",
        "year": "smallint",
    }
)
_UNSIGNED: Mapping[str, str] = MappingProxyType(
    {
        "tinyint": "smallint",
        "smallint": "int",
        "mediumint": "int",
        "int": "bigint",
        "integer": "bigint",
        "bigint": "decimal(20,0)",
        "year": "smallint",
    }
)
"""What holds every value."""
_OTHERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "float": ("float", "double"),
        "double": ("double", "string"),
        "date": ("date", "string"),
        "datetime": ("timestamp", "string"),
        "timestamp": ("timestamp", "string"),
        "time": ("string",),
        **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext"), ("string",)),
        **dict.fromkeys(("longtext", "enum", "set", "json"), ("string",)),
        **dict.fromkeys(("uuid", "inet4", "inet6"), ("string",)),
        **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob"), ("binary",)),
        **dict.fromkeys(("mediumblob", "longblob"), ("binary",)),
    }
)
_WRITTEN: Mapping[str, str] = MappingProxyType(
    {
        "float": _FLOAT,
        "bit": _BITS,
        **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext"), _TEXT),
        **dict.fromkeys(("longtext", "enum", "set", "json"), _TEXT),
        **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob"), _BYTES),
        **dict.fromkeys(("mediumblob", "longblob"), _BYTES),
    }
)
_RANKS = ("tinyint", "smallint", "int", "bigint")


def mariadb_carrier(column: RelationColumn, wanted: str) -> Carrier | None:
    """How the column is read as a Spark type of a contract; None when that could lose something.

    Args:
        column: As the catalog has it.
        wanted: A Spark type such as `decimal(10,2)`.
    """
    ways = mariadb_readable_as(column)
    number = bool(ways) and (ways[0] in _RANKS or ways[0].startswith("decimal"))
    wider = number and wanted != "string" and holds(wanted, ways[0])
    narrower = _is_decimal(column) and _DECIMAL.match(wanted) is not None
    if wanted not in ways and not wider and not narrower:
        return None
    word, _, _ = _parts(column.type)
    return Carrier(_WRITTEN.get(word, _AS_TEXT), "string")


def mariadb_readable_as(column: RelationColumn) -> tuple[str, ...]:
    """The Spark types that a contract may name for the column, the best first; of some none."""
    word, digits, rest = _parts(column.type)
    if _is_decimal(column):
        precision, scale = digits
        natural = (f"decimal({precision},{scale})",) if precision <= _MAX_PRECISION else ()
        return (*natural, "string")
    if word == "bit":
        return _bits(digits[0])
    if word not in _SIGNED:
        return _OTHERS.get(word, ())
    natural_type = (_UNSIGNED if "unsigned" in rest else _SIGNED)[word]
    wider = _RANKS[_RANKS.index(natural_type) + 1 :] if natural_type in _RANKS else ("bigint",)
    truth = ("boolean",) if word == "tinyint" and digits[0] == 1 else ()
    return (natural_type, *truth, *wider, "string")


def _bits(length: int) -> tuple[str, ...]:
    if length == 1:
        return ("boolean", *_RANKS)
    return ("bigint",) if length <= _LONGEST_BITS else ("decimal(20,0)", "bigint")


def _is_decimal(column: RelationColumn) -> bool:
    return _parts(column.type)[0] == "decimal"


def _parts(declared: str) -> tuple[str, tuple[int, int], str]:
    """The word of a type, its two numbers (0: none), and what follows them."""
    match = _TYPE.match(declared.lower())
    if match is None:  # the members of an ENUM or SET
        return declared.lower().partition("(")[0].strip(), (0, 0), ""
    word, first, second, rest = match.groups()
    return word.split()[0], (int(first or 0), int(second or 0)), f"{word} {rest or ''}"
