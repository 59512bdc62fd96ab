"""Event sets for one table layout, each with several ways of cutting them into batches.

Events are dicts of column to value. Hypothesis draws the sets; `LOT` is a key column that keeps
apart the histories of one table, so that hundreds of them are loaded at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from history import HistorySettings
from tests.history.reference import Event
from tests.history.values import BIGINT, INT, STRING, Kind, meaning, near, rank, twin

LOT, SERIAL, OPERATION = "lot", "serial", "Op"
Row = dict[str, Any]
Batches = tuple[tuple[Row, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A table: its columns with their types, its settings, and the session it is loaded in.

    `attributes` are the columns that are neither key, sequence, tie-breaker nor first start. The
    columns `lot` (of the key), `serial` (carried) and `Op` are added.
    """

    name: str
    settings: HistorySettings = field(repr=False)
    kinds: Mapping[str, Kind] = field(repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def columns(self) -> dict[str, Kind]:
        operation = {OPERATION: STRING} if self.settings.operation else {}
        return {LOT: INT, **self.kinds, SERIAL: BIGINT, **operation}

    @property
    def compared(self) -> tuple[str, ...]:
        return self.settings.compared(tuple(self.columns))

    @property
    def overwritten(self) -> tuple[str, ...]:
        return self.settings.overwritten(tuple(self.columns))


def layout(
    name: str, kinds: Mapping[str, Kind], session: Mapping[str, str] | None = None, **told: Any
) -> Layout:
    """A layout of which `told` are the settings; `key` is without the lot."""
    told = {"operation": OPERATION, **told, "carried": (SERIAL, *told.get("carried", ()))}
    told["key"] = (LOT, *told["key"])
    return Layout(
        name=name, settings=HistorySettings(**told), kinds=kinds, session=dict(session or {})
    )


@dataclass(frozen=True)
class Example:
    """Events and, for each way of loading them, the batches as tuples of positions in `events`."""

    events: tuple[Row, ...]
    ways: tuple[tuple[tuple[int, ...], ...], ...]

    def batches(self, way: int) -> Batches:
        """The rows of each batch, in the order of the way."""
        return tuple(tuple(self.events[place] for place in batch) for batch in self.ways[way])

    def without(self, place: int) -> Example:
        """The same but for one event."""
        moved = {old: old - (old > place) for old in range(len(self.events)) if old != place}
        ways = tuple(
            tuple(tuple(moved[old] for old in batch if old != place) for batch in way)
            for way in self.ways
        )
        return Example((*self.events[:place], *self.events[place + 1 :]), ways)

    def smaller(self) -> Iterator[Example]:
        """The same without one event, or without one repetition."""
        for place in range(len(self.events)):
            yield self.without(place)
        for number, way in enumerate(self.ways):
            for at, batch in enumerate(way):
                for place in batch:
                    if sum(other.count(place) for other in way) > 1:
                        less = tuple(each for each in batch if each != place)
                        cut = (*way[:at], less, *way[at + 1 :])
                        yield Example(
                            self.events, (*self.ways[:number], cut, *self.ways[number + 1 :])
                        )


def event_of(layout: Layout, row: Row) -> Event:
    """The row as the reference sees it."""
    settings = layout.settings
    told = {name: meaning(value) for name, value in row.items()}
    operation = (told.get(OPERATION) or "upsert").strip(" ").lower()
    event = Event(
        key=tuple(told[name] for name in settings.key if name != LOT),
        at=told[settings.sequence],
        tracked=tuple(told[name] for name in layout.compared),
        rest=tuple(told[name] for name in layout.overwritten),
        operation=operation,
        tie=tuple(told[name] for name in settings.tie_breaker),
        first=told.get(settings.first_valid_from or ""),
    )
    if operation == "delete":  # whatever else it brings
        return replace(event, tracked=(), rest=(), first=None)
    return event


OPERATIONS = ("upsert", "upsert", "upsert", None, "delete", "delete", " Delete ", "truncate")


@st.composite
def states(draw: st.DrawFn, layout: Layout, names: tuple[str, ...], most: int) -> list[Row]:
    """A few states of the named columns: the others have one column unlike the first, or alike."""
    values = {name: st.none() | layout.kinds[name].values for name in names}
    first = {name: draw(values[name]) for name in names}
    some = st.lists(st.sampled_from(names), min_size=1, max_size=most - 1) if names else st.just([])
    changed = draw(some)
    others = {
        name: values[name]
        | st.just(near(first[name], layout.kinds[name].arrow))
        | st.just(twin(first[name]))
        for name in changed
    }
    return [first, *({**first, name: draw(others[name])} for name in changed)]


@st.composite
def event_sets(draw: st.DrawFn, layout: Layout, batches: int) -> Example:
    """Up to seven events of one or two keys at up to four instants, in all their troubles."""
    settings = layout.settings
    keys = [name for name in settings.key if name != LOT]
    draws = {name: layout.kinds[name].values for name in keys}
    some_keys = draw(st.lists(st.fixed_dictionaries(draws), min_size=1, max_size=2))
    moments = layout.kinds[settings.sequence].values
    some_moments = draw(st.lists(moments, min_size=2, max_size=4, unique_by=meaning))
    tracked = draw(states(layout, layout.compared, 3))
    rest = draw(states(layout, layout.overwritten, 3))
    ties = draw(states(layout, settings.tie_breaker, 2))
    dates = draw(states(layout, tuple(filter(None, [settings.first_valid_from])), 3))
    told = {*keys, settings.sequence, *tracked[0], *rest[0], *ties[0], *dates[0]}
    others = {name: kind.values for name, kind in layout.kinds.items() if name not in told}
    events = []
    for _ in range(draw(st.sampled_from((5, 6, 4, 7, 3, 2, 1)))):
        moment = draw(st.integers(0, len(some_moments) - 1))
        event = {
            **draw(st.sampled_from(some_keys)),
            settings.sequence: some_moments[moment],
            **draw(st.sampled_from(tracked)),
            **draw(st.sampled_from(rest)),
            **draw(st.sampled_from(ties)),
            **draw(st.sampled_from(dates)),
            **draw(st.fixed_dictionaries(others)),
        }
        if settings.operation:
            event[OPERATION] = draw(st.sampled_from(OPERATIONS))
        trouble = draw(st.integers(0, 15))
        if trouble == 0:
            event[draw(st.sampled_from([*keys, settings.sequence]))] = None
        elif trouble < 6:
            event = {name: twin(value) for name, value in event.items()}
        events.append(event)
    places = draw(st.permutations(range(len(events))))
    masks = st.lists(st.integers(1, 2**batches - 1), min_size=len(events), max_size=len(events))
    return Example(tuple(events), ways(layout, events, places, draw(masks), batches))


def ways(
    layout: Layout, events: list[Row], places: list[int], masks: list[int], batches: int
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """All at once; in order; backwards; at random with repetitions.

    Where events that open nothing are not remembered, nothing may arrive late: in order only, and
    repetitions only of what was loaded before.
    """
    sequence = layout.settings.sequence
    instants = sorted({rank(meaning(event[sequence])) for event in events})
    when = [instants.index(rank(meaning(event[sequence]))) for event in events]
    chunk = [instant * batches // len(instants) for instant in when]

    def cut(numbers: dict[int, int]) -> tuple[tuple[int, ...], ...]:
        """The batches, of each place's mask: bit b says that it is in batch b."""
        return tuple(tuple(p for p in places if numbers[p] >> b & 1) for b in range(batches))

    at_once = cut(dict.fromkeys(places, 1))
    in_order = cut({place: 1 << chunk[place] for place in places})
    if not layout.settings.remember_unchanged:
        again = cut({p: 1 << chunk[p] | masks[p] >> chunk[p] << chunk[p] for p in places})
        return (at_once, in_order, again)
    backwards = cut({place: 1 << (batches - 1 - chunk[place]) for place in places})
    return (at_once, in_order, backwards, cut(dict(enumerate(masks))))


def drawn(layout: Layout, count: int, batches: int, *, fixed: int | None = None) -> list[Example]:
    """`count` examples of Hypothesis; the same each time where `fixed` is a seed.

    Otherwise the profile decides: the same in the everyday one, others each night.
    """
    found: list[Example] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(event_sets(layout, batches))
    def collect(example: Example) -> None:
        found.append(example)

    (collect if fixed is None else seed(fixed)(collect))()
    return found


def shuffled(rows: list[Row], number: int) -> list[Row]:
    """The rows of a batch in another order, the same for each number."""
    return Random(number).sample(rows, len(rows))  # noqa: S311
