"""What an exception of a JDBC driver means: one of our own errors.

JDBC 4.3, section 8.5 (Categorized SQLExceptions): a driver says by the class whether the same call
may succeed later, and by SQLSTATE what it is about. Drivers without such classes have a SQLSTATE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from blocks.postgres.sqlstate_errors import meaning_of_state
from blocks.source_dialects.error_meanings import (
    Meaning,
    access,
    conflict,
    drift,
    statement,
    unavailable,
    value,
)

__all__ = ["meaning_of_exception"]

_MISSING = "Compare the contract with the source's tables; names are case-sensitive."
_NO_TABLE, _NO_COLUMN = (
    drift("a table is missing", _MISSING),
    drift("a column is missing", _MISSING),
)
_STATES: Mapping[str, Meaning] = MappingProxyType(
    {
        # The standard's subclasses of a wrong statement are free: each database has its own.
        **dict.fromkeys(("42S02", "42S03", "42S04", "42X05", "42P01", "42704"), _NO_TABLE),
        **dict.fromkeys(("42S22", "42X04", "42703"), _NO_COLUMN),
        "42501": access("no permission, or no such table or column, which it does not tell apart"),
    }
)
_CLASSES: Mapping[str, Meaning] = MappingProxyType(
    {
        "SQLTimeoutException": unavailable("no answer within the timeout"),
        "SQLTransientConnectionException": unavailable(
            "a connection that broke or did not come about"
        ),
        "SQLNonTransientConnectionException": unavailable(
            "a connection that broke or did not come about"
        ),
        "SQLRecoverableException": unavailable("a connection that broke"),
        "SQLTransactionRollbackException": conflict("a conflict with another transaction"),
        "SQLInvalidAuthorizationSpecException": access("the user or the password refused"),
        "SQLDataException": value(
            "a value that does not fit its type or its expression",
            "Look at the views behind the contract's table. Nothing was published.",
        ),
        "SQLSyntaxErrorException": statement("one that it refuses"),
        "SQLFeatureNotSupportedException": statement("something that it does not support"),
    }
)


def meaning_of_exception(exception: Any) -> tuple[Meaning, str]:
    """The meaning of a `java.sql.SQLException` of the JVM, and its SQLSTATE for the message."""
    state = str(exception.getSQLState() or "")
    by_class = (_CLASSES[name] for name in _ancestors(exception) if name in _CLASSES)
    meaning = _STATES.get(state) or next(by_class, None) or meaning_of_state(state)
    return meaning, f"SQLSTATE {state}" if state else str(exception.getClass().getSimpleName())


def _ancestors(exception: Any) -> Iterator[str]:
    kind = exception.getClass()
    while kind is not None and str(kind.getName()) != "java.lang.Object":
        yield str(kind.getSimpleName())
        kind = kind.getSuperclass()
