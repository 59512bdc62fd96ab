"""The versions of one key as a timeline: a bar per version over a common axis, and what changed.

Promise: a version that holds for however short a time has a bar, and a gap (the record was
deleted and came back) is shown as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from strandline.queries.dates_beyond_python_range import is_temporal, micros_of
from strandline.queries.versions_of_key import KeyHistory, Moment, Version
from strandline.terminal.number_format import many, moment, value
from strandline.terminal.text_table import facts

_BESIDE = 100
_LEAST_BAR, _MOST_BAR = 10, 48
_FROM_TO = 36
_TAIL = 0.25
_SECOND = 1_000_000
_BLOCKS = ("█", "▶", "·", " → ")
_ASCII = ("=", ">", ".", " > ")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline: a version, or a gap between two (`version` is None)."""

    start: Moment
    end: Moment | None
    version: Version | None
    changed: tuple[str, ...] = ()


def version_chart(
    history: KeyHistory, *, now: datetime, width: int, blocks: bool = True
) -> RenderableType:
    """The history drawn within `width` columns.

    Bars are to scale up to the last change; a quarter of that is left for what came after it, or
    less if `now` is nearer. `blocks` is whether the terminal can show more than ASCII.
    """
    glyphs = _BLOCKS if blocks else _ASCII
    axis = _Axis.of(history, now)
    rows = list(_rows(history))
    body = (
        _beside(rows, axis, width=width, glyphs=glyphs)
        if width >= _BESIDE
        else _below(rows, axis, width=width, glyphs=glyphs)
    )
    return Group(_title(history), Text(), body, Text(), *_in_full(history))


def _title(history: KeyHistory) -> Text:
    key = ", ".join(f"{name} {value(cell)}" for name, cell in history.key.items())
    title = Text.assemble((history.table, "bold"), "  ", (key, "bold cyan"))
    shown = many(len(history.versions), "version")
    title.append(f"  {'the newest ' if history.earlier else ''}{shown}", style="dim")
    return title


def _rows(history: KeyHistory) -> Iterator[Row]:
    before: Version | None = None
    for version in history.versions:
        if before is not None and before.end is not None and before.end < version.start:
            yield Row(before.end, version.start, None)
        yield Row(version.start, version.end, version, _changed(before, version, history.tracked))
        before = version
    if before is not None and before.end is not None and not history.later:
        yield Row(before.end, None, None)


def _changed(before: Version | None, version: Version, tracked: tuple[str, ...]) -> tuple[str, ...]:
    names = [name for name in tracked if name in version.values]
    if before is None:
        return tuple(names)
    return tuple(name for name in names if version.values[name] != before.values[name])


def _beside(rows: list[Row], axis: _Axis, *, width: int, glyphs: tuple[str, ...]) -> Table:
    room = min(_MOST_BAR, max(_LEAST_BAR, (width - _FROM_TO) // 2))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, width=room)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(_span(row, glyphs), _bar(row, axis, room, glyphs), _told(row))
    return grid


def _below(rows: list[Row], axis: _Axis, *, width: int, glyphs: tuple[str, ...]) -> Group:
    room = min(_MOST_BAR, max(_LEAST_BAR, width - 1))
    lines: list[Text] = []
    for row in rows:
        lines.extend((_span(row, glyphs), _bar(row, axis, room, glyphs), _told(row), Text()))
    return Group(*lines[:-1])


def _span(row: Row, glyphs: tuple[str, ...]) -> Text:
    style = "dim" if row.version is None else "bold" if row.end is None else ""
    still = "" if row.version is None else "open"
    return Text(
        f"{moment(row.start)}{glyphs[3]}{still if row.end is None else moment(row.end)}", style
    )


def _told(row: Row) -> Text:
    if row.version is None:
        return Text("no version: deleted, or out of the row filter", style="dim italic")
    pairs = [(f"{name}=", value(row.version.values[name])) for name in row.changed]
    parts = [
        part
        for position, (name, cell) in enumerate(pairs)
        for part in ((" " if position else "") + name, (cell, "cyan"))
    ]
    return Text.assemble(*parts) if parts else Text("a change that protection hides", style="dim")


def _bar(row: Row, axis: _Axis, room: int, glyphs: tuple[str, ...]) -> Text:
    first, last = axis.cells(row.start, row.end, room)
    solid, arrow, gap, _ = glyphs
    bar = Text(" " * first)
    if row.version is None:
        bar.append(gap * (last - first), style="dim")
    elif row.end is None:
        bar.append(solid * (last - first - 1) + arrow, style="green")
    else:
        bar.append(solid * (last - first), style="blue")
    return bar


def _in_full(history: KeyHistory) -> list[RenderableType]:
    latest = history.versions[-1]
    ended = "held then" if history.later else "the last version, in full"
    heading = "holds now" if latest.is_open else ended
    pairs = [(name, value(cell)) for name, cell in latest.values.items()]
    return [Text(heading, style="bold"), facts(pairs)]


@dataclass(frozen=True, slots=True)
class _Axis:
    """The stretch of moments that is drawn, as numbers."""

    low: float
    high: float

    @classmethod
    def of(cls, history: KeyHistory, now: datetime) -> _Axis:
        marks = [_number(version.start) for version in history.versions]
        marks += [_number(version.end) for version in history.versions if version.end is not None]
        low, high = min(marks), max(marks)
        if is_temporal(history.versions[0].start):
            # An old history would be squeezed into one cell by the years that have passed since.
            high = min(_number(now), high + (high - low) * _TAIL) if high > low else _number(now)
        return cls(low, max(high, *marks))

    def cells(self, start: Moment, end: Moment | None, room: int) -> tuple[int, int]:
        """The first cell of a bar and the one after its last, at least one apart."""
        first = self._cell(_number(start), room)
        last = room if end is None else self._cell(_number(end), room)
        first = min(first, room - 1)
        return first, max(last, first + 1)

    def _cell(self, mark: float, room: int) -> int:
        length = self.high - self.low
        return round((mark - self.low) / length * room) if length > 0 else 0


def _number(mark: Moment) -> float:
    return micros_of(mark) / _SECOND if is_temporal(mark) else float(mark)
