"""The meaning of a database's error: its class in `contracts.errors`, and what the user is told.

Promise: no text of a server is in it. Only what may pass by itself becomes a retryable error.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import (
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceConflictError,
    SourceUnavailableError,
    SourceValueError,
    StrandlineError,
)

__all__ = [
    "Meaning",
    "access",
    "conflict",
    "drift",
    "settings",
    "statement",
    "unavailable",
    "value",
]

LOG = "Look into the database's log, then run again."
"""What to do about a failure of the server itself."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """An error without its `where`.

    Args:
        kind: Its class.
        expected: What was needed.
        found: What was found instead.
        next_step: What to do.
    """

    kind: type[StrandlineError]
    expected: str
    found: str
    next_step: str

    def error(self, where: str, detail: str = "") -> StrandlineError:
        """The error at `where`; `detail` (a SQLSTATE, a limit) is appended to `found`."""
        return self.kind(
            where=where,
            expected=self.expected,
            found=f"{self.found} ({detail})" if detail else self.found,
            next_step=self.next_step,
        )


def unavailable(found: str, next_step: str | None = None) -> Meaning:
    """No answer, which may come later."""
    default = "See that the database runs and can be reached from here, then run again."
    return Meaning(SourceUnavailableError, "an answer in time", found, next_step or default)


def conflict(found: str) -> Meaning:
    """Another transaction is in the way."""
    expected = "no other transaction in the way"
    return Meaning(SourceConflictError, expected, found, LOG)


def access(found: str, next_step: str | None = None) -> Meaning:
    """The user, the password or the permission is refused."""
    default = "Correct the source's block, or ask its administrator for access."
    expected = "access with the user, the password and the ssl_mode of the block"
    return Meaning(SourceAccessError, expected, found, next_step or default)


def settings(expected: str, found: str, next_step: str) -> Meaning:
    """Something has to be set otherwise."""
    return Meaning(SettingsError, expected, found, next_step)


def statement(found: str) -> Meaning:
    """The database refuses a statement."""
    expected, next_step = (
        "a statement that the database can run",
        "Correct the expression or filter in the contract.",
    )
    return settings(expected, found, next_step)


def drift(found: str, next_step: str) -> Meaning:
    """The tables are not as the contract says."""
    expected = "the tables and columns that the contract names"
    return Meaning(SchemaDriftError, expected, found, next_step)


def value(found: str, next_step: str) -> Meaning:
    """The database fails on a value."""
    expected = "values that the database can compute and hand over"
    return Meaning(SourceValueError, expected, found, next_step)
