"""What the reads of a source return, drawn as data: many lots, each a history of its own.

Times are numbers on a grid of six hours, so that one history suits stamps of every type; the read
number r happens at 4 * r. `LOT` is a key column that keeps the histories of one table apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.source_model.reference import Read, Row

LOT, STAMP, OPERATION = "lot", "updated_at", "op"
FIRST = datetime(2024, 3, 30, tzinfo=UTC)
"""Of the first read; the clocks of Berlin go forward in the night after it."""
BETWEEN = 4
"""Steps of the grid from one read to the next."""


class Said(NamedTuple):
    """One row of a read; `stamp`: a number on the grid."""

    id: int | None
    value: str | None
    rest: int
    stamp: int | None
    operation: str | None = "upsert"


Lot = tuple[tuple[Said, ...], ...]
"""The rows of the source at each read."""


def moment(step: float) -> datetime:
    """The instant of a number on the grid."""
    return FIRST + timedelta(hours=6 * step)


@dataclass(frozen=True)
class Stamps:
    """A type of stamps: the value of a number on the grid, and the time it tells, if any."""

    name: str
    arrow: pa.DataType
    value: Callable[[int], Any]
    time: Callable[[int], datetime | None]

    def told(self, step: int | None) -> Any:
        return None if step is None else self.value(step)

    def stated(self, step: int | None) -> datetime | None:
        return None if step is None else self.time(step)


def _day(step: int) -> date:
    return moment(step).date()


MOMENTS = Stamps("moments", pa.timestamp("us", tz="UTC"), moment, moment)
WALL_CLOCK = Stamps(
    "wall clock", pa.timestamp("us"), lambda step: moment(step).replace(tzinfo=None), moment
)
DAYS = Stamps(
    "days", pa.date32(), _day, lambda step: datetime.combine(_day(step), datetime.min.time(), UTC)
)
NUMBERS = Stamps("numbers", pa.int64(), lambda step: step, lambda _step: None)


class Asked(NamedTuple):
    """How a read asked: for everything, or for stamps from `low` on (a number on the grid)."""

    full: bool
    low: int = 0

    def returns(self, stamps: Stamps, said: Said) -> bool:
        stated = stamps.stated(said.stamp)
        return self.full or said.stamp is None or (stated or FIRST) >= moment(self.low)


class Step(NamedTuple):
    """One load: of which read, which part of it, and after which step of the load it dies."""

    read: int
    part: int | None = None
    dies: str | None = None


@dataclass(frozen=True)
class Plan:
    """How the reads of one table ask, and the order in which they are loaded."""

    asked: tuple[Asked, ...]
    steps: tuple[Step, ...]

    def read(self, stamps: Stamps, lot: Lot, number: int) -> Read:
        """What the reference is told of a read; a row that was sent twice is one row."""
        asked = self.asked[number]
        rows = {row_of(stamps, said) for said in lot[number] if asked.returns(stamps, said)}
        return Read(moment(BETWEEN * number), asked.full, tuple(rows))

    def is_sure(self, stamps: Stamps, lot: Lot) -> bool:
        """Whether it makes no difference to a lot in which order the reads are loaded.

        A read that is not full does not tell a key that is gone from one that is as it was, nor
        does any read keep that a row was refused: nobody knows what they say of what is loaded
        later and is older.
        """
        if any(
            row_of(stamps, said).refused for rows in lot for said in rows if said.id is not None
        ):
            return False
        for number, asked in enumerate(self.asked):
            if asked.full:
                continue
            found = {said.id for said in lot[number] if asked.returns(stamps, said)}
            before = (said for rows in lot[:number] for said in rows)
            if any(said.id not in found and asked.returns(stamps, said) for said in before):
                return False
        return True

    def __str__(self) -> str:
        reads = ", ".join("full" if each.full else f"from {each.low}" for each in self.asked)
        loads = ", ".join(
            f"{step.read}{'' if step.part is None else f' part {step.part}'}"
            f"{f' dies {step.dies}' if step.dies else ''}"
            for step in self.steps
        )
        return f"reads: {reads}; loads: {loads}"


def row_of(stamps: Stamps, said: Said) -> Row:
    """The row as the reference sees it."""
    operation = said.operation or "upsert"
    refused = said.id is None or operation not in ("upsert", "delete")
    return Row(said.id, said.value, said.rest, stamps.stated(said.stamp), operation, refused)


def partly(said: Said, part: int | None) -> bool:
    """Whether a row is in that part of its read: all rows of a key are in the same."""
    return part is None or (said.id or 0) % 2 == part


VALUES, RESTS = ("a", "b", "c", None), (0, 1)
ACTIONS = (
    *("same", "same", "same", "change", "change", "silent", "touch", "rest", "gone", "gone"),
    *("back", "back", "twice", "unknown", "left", "keyless"),
)


@st.composite
def stamps_at(draw: st.DrawFn, read: int, reads: int) -> int | None:
    """A stamp as a source would have it at a read: mostly since the one before, or any other."""
    now = BETWEEN * read
    near = st.sampled_from((now - 1, now - 2, now - 3, now, now - BETWEEN, now + 1, now - 6))
    return draw(near | near | st.none() | st.integers(-BETWEEN, BETWEEN * (reads + 2)))


@st.composite
def keys_of(draw: st.DrawFn, number: int, reads: int) -> tuple[tuple[Said, ...], ...]:
    """What each read returns of one key."""
    row: Said | None = None
    before = [Said(number, draw(st.sampled_from(VALUES)), 0, draw(stamps_at(0, reads)))]
    told = []
    for read in range(reads):
        action = draw(st.sampled_from(ACTIONS))
        row, rows = _after(draw, action, row, before, draw(stamps_at(read, reads)))
        if row is not None:
            before.append(row)
        told.append(rows)
    return tuple(told)


def _after(
    draw: st.DrawFn, action: str, row: Said | None, before: list[Said], stamp: int | None
) -> tuple[Said | None, tuple[Said, ...]]:
    """The row of the source after an action, and what a read then returns."""
    if action == "gone":
        return None, ()
    if action == "back" or row is None:
        row = draw(st.sampled_from(before))
    value, rest = draw(st.sampled_from(VALUES)), draw(st.sampled_from(RESTS))
    others = {
        "change": {"value": value, "rest": rest, "stamp": stamp},
        "silent": {"value": value},
        "touch": {"stamp": stamp},
        "rest": {"rest": 1 - row.rest, "stamp": stamp},
    }
    row = row._replace(**others.get(action, {}))
    read = {
        "twice": (row, row._replace(value=value, rest=rest)),
        "unknown": (row._replace(operation="truncate"),),
        "left": (row._replace(operation="delete", stamp=stamp),),
        "keyless": (row, row._replace(id=None)),
    }
    return row, read.get(action, (row,))


@st.composite
def lots(draw: st.DrawFn, reads: int) -> Lot:
    """One or two keys in all their troubles."""
    keys = [draw(keys_of(number, reads)) for number in range(draw(st.integers(1, 2)))]
    return tuple(tuple(said for key in keys for said in key[read]) for read in range(reads))


@st.composite
def plans(draw: st.DrawFn, reads: int, *, any_low: bool = True) -> Plan:
    """Reads of either kind, loaded in any order: some in two parts, some again, some die."""
    asked = []
    for read in range(reads):
        low = st.integers(BETWEEN * (read - 2), BETWEEN * read) if any_low else st.just(-BETWEEN)
        asked.append(Asked(full=draw(st.booleans()), low=draw(low)))
    # The parts of a read follow each other: until the last one is loaded, nobody can tell a key
    # that the read did not return from one of a part that is yet to come.
    loads = [[Step(read)] for read in range(reads)]
    for read in draw(st.lists(st.sampled_from(range(reads)), max_size=3, unique=True)):
        if asked[read].full:
            loads.append([Step(read)])
        else:
            loads[read] = [Step(read, 0), Step(read, 1)]
    if draw(st.booleans()):
        loads = draw(st.permutations(loads))
    steps = [step for load in loads for step in load]
    dying = draw(st.lists(st.tuples(st.integers(0, len(steps) - 1), DEATHS), max_size=2))
    for place, dies in dying:
        steps.insert(place, steps[place]._replace(dies=dies))
    return Plan(tuple(asked), tuple(steps))


DEATHS = st.sampled_from(("written", "audited", "published"))


def drawn(strategy: st.SearchStrategy[Any], count: int, *, fixed: int | None = None) -> list[Any]:
    """`count` values; the same each time where `fixed` is a seed, else as the profile decides."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    (collect if fixed is None else seed(fixed)(collect))()
    return found


def smaller(lot: Lot) -> Iterator[Lot]:
    """The same without one row, or with one row made as the one before it."""
    for read, rows in enumerate(lot):
        for place, said in enumerate(rows):
            yield (*lot[:read], (*rows[:place], *rows[place + 1 :]), *lot[read + 1 :])
            earlier = [each for each in lot[read - 1] if read and each.id == said.id][:1]
            if earlier and earlier != [said]:
                again = (*rows[:place], earlier[0], *rows[place + 1 :])
                yield (*lot[:read], again, *lot[read + 1 :])
