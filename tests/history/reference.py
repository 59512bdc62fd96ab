"""The history of change events in plain Python: slow, obvious, and independent of the engine.

Values are compared with Python's `==`. Whoever builds events brings each value into a form in which
that means what it should (see `tests.history.values.meaning`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import Any, NamedTuple


class Known(Enum):
    """What stands in the place of a value that an event does not know."""

    NOT = "not known"


@dataclass(frozen=True)
class Event:
    """One change event; `tracked` opens versions, `rest` is overwritten within them.

    Values may be `Known.NOT`: the event is from before the column was added.
    """

    key: tuple[Any, ...]
    at: Any
    tracked: tuple[Any, ...]
    rest: tuple[Any, ...] = ()
    operation: str = "upsert"
    tie: tuple[Any, ...] = ()
    first: Any = None

    @property
    def accepted(self) -> bool:
        known = self.operation in ("upsert", "delete")
        return known and None not in self.key and self.at is not None


class Version(NamedTuple):
    """What the event that opened it says, the newest `rest`, and when it holds; end None: open.

    What the opening event does not know is what a later one of the version says.
    """

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
        last: tuple[Any, ...] = ()
        for _, group in groupby(sorted(mine, key=lambda e: rank(e.at)), key=lambda e: e.at):
            here = list(group)
            greatest = max([rank(value) for value in event.tie] for event in here)
            strongest = [e for e in here if [rank(value) for value in e.tie] == greatest]
            superseded.update(set(here) - set(strongest))
            event = united(strongest)
            if event is None:
                refused.update(strongest)
                continue  # contested: nobody knows what was true here
            if event.operation == "upsert" and is_open and agree(last, event.tracked):
                was = versions[-1]
                told = told_by(event.tracked, was.tracked), told_by(event.rest, was.rest)
                versions[-1] = was._replace(tracked=told[0], rest=told[1])
            else:
                if is_open:
                    versions[-1] = versions[-1]._replace(end=event.at)
                is_open = event.operation == "upsert"
                if is_open:
                    versions.append(opened(event, rank, is_first=is_first))
            last = told_by(event.tracked, last) if is_open else ()
            is_first = False
    return {seen(version) for version in versions}, refused, superseded


def agree(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether nothing that both know differs."""
    pairs = zip(one, other, strict=False)
    return all(a == b or Known.NOT in (a, b) for a, b in pairs)


def told_by(one: tuple[Any, ...], otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of the one, and where it does not know, those of the other."""
    if not otherwise:
        return one
    return tuple(b if a is Known.NOT else a for a, b in zip(one, otherwise, strict=True))


def united(here: list[Event]) -> Event | None:
    """What the events of one instant say together; None: they contradict each other."""
    whole = here[0]
    for event in here[1:]:
        deletes = [each.operation == "delete" for each in (whole, event)]
        if all(deletes):
            continue
        said = [(*each.tracked, *each.rest, each.first) for each in (whole, event)]
        if any(deletes) or not agree(*said):
            return None
        whole = replace(
            whole,
            tracked=told_by(whole.tracked, event.tracked),
            rest=told_by(whole.rest, event.rest),
        )
    return whole


def seen(version: Version) -> Version:
    """The version as a table shows it: null where nothing is known."""
    return version._replace(
        tracked=tuple(None if value is Known.NOT else value for value in version.tracked),
        rest=tuple(None if value is Known.NOT else value for value in version.rest),
    )


def opened(event: Event, rank: Rank, *, is_first: bool) -> Version:
    """The version an event opens; the first event of a key may date it back."""
    earlier = is_first and event.first is not None and rank(event.first) < rank(event.at)
    start = event.first if earlier else event.at
    return Version(
        event.key, event.at, event.tracked, event.tie, event.first, event.rest, start, None
    )
