"""Rows of values as a table if it fits, else as one block per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_GAP = 2
_MIN_PROSE = 24


@dataclass(frozen=True, slots=True)
class Heading:
    """A column: its label and its layout.

    A `number` is aligned to the right, `prose` may be wrapped, and a terminal that is too narrow
    omits `spare` columns, the last one first.
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
    shown = list(range(len(headings)))
    spare = [index for index in shown if headings[index].spare]
    while spare and _needed_width(headings, texts, shown) > width:
        shown.remove(spare.pop())
    if _needed_width(headings, texts, shown) > width:
        return _blocks(headings, texts)
    left_out = [heading.label for index, heading in enumerate(headings) if index not in shown]
    table = _table([headings[index] for index in shown], [[row[p] for p in shown] for row in texts])
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


def _needed_width(
    headings: Sequence[Heading], rows: Sequence[Sequence[Text]], indexes: Sequence[int]
) -> int:
    total = _GAP
    for index in indexes:
        widest = max([len(headings[index].label), *(row[index].cell_len for row in rows)])
        total += (min(widest, _MIN_PROSE) if headings[index].prose else widest) + _GAP
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
