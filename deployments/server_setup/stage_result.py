"""The outcome for one object on a server: made, changed, unchanged, left, or missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Outcome", "State"]


class State(StrEnum):
    """How an object on the server compares with the project, and what was done about it."""

    MADE = "made"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    LEFT = "left"
    MISSING = "missing"

    @classmethod
    def of(cls, before: object | None, after: object) -> State:
        """The state of an object from its values before, None if it is new, and its values now."""
        if before is None:
            return cls.MADE
        return cls.UNCHANGED if before == after else cls.CHANGED


@dataclass(frozen=True, slots=True)
class Outcome:
    """One object on the server.

    Attributes:
        kind: 'block', 'work pool', 'deployment', 'concurrency limit' and so on.
        name: Its name there.
        state: What was done about it. `LEFT` is an object that is no longer configured and was not
            touched, `MISSING` an object that is needed and could not be made.
        id: The server's id of it; empty where there is none.
        note: A remark, or the next step, as text.
    """

    kind: str
    name: str
    state: State
    id: str = ""
    note: str = ""
