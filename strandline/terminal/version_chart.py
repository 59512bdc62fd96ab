"""The versions of one key as a timeline: a bar per version over a common axis, and what changed.

Promise: even the shortest version has a bar, and a gap (the record was deleted and came back) is
shown as a gap.
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

_MIN_TABLE_WIDTH = 100
_MIN_BAR, _MAX_BAR = 10, 48
_SPAN_WIDTH = 36
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

    Bars are to scale up to the last change; a quarter of that width follows for the time since, or
    less if `now` is nearer. `blocks` is whether the terminal can show more than ASCII.
    """
    glyphs = _BLOCKS if blocks else _ASCII
    axis = _Axis.of(history, now)
    rows = list(_rows(history))
    body = (
        _as_table(rows, axis, width=width, glyphs=glyphs)
        if width >= _MIN_TABLE_WIDTH
        else _as_lines(rows, axis, width=width, glyphs=glyphs)
    )
    return Group(_title(history), Text(), body, Text(), *_in_full(history))


def _title(history: KeyHistory) -> Text:
    key = ", ".join(f"{name} {value(cell)}" for name, cell in history.key.items())
    title = Text.assemble((history.table, "bold"), "  ", (key, "bold cyan"))
    shown = many(len(history.versions), "version")
    title.append(f"  {'the newest ' if history.earlier else ''}{shown}", style="dim")
    return title


def _rows(history: KeyHistory) -> Iterator[Row]:
    previous: Version | None = None
    for version in history.versions:
        if previous is not None and previous.end is not None and previous.end < version.start:
            yield Row(previous.end, version.start, None)
        yield Row(version.start, version.end, version, _changed(previous, version, history.tracked))
        previous = version
    if previous is not None and previous.end is not None and not history.later:
        yield Row(previous.end, None, None)


def _changed(
    previous: Version | None, version: Version, tracked: tuple[str, ...]
) -> tuple[str, ...]:
    names = [name for name in tracked if name in version.values]
    if previous is None:
        return tuple(names)
    return tuple(name for name in names if version.values[name] != previous.values[name])


def _as_table(rows: list[Row], axis: _Axis, *, width: int, glyphs: tuple[str, ...]) -> Table:
    cells = min(_MAX_BAR, max(_MIN_BAR, (width - _SPAN_WIDTH) // 2))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, width=cells)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(_span(row, glyphs), _bar(row, axis, cells, glyphs), _changes_text(row))
    return grid


def _as_lines(rows: list[Row], axis: _Axis, *, width: int, glyphs: tuple[str, ...]) -> Group:
    cells = min(_MAX_BAR, max(_MIN_BAR, width - 1))
    lines: list[Text] = []
    for row in rows:
        lines.extend(
            (_span(row, glyphs), _bar(row, axis, cells, glyphs), _changes_text(row), Text())
        )
    return Group(*lines[:-1])


def _span(row: Row, glyphs: tuple[str, ...]) -> Text:
    style = "dim" if row.version is None else "bold" if row.end is None else ""
    end = "" if row.version is None else "open"
    return Text(
        f"{moment(row.start)}{glyphs[3]}{end if row.end is None else moment(row.end)}", style
    )


def _changes_text(row: Row) -> Text:
    if row.version is None:
        return Text("no version: deleted, or out of the row filter", style="dim italic")
    pairs = [(f"{name}=", value(row.version.values[name])) for name in row.changed]
    parts = [
        part
        for position, (name, cell) in enumerate(pairs)
        for part in ((" " if position else "") + name, (cell, "cyan"))
    ]
    return Text.assemble(*parts) if parts else Text("a change that protection hides", style="dim")


def _bar(row: Row, axis: _Axis, cells: int, glyphs: tuple[str, ...]) -> Text:
    first, last = axis.cells(row.start, row.end, cells)
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
    past_heading = "held then" if history.later else "the last version, in full"
    heading = "holds now" if latest.is_open else past_heading
    pairs = [(name, value(cell)) for name, cell in latest.values.items()]
    return [Text(heading, style="bold"), facts(pairs)]


@dataclass(frozen=True, slots=True)
class _Axis:
    """The time range that is drawn, as numbers."""

    low: float
    high: float

    @classmethod
    def of(cls, history: KeyHistory, now: datetime) -> _Axis:
        bounds = [_number(version.start) for version in history.versions]
        bounds += [_number(version.end) for version in history.versions if version.end is not None]
        low, high = min(bounds), max(bounds)
        if is_temporal(history.versions[0].start):
            # An old history would be squeezed into one cell by the years that have passed since.
            high = min(_number(now), high + (high - low) * _TAIL) if high > low else _number(now)
        return cls(low, max(high, *bounds))

    def cells(self, start: Moment, end: Moment | None, cells: int) -> tuple[int, int]:
        """The first cell of a bar and the one after its last; a bar has at least one cell."""
        first = self._cell(_number(start), cells)
        last = cells if end is None else self._cell(_number(end), cells)
        first = min(first, cells - 1)
        return first, max(last, first + 1)

    def _cell(self, instant: float, cells: int) -> int:
        length = self.high - self.low
        return round((instant - self.low) / length * cells) if length > 0 else 0


def _number(instant: Moment) -> float:
    return micros_of(instant) / _SECOND if is_temporal(instant) else float(instant)
