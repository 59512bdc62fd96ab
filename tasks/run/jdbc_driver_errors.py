"""What the JDBC drivers of databases other than PostgreSQL raise inside Spark.

Promise: the number or SQLSTATE of an exception is used, its text only to tell apart what SQLite has
one number for; none of it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blocks.jdbc.jdbc_errors import meaning_of_exception
from blocks.mariadb.mariadb_errors import meaning_of_number
from blocks.source_dialects.error_meanings import Meaning
from blocks.sqlite.sqlite_errors import meaning_of_code
from contracts.errors import StrandlineError

__all__ = ["DriverError", "driver_error"]

_OF_JDBC = re.compile(r"\.\w*SQL\w*Exception$")
_NOT_THESE = ("org.apache.spark.", "org.postgresql.")
_MARIADB, _SQLITE = "org.mariadb.jdbc.", "org.sqlite."
_MOST_FRAMES = 5
_CONNECTION_LOST = 2013


@dataclass(frozen=True, slots=True)
class DriverError:
    """What a driver raised: its meaning, and the number or state that it has it from."""

    meaning: Meaning
    detail: str

    def error(self, where: str) -> StrandlineError:
        """The error at a place."""
        return self.meaning.error(where, self.detail)


def driver_error(causes: Iterable[Any]) -> DriverError | None:
    """What the first of the JVM's exceptions means that a driver raised; None: none did."""
    for cause in causes:
        name = str(cause.getClass().getName())
        if not _OF_JDBC.search(name) or name.startswith(_NOT_THESE):
            continue
        frames = cause.getStackTrace()
        raised_in = [str(frames[at].getClassName()) for at in range(min(len(frames), _MOST_FRAMES))]
        number, state = int(cause.getErrorCode()), cause.getSQLState()
        if any(name.startswith(_SQLITE) for name in raised_in):
            return DriverError(meaning_of_code(number, str(cause.getMessage())), f"code {number}")
        if any(name.startswith(_MARIADB) for name in raised_in):
            # The driver's own failures have a state, and no number of the server's: 0 or -1.
            lost = number <= 0 and str(state).startswith("08")
            known = _CONNECTION_LOST if lost else number
            return DriverError(meaning_of_number(known), f"error {number}, SQLSTATE {state}")
        return DriverError(*meaning_of_exception(cause))
    return None
