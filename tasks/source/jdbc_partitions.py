"""Cutting what a load reads into parts that are read side by side.

Promise: every row is in exactly one slice, also one whose partition column is null or lies beyond
the bounds.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from tasks.source.source_query import SLICE
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

Bound = int | Decimal | date | datetime


def source_slices(
    low: object, high: object, count: int, *, dialect: SqlDialect = POSTGRESQL
) -> tuple[str, ...]:
    """Conditions on `SLICE` that cut `low` to `high` into at most `count` equal ranges.

    Values outside the bounds fall into the first or the last range. Without usable bounds, or
    with a count of one, there is a single slice with every row.
    """
    cuts = _cuts(low, high, count)
    if not cuts:
        return ("1 = 1",)
    name = dialect.quoted(SLICE)
    literals = [dialect.literal(cut) for cut in cuts]
    first = f"({name} < {literals[0]} OR {name} IS NULL)"
    between = [f"({name} >= {lower} AND {name} < {upper})" for lower, upper in pairwise(literals)]
    return (first, *between, f"({name} >= {literals[-1]})")


def _cuts(low: object, high: object, count: int) -> list[Bound]:
    """The inner boundaries of the ranges, ascending and distinct."""
    steps = range(1, count)
    if isinstance(low, datetime) and isinstance(high, datetime):
        cuts: list[Bound] = [low + (high - low) * step / count for step in steps]
    elif isinstance(low, date) and isinstance(high, date):
        cuts = [low + timedelta(days=(high - low).days * step // count) for step in steps]
    elif isinstance(low, int) and isinstance(high, int):
        cuts = [low + (high - low) * step // count for step in steps]
    elif isinstance(low, Decimal) and isinstance(high, Decimal):
        if not (low.is_finite() and high.is_finite()):
            return []
        cuts = [low + (high - low) * step / count for step in steps]
    else:
        return []
    return [cut for cut in dict.fromkeys(cuts) if cut > low]  # type: ignore[operator]
