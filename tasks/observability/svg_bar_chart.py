"""Horizontal bars as an SVG image."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LINE, _LABEL, _BARS, _FIGURE = 22, 130, 420, 110
_TITLE = 30


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length in any unit, and the text of its length."""

    label: str
    length: float
    text: str
    colour: str = "#0b6e4f"


def bars(panels: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Titled groups of bars under one another; each group has a scale of its own."""
    parts: list[str] = []
    top = 0
    for title, each in panels:
        parts.append(_text(0, top + 18, title, weight="bold"))
        top += _TITLE
        longest = max((bar.length for bar in each), default=0) or 1
        for bar in each:
            wide = round(_BARS * bar.length / longest, 1)
            middle = top + _LINE - 7
            parts.append(_text(_LABEL - 8, middle, bar.label, anchor="end"))
            parts.append(
                f'<rect x="{_LABEL}" y="{top + 3}" width="{wide}" height="{_LINE - 6}" '
                f'rx="2" fill="{bar.colour}"/>'
            )
            parts.append(_text(_LABEL + wide + 6, middle, bar.text))
            top += _LINE
        top += _LINE // 2
    width = _LABEL + _BARS + _FIGURE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" '
        f'height="{top}" font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def data_address(svg: str) -> str:
    """The image as a data URL, for pages that can't fetch one."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">'
        f"{escape(text)}</text>"
    )
