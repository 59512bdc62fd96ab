"""The affinity of a column of SQLite: which kind of value it prefers, by its declared type.

SQLite, "Datatypes In SQLite", section 3.1 (Determination Of Column Affinity). A column holds values
of any kind, whatever its affinity is; only STRICT tables refuse some.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Affinity", "affinity"]

Affinity: TypeAlias = Literal["INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"]

_RULES: tuple[tuple[tuple[str, ...], Affinity], ...] = (
    (("INT",), "INTEGER"),
    (("CHAR", "CLOB", "TEXT"), "TEXT"),
    (("BLOB",), "BLOB"),
    (("REAL", "FLOA", "DOUB"), "REAL"),
)


def affinity(declared: str) -> Affinity:
    """The affinity of a column that is declared so; an empty type has none, which is BLOB."""
    words = declared.upper()
    if not words or words == "ANY":
        return "BLOB"
    found = (kind for signs, kind in _RULES if any(sign in words for sign in signs))
    return next(found, "NUMERIC")
