"""The state of a table as the pages write it, with a sign beside each word."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Contract
from strandline.catalogue.table_state import TableState
from strandline.page_elements.html_elements import Html, element
from strandline.terminal.number_format import NOTHING, age_text

_MARKS = {
    "published": ("good", "✓"),
    "unchanged": ("good", "✓"),
    "refused": ("warn", "✕"),
    "failed": ("bad", "✕"),
}


def load_mark(state: TableState | None) -> Html | str:
    """How the last load ended; that the table was never loaded."""
    if state is None:
        return NOTHING
    if state.last_state is None:
        return "loaded" if state.exists else "never loaded"
    kind, sign = _MARKS.get(state.last_state, ("muted", "○"))
    return _mark(kind, sign, state.last_state)


def freshness_mark(contract: Contract, state: TableState | None, now: datetime) -> Html | str:
    """How old the newest row is, and whether that is within what the contract promises."""
    age = None if state is None else state.age_hours(now)
    if age is None:
        return NOTHING
    words, promised = age_text(age * 3600), contract.service_level.freshness_hours
    if promised is None:
        return words
    if age <= promised:
        return _mark("good", "✓", f"{words}, within {promised:g} h")
    return _mark("bad", "✕", f"{words}, over {promised:g} h")


def _mark(kind: str, sign: str, words: str) -> Html:
    return element(
        "span", element("span", sign, aria_hidden="true"), f" {words}", class_=f"{kind} nowrap"
    )
