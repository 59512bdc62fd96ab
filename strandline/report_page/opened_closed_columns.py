"""What each run opened and closed, as columns above and below a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strandline.page_elements.html_elements import Html, element, stepped_chart
from strandline.report_page.run_line_chart import nice_ticks
from strandline.report_page.stacked_columns import column_label

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _WIDEST = 1060, 230, 62, 12, 34, 46
_LABELS = 10
_LEAST = 1.5


@dataclass(frozen=True, slots=True)
class VersionColumn:
    """One run: the versions that it opened and closed, its label and its text."""

    label: str
    opened: int
    closed: int
    text: str


def version_columns(name: str, columns: Sequence[VersionColumn]) -> Html:
    """The runs from left to right; what is little but not nothing can be seen."""
    ticks = _ticks(columns)
    high, low = ticks[-1], ticks[0]
    scale = (_HEIGHT - _TOP - _BOTTOM) / ((high - low) or 1)
    zero = _TOP + high * scale
    room = (_WIDTH - _LEFT) / max(1, len(columns))
    wide = min(_WIDEST, room * 0.78)
    parts = []
    for tick in ticks:
        y = zero - tick * scale
        parts.append(element("line", x1=_LEFT, x2=_WIDTH, y1=y, y2=y, class_="grid"))
        text = f"{abs(round(tick)):,}"
        parts.append(element("text", text, x=_LEFT - 8, y=y + 4, text_anchor="end"))
    parts.append(element("line", x1=_LEFT, x2=_WIDTH, y1=zero, y2=zero, class_="zero-line"))
    every = max(1, -(-len(columns) // _LABELS))
    for position, column in enumerate(columns):
        left = _LEFT + room * position + (room - wide) / 2
        up = max(_LEAST, column.opened * scale) if column.opened else 0.0
        down = max(_LEAST, column.closed * scale) if column.closed else 0.0
        catch = element(
            "rect", x=left, y=_TOP, width=wide, height=_HEIGHT - _TOP - _BOTTOM, fill="transparent"
        )
        parts.append(
            element(
                "g",
                element("title", column.text),
                catch,
                element("rect", x=left, y=zero - up, width=wide, height=up, class_="part opened"),
                element("rect", x=left, y=zero, width=wide, height=down, class_="part closing"),
                class_="point",
            )
        )
        if position % every == 0:
            parts.append(column_label(column.label, left, wide, right=_WIDTH, y=_HEIGHT - 12))
    return stepped_chart(name, parts, width=_WIDTH, height=_HEIGHT)


def _ticks(columns: Sequence[VersionColumn]) -> list[float]:
    """Round numbers from the most that was closed, below zero, to the most that was opened."""
    opened = max((each.opened for each in columns), default=0)
    closed = max((each.closed for each in columns), default=0)
    ticks = nice_ticks(-closed, opened) if opened or closed else (0.0, 1.0)
    return [tick for tick in ticks if tick == round(tick)] or [0.0, 1.0]
