"""Rows of values as a table where one fits, and as one block per row where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_GAP = 2
_LEAST_PROSE = 24


@dataclass(frozen=True, slots=True)
class Heading:
    """A column: its label, and how it behaves.

    A `number` is aligned to the right, `prose` may be wrapped, and where there is too little room
    what is `spare` is left out, the last one first.
    """

    label: str
    number: bool = False
    prose: bool = False
    spare: bool = False


Cell = str | Text


def text_table(
    headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], *, width: int
) -> RenderableType:
    """The rows under their headings, within `width` columns of text."""
    texts = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    kept = list(range(len(headings)))
    spare = [place for place in kept if headings[place].spare]
    while spare and _needed(headings, texts, kept) > width:
        kept.remove(spare.pop())
    if _needed(headings, texts, kept) > width:
        return _blocks(headings, texts)
    left_out = [heading.label for place, heading in enumerate(headings) if place not in kept]
    table = _table([headings[place] for place in kept], [[row[p] for p in kept] for row in texts])
    if not left_out:
        return table
    return Group(table, Text(f"with more room: {', '.join(left_out)}", style="dim"))


def facts(pairs: Sequence[tuple[str, Cell]]) -> Table:
    """Labels and values, one pair a line."""
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, cell in pairs:
        grid.add_row(label, cell if isinstance(cell, Text) else Text(cell))
    return grid


def _needed(
    headings: Sequence[Heading], rows: Sequence[Sequence[Text]], places: Sequence[int]
) -> int:
    total = _GAP
    for place in places:
        widest = max([len(headings[place].label), *(row[place].cell_len for row in rows)])
        total += (min(widest, _LEAST_PROSE) if headings[place].prose else widest) + _GAP
    return total


def _table(headings: Sequence[Heading], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(
            heading.label,
            justify="right" if heading.number else "left",
            no_wrap=not heading.prose,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(headings: Sequence[Heading], rows: Sequence[Sequence[Text]]) -> Group:
    parts: list[RenderableType] = []
    for row in rows:
        pairs = [(heading.label, cell) for heading, cell in zip(headings, row, strict=True)]
        parts.extend((facts(pairs), Text()))
    return Group(*parts)
