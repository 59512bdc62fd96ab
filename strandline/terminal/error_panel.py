"""An error on the terminal: where, what was expected, what was found, what to do next."""

from __future__ import annotations

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from contracts.errors import StrandlineError

_NARROW, _WIDEST = 50, 100


def error_panel(error: StrandlineError, *, width: int, about: str = "") -> RenderableType:
    """The error in a box, or as lines on a narrow terminal.

    `about` names the contracts concerned, where there are several.
    """
    parts = (
        ("where", error.where, "bold"),
        ("expected", error.expected, ""),
        ("found", error.found.strip("\n"), ""),
        ("next step", error.next_step, "bold"),
    )
    title = Text(f"{about}: " if about else "", style="bold")
    title.append(type(error).__name__, style="bold red")
    if width < _NARROW:
        lines = [
            Text.assemble((f"{label}: ", "dim"), (text, style)) for label, text, style in parts
        ]
        return Group(title, *lines)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text, style in parts:
        grid.add_row(label, Text(text, style=style))
    return Panel(
        grid,
        title=title,
        title_align="left",
        border_style="red",
        box=ROUNDED,
        width=min(width, _WIDEST),
    )


def error_data(error: StrandlineError) -> dict[str, object]:
    """An error in plain values, for `--json`."""
    return {
        "kind": type(error).__name__,
        "where": error.where,
        "expected": error.expected,
        "found": error.found,
        "next_step": error.next_step,
        "exit_code": error.exit_code,
    }
