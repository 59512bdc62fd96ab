"""The history of change events in plain Python: slow, obvious, and independent of the engine.

Values are compared with Python's `==`. Whoever builds events brings each value into a form in which
that means what it should (see `tests.history.values.meaning`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Event:
    """One change event; `tracked` opens versions, `rest` is overwritten within them."""

    key: tuple[Any, ...]
    at: Any
    tracked: tuple[Any, ...]
    rest: tuple[Any, ...] = ()
    operation: str = "upsert"
    tie: tuple[Any, ...] = ()
    first: Any = None

    @property
    def said(self) -> tuple[Any, ...]:
        return ("delete",) if self.operation == "delete" else (self.tracked, self.rest, self.first)

    @property
    def accepted(self) -> bool:
        known = self.operation in ("upsert", "delete")
        return known and None not in self.key and self.at is not None


class Version(NamedTuple):
    """What the event that opened it says, the newest `rest`, and when it holds; end None: open."""

    key: tuple[Any, ...]
    at: Any
    tracked: tuple[Any, ...]
    tie: tuple[Any, ...]
    first: Any
    rest: tuple[Any, ...]
    start: Any
    end: Any


Rank = Callable[[Any], Any]


def history(events: Iterable[Event], rank: Rank) -> tuple[set[Version], set[Event], set[Event]]:
    """The versions, the refused events, and those that a greater tie-breaker made irrelevant.

    `rank` makes values sortable, None being the smallest.
    """
    distinct = set(events)
    refused = {event for event in distinct if not event.accepted}
    superseded: set[Event] = set()
    versions: list[Version] = []
    by_key: dict[tuple[Any, ...], set[Event]] = {}
    for event in distinct - refused:
        by_key.setdefault(event.key, set()).add(event)
    for mine in by_key.values():
        is_open, is_first = False, True
        for _, group in groupby(sorted(mine, key=lambda e: rank(e.at)), key=lambda e: e.at):
            here = list(group)
            greatest = max([rank(value) for value in event.tie] for event in here)
            strongest = [e for e in here if [rank(value) for value in e.tie] == greatest]
            superseded.update(set(here) - set(strongest))
            if len({event.said for event in strongest}) > 1:
                refused.update(strongest)
                continue  # contested: nobody knows what was true here
            event = strongest[0]
            if event.operation == "upsert" and is_open and versions[-1].tracked == event.tracked:
                versions[-1] = versions[-1]._replace(rest=event.rest)
            else:
                if is_open:
                    versions[-1] = versions[-1]._replace(end=event.at)
                is_open = event.operation == "upsert"
                if is_open:
                    versions.append(opened(event, rank, is_first=is_first))
            is_first = False
    return set(versions), refused, superseded


def opened(event: Event, rank: Rank, *, is_first: bool) -> Version:
    """The version an event opens; the first event of a key may date it back."""
    earlier = is_first and event.first is not None and rank(event.first) < rank(event.at)
    start = event.first if earlier else event.at
    return Version(
        event.key, event.at, event.tracked, event.tie, event.first, event.rest, start, None
    )
