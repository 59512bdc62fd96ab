"""What is loaded: how many rows, in which way, and which of them change in a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["AIMS", "KINDS", "Case", "LoadKind"]

LoadKind = Literal["incremental", "full"]
KINDS: tuple[LoadKind, ...] = ("incremental", "full")
AIMS: dict[LoadKind, float] = {"incremental": 1.05, "full": 1.10}
"""How long a load may take, the base's being 1."""


@dataclass(frozen=True, slots=True)
class Case:
    """One table loaded in one way.

    Attributes:
        kind: `incremental` reads what lies past the watermark; `full` reads everything, and what
            is absent closes.
        rows: Rows of the source before the first round.
        changed: Rows that change in a round.
        rounds: Measured rounds; one more goes before them.
    """

    kind: LoadKind
    rows: int
    changed: int
    rounds: int

    def __post_init__(self) -> None:
        """Every round of both kinds needs keys that no other has changed.

        Raises:
            ValueError: There are too few rows for that, or nothing would be measured.
        """
        if self.rounds < 1 or self.changed < 1:
            message = "a round or more, and a row or more that changes in it"
            raise ValueError(message)
        least = self.changed * len(KINDS) * (self.rounds + 1)
        if self.rows < least:
            message = f"{self.rows} rows are too few for these rounds, which change {least} keys"
            raise ValueError(message)

    @property
    def name(self) -> str:
        """Of the contract and of its table."""
        return f"accounts_{self.rows}_{self.kind}"

    @property
    def deletes(self) -> bool:
        """Whether keys come and go: an incremental load does not see who has gone."""
        return self.kind == "full"

    @property
    def numbers(self) -> range:
        """The numbers of its rounds, the warm-up first; no other kind has them."""
        first = KINDS.index(self.kind) * (self.rounds + 1)
        return range(first, first + self.rounds + 1)

    def chosen(self, number: int) -> dict[str, int]:
        """The keys of a round: `first`, `last` (included) and `stride`."""
        stride = self.rows // self.changed
        first = number + 1
        return {"first": first, "last": first + (self.changed - 1) * stride, "stride": stride}
