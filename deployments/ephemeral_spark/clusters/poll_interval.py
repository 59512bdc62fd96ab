"""How long to wait before polling again."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

__all__ = ["growing_intervals"]


def growing_intervals(
    first: float, longest: float, random: Random, *, factor: float = 1.6
) -> Iterator[float]:
    """Intervals in seconds that grow up to `longest`, each shortened at random by up to a fifth.

    Otherwise runs that began together would poll together for ever.
    """
    interval = first
    while True:
        yield interval * (1 - random.random() / 5)
        interval = min(interval * factor, longest)
