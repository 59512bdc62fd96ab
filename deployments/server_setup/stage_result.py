"""What became of one thing that a server is to have: made, changed, unchanged, or amiss."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Outcome", "State"]


class State(StrEnum):
    """How a thing on the server compares with what is asked for, and what was done about it."""

    MADE = "made"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    LEFT = "left"
    MISSING = "missing"

    @classmethod
    def of(cls, before: object | None, after: object) -> State:
        """The state of a thing from what it was, None for nothing, and what it is now."""
        if before is None:
            return cls.MADE
        return cls.UNCHANGED if before == after else cls.CHANGED


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing on the server.

    Attributes:
        kind: 'block', 'work pool', 'deployment', 'concurrency limit' and so on.
        name: Its name there.
        state: What was done about it. `LEFT` is something that is no longer asked for and was not
            touched, `MISSING` something that is needed and could not be made.
        id: The server's id of it; empty where there is none.
        note: What to know or to do, in words.
    """

    kind: str
    name: str
    state: State
    id: str = ""
    note: str = ""
