"""What was tried, as a page and as plain values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from strandline.commands.debug.connection_trials import Outcome
from strandline.terminal.error_panel import error_data, error_panel
from strandline.terminal.number_format import many
from strandline.terminal.text_table import Heading, text_table

__all__ = ["trial_data", "trial_page"]

_TRIALS = (Heading("part"), Heading("tried"), Heading("state"), Heading("note", prose=True))


def trial_data(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The outcomes in plain values, for `--json`."""
    return {
        "trials": [
            {
                "part": each.kind,
                "tried": each.what,
                "state": "ok" if each.error is None else "failed",
                "note": each.note,
                "error": None if each.error is None else error_data(each.error),
            }
            for each in outcomes
        ]
    }


def trial_page(outcomes: Sequence[Outcome], *, width: int) -> list[RenderableType]:
    """A line for each trial, then the failures, each with its next step."""
    rows = [
        (
            each.kind,
            Text(each.what, "bold"),
            Text("ok", "green") if each.error is None else Text("failed", "bold red"),
            each.note or (type(each.error).__name__ if each.error is not None else ""),
        )
        for each in outcomes
    ]
    failed = [each for each in outcomes if each.error is not None]
    parts: list[RenderableType] = [text_table(_TRIALS, rows, width=width)]
    # One database that refuses us stops all of its tables, in the same words.
    told = {str(each.error): each for each in failed}
    parts += [
        error_panel(each.error, width=width, about=each.what)
        for each in told.values()
        if each.error is not None
    ]
    if failed:
        parts.append(Text(f"{len(failed)} of {many(len(outcomes), 'trial')} failed", "bold red"))
    else:
        parts.append(Text(f"{many(len(outcomes), 'trial')}, all well", "green"))
    return parts
