"""The pages of `strandline source`, and the lines that `strandline status` has about sources."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from strandline.queries.source_states import SourceState
from strandline.terminal.number_format import NOTHING, count, second
from strandline.terminal.text_table import Heading, text_table

_STYLES = {"closed": "green", "open": "red", "half open": "yellow"}

_SOURCES = (
    Heading("source"),
    Heading("circuit"),
    Heading("failures in a row", number=True),
    Heading("open since (UTC)"),
    Heading("tried again after (UTC)"),
    Heading("last failure", prose=True),
)
_HOLDERS = (Heading("source"), Heading("connections", number=True), Heading("held by"))


def sources_page(states: Sequence[SourceState], *, width: int) -> list[RenderableType]:
    """One line per source, then one per run that holds connections."""
    parts: list[RenderableType] = [_circuits(states, width)]
    holders = [
        (each.source, count(places), holder)
        for each in states
        for holder, places in each.held.items()
    ]
    if holders:
        parts.append(text_table(_HOLDERS, holders, width=width))
    return parts


def left_alone_page(states: Sequence[SourceState], *, width: int) -> list[RenderableType]:
    """The sources whose circuit is not closed; nothing where all are."""
    away = [each for each in states if not each.is_closed]
    return [_circuits(away, width)] if away else []


def _circuits(states: Sequence[SourceState], width: int) -> RenderableType:
    rows = [
        (
            Text(each.source, style="bold"),
            Text(each.circuit, style=_STYLES[each.circuit]),
            count(each.failures),
            second(each.since),
            second(each.next_probe),
            each.reason or NOTHING,
        )
        for each in states
    ]
    return text_table(_SOURCES, rows, width=width)
