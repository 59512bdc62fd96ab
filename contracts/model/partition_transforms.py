"""Iceberg partition terms: a column, `years`, `months`, `days`, `hours` or `bucket(column, N)`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r"^(?:(\w+)\(\s*([^(),]+?)\s*(?:,\s*(\d{1,6}))?\s*\)|([^(),]+))$")
TIME_TRANSFORMS = ("years", "months", "days", "hours")


@dataclass(frozen=True, slots=True)
class Term:
    """One partition term. `function` is None for the column's own value."""

    column: str
    function: str | None = None
    buckets: int | None = None


def term(text: str) -> Term | None:
    """The term that the text describes; None when it describes none."""
    match = _TERM.match(text.strip())
    if match is None:
        return None
    function, inner, count, plain = match.groups()
    if plain is not None:
        return Term(plain.strip())
    if function in TIME_TRANSFORMS and count is None:
        return Term(inner, function)
    if function == "bucket" and count is not None and int(count) > 0:
        return Term(inner, function, int(count))
    return None
