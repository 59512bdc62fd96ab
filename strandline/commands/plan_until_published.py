"""What is planned, shown and published: once more where another writer publishes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from contracts.errors import CommitConflictError
from strandline.terminal.console_output import CommandOutput

__all__ = ["until_published"]

_Answer = TypeVar("_Answer")
_ATTEMPTS = 5


def until_published(screen: CommandOutput, attempt: Callable[[], _Answer]) -> _Answer:
    """The answer of an attempt that no other writer got ahead of.

    Raises:
        CommitConflictError: Others were faster each time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except CommitConflictError:
            screen.log("another writer published first; planned anew")
    return attempt()
