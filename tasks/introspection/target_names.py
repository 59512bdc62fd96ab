"""How tables and columns of a source are called in a contract, and its types worded there.

Promise: a name that needs no quotes stays as it is; another one becomes letters, digits and _.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from contracts.model.database_type_names import spark_type
from contracts.model.reserved_column_names import OURS, reserved_among
from contracts.model.source_relation import RelationColumn

__all__ = ["free_name", "identifier", "physical_type", "target_name", "usual_namespace"]

_PLAIN = re.compile(r"^[A-Za-z_]\w*$", re.ASCII)
_SIZED = {
    "character varying": "VARCHAR", "character": "CHAR", "varchar": "VARCHAR", "char": "CHAR",
    "nvarchar": "VARCHAR", "nchar": "CHAR",
}  # fmt: skip
_WORDED = {
    "string": "TEXT", "int": "INTEGER", "float": "REAL", "double": "DOUBLE", "binary": "BYTEA",
}  # fmt: skip
_MADE = ("array", "enum", "composite", "range", "multirange", "pseudo")
"""Kinds of types that are made of others."""
_LEDGERS = ("governance", "stage")
"""Namespaces that the run settings give to ledgers and stages."""
_NAMELESS = ("public", "main")
"""Schemas of PostgreSQL, H2 and SQLite that each database has."""
_SIZE = re.compile(r"^([a-z ]+)\((\d+)\)$")


def identifier(name: str, otherwise: str) -> str:
    """A name of letters, digits and _ only."""
    if _PLAIN.match(name):
        return name
    spelled = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = re.sub(r"\W+", "_", spelled.encode("ascii", "ignore").decode()).strip("_")
    if not plain:
        return otherwise
    return plain if _PLAIN.match(plain) else f"{otherwise}_{plain}"


def usual_namespace(connection: str, schema: str) -> str:
    """The namespace of a target: that of its schema, or of its source where that says nothing."""
    plain = identifier(schema, "schema").lower()
    if plain in (*_NAMELESS, *_LEDGERS):
        return identifier(connection, "source").lower()
    return plain


def target_name(name: str, taken: Collection[str]) -> str:
    """The target's name of a source column; `taken` are those of others."""
    plain = identifier(name, "column")
    if plain.startswith(OURS) or reserved_among([plain], stored=True):
        plain = f"source{plain}" if plain.startswith("_") else f"source_{plain}"
    return free_name(plain, taken)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or with a number behind it the first that is not taken."""
    number, free = 1, name
    known = {each.lower() for each in taken}
    while free.lower() in known:
        number += 1
        free = f"{name}_{number}"
    return free


def physical_type(column: RelationColumn, declared: str, read_as: str, *, bounded: bool) -> str:
    """The type of a column as a contract words it, which stands for that Spark type.

    Args:
        column: The column.
        declared: Its type with its length, where `column` leaves it out.
        read_as: The Spark type.
        bounded: The database holds no text that is longer than its type says.
    """
    if read_as != "string" or column.kind in _MADE:
        return _WORDED.get(read_as, read_as.upper())
    sized = _SIZE.match(declared.lower())
    worded = f"{_SIZED.get(sized[1], '')}({sized[2]})" if sized else declared.upper()
    # Only types that a reader of the contract would take for text.
    is_sized = bounded and sized is not None and sized[1] in _SIZED
    known = worded in ("UUID", "TEXT") or is_sized
    return worded if known and spark_type(worded) == read_as else "TEXT"
