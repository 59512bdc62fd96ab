"""Checks over runs as a grid of cells: the more rows of a run failed a check, the darker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strandline.page_elements.html_elements import Html, element, stepped_chart

_LABEL, _WIDTH, _ROW, _BOTTOM, _WIDEST = 290, 1060, 22, 24, 40
_FEWEST_OPACITY = 0.22
_LONGEST_LABEL = 40

STEPS = (0.001, 0.01, 0.05, 0.2, 1.0)
"""The shares of failed rows up to which a cell is one step darker."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One check in one run.

    `share` of failed rows; None: it was not evaluated, or (`absent`) the run did not have it.
    """

    share: float | None
    text: str
    absent: bool = False


def heat_map(name: str, rows: Sequence[tuple[str, Sequence[Cell]]], labels: Sequence[str]) -> Html:
    """One row per check, one column per run.

    Args:
        name: What the chart shows, in words.
        rows: The label of each check, and its cell in each run.
        labels: The label of each run.
    """
    wide = min(_WIDEST, (_WIDTH - _LABEL) / max(1, len(labels)))
    parts = []
    for position, (label, cells) in enumerate(rows):
        top = position * _ROW
        shown = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
        parts.append(element("text", shown, x=_LABEL - 8, y=top + 15, text_anchor="end"))
        parts += [_cell(cell, _LABEL + i * wide, top, wide) for i, cell in enumerate(cells)]
    height = len(rows) * _ROW + _BOTTOM
    if labels:
        parts.append(element("text", labels[0], x=_LABEL, y=height - 7))
    if len(labels) * wide > _LABEL / 2:
        end = _LABEL + len(labels) * wide
        parts.append(element("text", labels[-1], x=end, y=height - 7, text_anchor="end"))
    return stepped_chart(name, parts, width=_WIDTH, height=height, steps=max(1, len(labels)))


def opacity(share: float) -> float:
    """How dark a share of failed rows is: in five steps, to 0.1, 1, 5, 20 and 100 percent."""
    step = next(i for i, up_to in enumerate(STEPS) if share <= up_to)
    return _FEWEST_OPACITY + (1 - _FEWEST_OPACITY) * step / (len(STEPS) - 1)


def _cell(cell: Cell, x: float, y: float, wide: float) -> Html:
    if cell.share is None:
        kind = "absent" if cell.absent else "skipped"
    else:
        kind = "" if cell.share else "zero"
    shape = element(
        "rect",
        x=x + 1,
        y=y + 1,
        width=max(1.0, wide - 2),
        height=_ROW - 2,
        rx=2,
        class_=f"cell {kind}".strip(),
        fill_opacity=opacity(cell.share) if cell.share else None,
    )
    return element("g", element("title", cell.text), shape, class_="point")
