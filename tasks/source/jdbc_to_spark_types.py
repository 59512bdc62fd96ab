"""How the types of a database that is only known by its JDBC driver are read.

Drivers differ in what they say of their types and in how they hand values over. So each value is
selected as text, by the database's own cast or by what the block says, and Spark makes of it what
the contract says (`tasks.source.text_to_spark_types`). A text of another form than that grammar's
is refused with its row.

JDBC 4.3, appendix B (Data Type Conversion Tables): the JDBC types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from blocks.jdbc.jdbc_settings import JdbcSettings
from contracts.model.database_type_names import holds
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import COLUMN, Carrier

__all__ = ["jdbc_carrier", "jdbc_readable_as"]

_DIGITS = re.compile(r"\((\d+),(-?\d+)\)$")
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_MAX_PRECISION = 38
_BINARY = frozenset({"binary", "varbinary", "longvarbinary", "blob"})
_AS_IS = frozenset(
    {"char", "varchar", "longvarchar", "nchar", "nvarchar", "longnvarchar", "clob", "nclob"}
)
_NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint"})
_OFFERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bit": ("boolean",),
        "boolean": ("boolean",),
        "tinyint": ("tinyint", "string"),
        "smallint": ("smallint", "string"),
        "integer": ("int", "string"),
        "bigint": ("bigint", "string"),
        "real": ("float",),
        "float": ("double", "string"),
        "double": ("double", "string"),
        "date": ("date", "string"),
        "timestamp": ("timestamp", "string"),
        "timestamp_with_timezone": ("timestamp", "string"),
    }
)
"""By JDBC type; every other one is read as text."""


def jdbc_carrier(settings: JdbcSettings, column: RelationColumn, wanted: str) -> Carrier | None:
    """How the column is read as a Spark type of a contract; None when that could lose something.

    Args:
        settings: Of the source's block.
        column: As the driver describes it.
        wanted: A Spark type such as `decimal(10,2)`.
    """
    ways = jdbc_readable_as(settings, column)
    wider = ways and ways[0] in _NUMBERS and wanted != "string" and holds(wanted, ways[0])
    any_decimal = column.kind in ("numeric", "decimal") and _DECIMAL.match(wanted) is not None
    if wanted not in ways and not wider and not any_decimal:
        return None
    return Carrier(_text(settings, column) or COLUMN, "string")


def jdbc_readable_as(settings: JdbcSettings, column: RelationColumn) -> tuple[str, ...]:
    """The Spark types that a contract may name for the column, the best first; of some none."""
    if _is_binary(column):
        return ("binary",) if _text(settings, column) is not None else ()
    digits = _DIGITS.search(column.type)
    if column.kind in ("numeric", "decimal"):
        precision, scale = (int(digits[1]), int(digits[2])) if digits else (0, 0)
        fits = 0 <= scale <= precision <= _MAX_PRECISION and precision > 0
        return (f"decimal({precision},{scale})", "string") if fits else ("string",)
    return _OFFERED.get(column.kind, ("string",))


def _is_binary(column: RelationColumn) -> bool:
    # Some drivers say that a UUID is binary.
    return column.kind in _BINARY and column.type.upper() != "UUID"


def _text(settings: JdbcSettings, column: RelationColumn) -> str | None:
    """The SQL that writes the value as text; None: nothing is said that does."""
    said = settings.texts.get(column.type.partition("(")[0].strip())
    if said is not None:
        return said
    if column.kind in _AS_IS:
        return COLUMN
    return None if _is_binary(column) else settings.text
