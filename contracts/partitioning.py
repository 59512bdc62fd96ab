"""Iceberg partition terms: a column, `years`, `months`, `days`, `hours` or `bucket(column, N)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.column_types import is_temporal
from contracts.problem import did_you_mean
from contracts.section import Section

_TERM = re.compile(r"^(?:(\w+)\(\s*([^(),]+?)\s*(?:,\s*(\d{1,6}))?\s*\)|([^(),]+))$")
_TIMES = ("years", "months", "days", "hours")


@dataclass(frozen=True, slots=True)
class Term:
    """One partition term. `function` is None for the column's own value."""

    column: str
    function: str | None = None
    buckets: int | None = None


def term(text: str) -> Term | None:
    """The term that the text says; None when it says none."""
    found = _TERM.match(text.strip())
    if found is None:
        return None
    function, inner, count, plain = found.groups()
    if plain is not None:
        return Term(plain.strip())
    if function in _TIMES and count is None:
        return Term(inner, function)
    if function == "bucket" and count is not None and int(count) > 0:
        return Term(inner, function, int(count))
    return None


def check_partitioning(
    section: Section, partitioning: tuple[str, ...], kinds: Mapping[str, str]
) -> tuple[str, ...]:
    """Note what is wrong with the terms; returns the columns they name. `kinds`: their types."""
    columns = []
    for position, text in enumerate(partitioning):
        path = f"{section.at('partitioning')}[{position}]"
        found = term(text)
        if found is None:
            hint = "a column, years(c), months(c), days(c), hours(c) or bucket(c, N)"
            section.report.add(path, "is no partition term", hint)
        elif found.column not in kinds:
            hint = did_you_mean(found.column, kinds)
            section.report.add(path, f"the table has no column {found.column}", hint)
        else:
            columns.append(found.column)
            kind = kinds[found.column]
            if found.function in _TIMES and kind and not is_temporal(kind):
                section.report.add(path, f"{found.function} needs a date; the column is {kind}")
            if found.function == "hours" and kind == "date":
                section.report.add(path, "a date has no hours", "use days")
    return tuple(columns)
