"""Counts per day as columns, each made of named parts, and one bar for the cell of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strandline.page_elements.html_elements import Html, element, stepped_chart
from strandline.report_page.run_line_chart import nice_ticks

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _WIDEST = 1060, 210, 62, 12, 34, 46
_LABELS = 10
_HALF_LABEL = 36
_BAR_WIDTH, _BAR_HEIGHT = 84, 9


@dataclass(frozen=True, slots=True)
class StackedColumn:
    """One column: its label, its parts from the bottom up, and its text."""

    label: str
    parts: Mapping[str, int]
    text: str


def stacked_columns(name: str, columns: Sequence[StackedColumn]) -> Html:
    """The columns from left to right; a part has its name as its CSS class."""
    greatest = max((sum(column.parts.values()) for column in columns), default=0) or 1
    ticks = [tick for tick in nice_ticks(0, greatest) if tick == int(tick)]
    high = max(greatest, ticks[-1])
    room = (_WIDTH - _LEFT) / max(1, len(columns))
    wide = min(_WIDEST, room * 0.78)
    bottom = _HEIGHT - _BOTTOM
    scale = (bottom - _TOP) / high
    parts = []
    for tick in ticks:
        y = bottom - tick * scale
        parts.append(element("line", x1=_LEFT, x2=_WIDTH, y1=y, y2=y, class_="grid"))
        parts.append(element("text", f"{int(tick):,}", x=_LEFT - 8, y=y + 4, text_anchor="end"))
    every = max(1, -(-len(columns) // _LABELS))
    for position, column in enumerate(columns):
        left = _LEFT + room * position + (room - wide) / 2
        shapes, top = [element("title", column.text)], float(bottom)
        for part, count in column.parts.items():
            top -= count * scale
            shapes.append(
                element(
                    "rect", x=left, y=top, width=wide, height=count * scale, class_=f"part {part}"
                )
            )
        parts.append(element("g", *shapes, class_="point"))
        if position % every == 0:
            parts.append(column_label(column.label, left, wide, right=_WIDTH, y=_HEIGHT - 12))
    return stepped_chart(name, parts, width=_WIDTH, height=_HEIGHT)


def column_label(text: str, left: float, wide: float, *, right: float, y: float) -> Html:
    """The label below a column; below the last one it ends with the column, to be whole."""
    if left + wide / 2 > right - _HALF_LABEL:
        return element("text", text, x=left + wide, y=y, text_anchor="end")
    return element("text", text, x=left + wide / 2, y=y, text_anchor="middle")


def share_bar(name: str, share: float, kind: str) -> Html:
    """A bar that is filled by that share, 0 to 1; what is not 0 can be seen."""
    filled = max(2.0, _BAR_WIDTH * share) if share else 0.0
    return element(
        "svg",
        element("rect", width=_BAR_WIDTH, height=_BAR_HEIGHT, rx=3, class_="track"),
        element("rect", width=filled, height=_BAR_HEIGHT, rx=3, class_=f"part {kind}"),
        viewBox=f"0 0 {_BAR_WIDTH} {_BAR_HEIGHT}",
        width=_BAR_WIDTH,
        role="img",
        aria_label=name,
    )
