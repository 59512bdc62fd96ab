"""How long to wait before looking again."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

__all__ = ["growing_intervals"]


def growing_intervals(
    first: float, longest: float, chance: Random, *, factor: float = 1.6
) -> Iterator[float]:
    """Pauses in seconds that grow to a longest one, each up to a fifth shorter by chance.

    Many runs that began together would otherwise ask together for ever.
    """
    pause = first
    while True:
        yield pause * (1 - chance.random() / 5)
        pause = min(pause * factor, longest)
