"""Source columns on the left, target columns on the right, lines where one is made of the other.

Beside each target column is what is done with the values on the way, and how they are protected.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.model import Classification
from contracts.schemas.column_lineage import ColumnLineage
from strandline.page_elements.html_elements import Html, element, joined, stepped_chart
from strandline.page_elements.page_parts import chart_with_table, data_table, legend, titled_section
from strandline.terminal.number_format import NOTHING, many

_WIDTH, _TOP, _ROW, _BOX = 1060, 34, 30, 22
_SOURCE_WIDTH, _TARGET_LEFT, _TARGET_WIDTH = 250, 480, 250
_WORDS_LEFT = 742
_MOST_LETTERS, _MOST_WORDS = 34, 46
_OPEN = {str(Classification.PUBLIC), str(Classification.INTERNAL)}


def lineage_section(source: str, target: str, columns: Sequence[ColumnLineage]) -> Html:
    """The graph with its numbers as a table.

    Args:
        source: The source's relation, and the block it is of.
        target: The history table.
        columns: The lineage of each of its columns, in their order.
    """
    made = sum(bool(each.sources) for each in columns)
    protected = sum(bool(each.protection) for each in columns)
    about = (
        f"{many(len(columns), 'column')} of the table: {made:,} from the source, "
        f"{len(columns) - made:,} that a run fills, {protected:,} protected. It is what the "
        "contract says now."
    )
    key = legend(
        [
            ("flow-box", "stored in the clear", None),
            ("flow-box protected", "protected", None),
            ("flow-box filled", "filled by the run", None),
        ]
    )
    table = data_table(
        "Where each column comes from",
        ("Column", "From", "How", "Classification", "Protection", "Undone by"),
        [
            (
                each.column,
                ", ".join(each.sources) or NOTHING,
                element("code", each.expression) if each.sources else each.expression,
                each.classification,
                each.protection or NOTHING,
                each.undone_by or NOTHING,
            )
            for each in columns
        ],
    )
    return titled_section(
        "lineage",
        "From source column to target column",
        chart_with_table(lineage_graph(source, target, columns), about, table, key=key),
    )


def lineage_graph(source: str, target: str, columns: Sequence[ColumnLineage]) -> Html:
    """The graph alone; each target column is a point that can be stepped to."""
    sources = list(dict.fromkeys(name for each in columns for name in each.sources))
    rows = max(len(sources), len(columns), 1)
    height = _TOP + rows * _ROW + 6
    at = {name: _middle(i, len(sources), rows) for i, name in enumerate(sources)}
    parts = [
        _heading(source, 0, most=64),
        _heading(target, _TARGET_LEFT, most=36),
        _heading("how, and how it is protected", _WORDS_LEFT, most=_MOST_WORDS),
    ]
    parts += [_box(name, 0, at[name], _SOURCE_WIDTH, "flow-box") for name in sources]
    for i, each in enumerate(columns):
        y = _middle(i, len(columns), rows)
        kind = "flow-box protected" if each.protection else "flow-box"
        if not each.sources:
            kind = "flow-box filled"
        lines = [
            element("path", d=_curve(at[name], y), class_=_line_class(each), fill="none")
            for name in each.sources
        ]
        parts.append(
            element(
                "g",
                element("title", _sentence(each)),
                *lines,
                _box(each.column, _TARGET_LEFT, y, _TARGET_WIDTH, kind),
                _words(each, y),
                class_="point",
            )
        )
    name = f"Lineage of {many(len(columns), 'column')} from {many(len(sources), 'source column')}"
    return stepped_chart(name, parts, width=_WIDTH, height=height)


def _middle(position: int, count: int, rows: int) -> float:
    """The height of a row's middle; the shorter side is spread over that of the longer."""
    return _TOP + _ROW * rows * (position + 0.5) / count


def _curve(start: float, end: float) -> str:
    left, right = _SOURCE_WIDTH, _TARGET_LEFT
    bend = (left + right) / 2
    return f"M{left} {start:.1f}C{bend:.0f} {start:.1f} {bend:.0f} {end:.1f} {right} {end:.1f}"


def _line_class(column: ColumnLineage) -> str:
    return "flow protected" if column.protection else "flow"


def _box(name: str, left: float, middle: float, wide: float, kind: str) -> Html:
    top = middle - _BOX / 2
    shape = element("rect", x=left + 1, y=top, width=wide - 2, height=_BOX, rx=5, class_=kind)
    text = element("text", _cut(name, _MOST_LETTERS), x=left + 10, y=middle + 4, class_="strong")
    return joined((shape, text))


def _words(column: ColumnLineage, middle: float) -> Html:
    how = column.transformation.replace("_", " ")
    words = f"{how} · {column.protection}" if column.protection else how
    if column.classification not in _OPEN:
        words = f"{words} · {column.classification}"
    return element("text", _cut(words, _MOST_WORDS), x=_WORDS_LEFT, y=middle + 4)


def _heading(text: str, left: float, *, most: int) -> Html:
    return element("text", _cut(text, most), x=left + 2, y=16)


def _sentence(column: ColumnLineage) -> str:
    from_ = ", ".join(column.sources) or "no source column"
    kept = column.protection or "stored in the clear"
    if column.undone_by:
        kept = f"{kept}, undone by {column.undone_by}"
    return f"{column.column}, {column.classification}, from {from_}: {column.expression}; {kept}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
