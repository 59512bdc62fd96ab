"""The cases: how many rows, which kind of load, and which rows change in a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["AIMS", "KINDS", "Case", "LoadKind"]

LoadKind = Literal["incremental", "full"]
KINDS: tuple[LoadKind, ...] = ("incremental", "full")
AIMS: dict[LoadKind, float] = {"incremental": 1.05, "full": 1.10}
"""How long a load may take, relative to the base."""


@dataclass(frozen=True, slots=True)
class Case:
    """One table loaded in one way.

    Attributes:
        kind: `incremental` reads the rows after the watermark; `full` reads everything, and closes
            absent keys.
        rows: Rows of the source before the first round.
        changed: Rows that change in a round.
        rounds: Measured rounds; one more precedes them.
    """

    kind: LoadKind
    rows: int
    changed: int
    rounds: int

    def __post_init__(self) -> None:
        """Check that every round of both kinds has keys that no other round changes.

        Raises:
            ValueError: There are too few rows for that, or nothing would be measured.
        """
        if self.rounds < 1 or self.changed < 1:
            message = "a round or more, and a row or more that changes in it"
            raise ValueError(message)
        needed = self.changed * len(KINDS) * (self.rounds + 1)
        if self.rows < needed:
            message = f"{self.rows} rows are too few for these rounds, which change {needed} keys"
            raise ValueError(message)

    @property
    def name(self) -> str:
        """Of the contract and of its table."""
        return f"accounts_{self.rows}_{self.kind}"

    @property
    def deletes(self) -> bool:
        """Whether rounds insert and delete keys: an incremental load does not see deleted ones."""
        return self.kind == "full"

    @property
    def numbers(self) -> range:
        """The numbers of its rounds, the warm-up first; those of the other kind differ."""
        first = KINDS.index(self.kind) * (self.rounds + 1)
        return range(first, first + self.rounds + 1)

    def chosen(self, number: int) -> dict[str, int]:
        """The keys of a round: `first`, `last` (included) and `stride`."""
        stride = self.rows // self.changed
        first = number + 1
        return {"first": first, "last": first + (self.changed - 1) * stride, "stride": stride}
