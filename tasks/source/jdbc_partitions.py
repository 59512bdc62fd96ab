"""Cutting what a load reads into parts that are read side by side.

Promise: every row is in exactly one slice, also one whose partition column is null or lies beyond
the bounds. Slices are of equal size: of as many disk pages, or, where rows can't be read by page
(a view, a foreign table), of as many rows by the partition column. However the values of a key are
distributed, no slice is much longer than the others, unless one value has most rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from tasks.source.source_query import SLICE
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

ALL = ("1 = 1",)
"""One slice with every row."""


def source_slices(
    count: int,
    *,
    pages: Sequence[int] = (),
    cuts: Sequence[object] = (),
    dialect: SqlDialect = POSTGRESQL,
) -> tuple[str, ...]:
    """Conditions on `SLICE` that cut a read into at most `count` slices.

    Args:
        count: How many slices are wanted.
        pages: How many pages each of the tables has that hold the rows; see `SourceQuery.pages`.
        cuts: Where there are no pages: ascending values that cut the rows into equal parts, at
            least as many as slices are wanted.
        dialect: Of the source.
    """
    if pages:
        found = [dialect.page_literal(page) for page in page_cuts(pages, count)]
        return _conditions(found, dialect)
    steps = [round(step * (len(cuts) + 1) / count) - 1 for step in range(1, count)]
    values = [cuts[step] for step in steps if 0 <= step < len(cuts)]
    return _conditions([dialect.literal(each) for each in _distinct(values)], dialect)


def page_cuts(pages: Sequence[int], count: int) -> list[int]:
    """The pages before which slices begin but for the first one; ascending, above 0.

    One number cuts all tables, since a row's page is that in its own table: the pages before it
    are those of each table that has so many, and all of each that has fewer.
    """
    return sorted(
        {_page_after(pages, sum(pages) * step // count) for step in range(1, count)} - {0}
    )


def _page_after(pages: Sequence[int], wanted: int) -> int:
    """The least number before which all tables together have at least so many pages."""
    low, high = 0, max(pages)
    while low < high:
        middle = (low + high) // 2
        if sum(min(each, middle) for each in pages) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def _distinct(values: Sequence[object]) -> list[object]:
    """The bounds among them, each once; NaN and infinity are none."""
    finite = [
        value
        for value in values
        if isinstance(value, int | date) or (isinstance(value, Decimal) and value.is_finite())
    ]
    return list(dict.fromkeys(finite))


def _conditions(literals: Sequence[str], dialect: SqlDialect) -> tuple[str, ...]:
    if not literals:
        return ALL
    name = dialect.quoted(SLICE)
    first = f"({name} < {literals[0]} OR {name} IS NULL)"
    between = [f"({name} >= {lower} AND {name} < {upper})" for lower, upper in pairwise(literals)]
    return (first, *between, f"({name} >= {literals[-1]})")
