"""Tables of Markdown, and text that is safe in their cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "one_line", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its head; each row has as many cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(one_line(cell) for cell in line)} |\n" for line in lines)


def one_line(text: str) -> str:
    """The text in one line, in which no bar ends a cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def code(text: object) -> str:
    """The text as code; "" where there is none."""
    return f"`{text}`" if str(text) else ""
