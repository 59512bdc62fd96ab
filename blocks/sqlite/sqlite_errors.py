"""What an error of SQLite means: one of our own errors.

Promise: nothing of its message is shown, which may quote a statement or a name of the data.

SQLite, "Result and Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from blocks.source_dialects.error_meanings import (
    Meaning,
    access,
    conflict,
    drift,
    settings,
    statement,
    unavailable,
    value,
)

__all__ = ["meaning_of_code"]

_PRIMARY = 0xFF
"""An extended code has the primary one in its last eight bits."""
_ERROR = 1

_NO_FILE = settings(
    "a file with a SQLite database",
    "none that can be opened",
    "Correct `database` of the source's block: the path of the file, on every machine that reads.",
)
_NO_DATABASE = settings(
    "a file with a SQLite database",
    "a file that is none, or that is encrypted",
    "Correct `database` of the source's block.",
)
_MISSING = "Compare the contract with the source's tables."
_DAMAGE = "Run PRAGMA integrity_check on the file, or bring back a copy. Nothing was published."
_LOCKED = conflict("a lock that another program holds on the file")
_CODES: Mapping[int, Meaning] = MappingProxyType(
    {
        3: access("a file that may not be read"),
        5: _LOCKED,
        6: _LOCKED,
        7: unavailable("no memory left"),
        8: statement("one that writes, in a session that only reads"),
        9: unavailable(
            "no answer within the timeout",
            "Raise `statement_timeout_seconds` of the source's block; then run again.",
        ),
        10: unavailable("a failure of the disk or the file system"),
        11: value("damaged data", _DAMAGE),
        13: unavailable("a full disk"),
        14: _NO_FILE,
        18: value("a value that is too large", "Look for it in the source. Nothing was published."),
        23: access("a statement that may not be run"),
        26: _NO_DATABASE,
    }
)


def meaning_of_code(code: int, message: str = "") -> Meaning:
    """What a result code means.

    Args:
        code: Primary or extended.
        message: Of a statement that does not compile, which has one code for all reasons.
    """
    primary = code & _PRIMARY
    if primary == _ERROR and "no such table" in message:
        return drift("a table is missing", _MISSING)
    if primary == _ERROR and "no such column" in message:
        return drift("a column is missing", _MISSING)
    return _CODES.get(primary, statement("one that it refuses"))
