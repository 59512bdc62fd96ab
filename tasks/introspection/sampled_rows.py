"""A bounded sample of a table's rows, for suggestions about its columns.

Promise: so many rows, so many characters of each value, so many seconds, in the read-only
transaction of the reading. Where it fails, there is no sample, and the reason is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import StrandlineError
from contracts.model.source_relation import RelationDetails

__all__ = ["Sample", "sampled_rows"]

_SAMPLE_ROWS = 1_000
_MOST_CHARACTERS = 500
_SECONDS = 10
_BIG = 100_000
"""From so many rows on the sample is of blocks from all over the table, not of the first ones."""
_MORE_THAN_ASKED = 3
_OCTETS = 65
"""One more than the longest digest that is looked for."""
_SAMPLED_BY_BLOCK = ("table", "partitioned table", "materialized view")


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows by column, values as text as the database prints them, bytes as they are.

    Attributes:
        rows: The rows.
        whole: They are all that the table has.
        missing: Why there are none; empty where there are.
    """

    rows: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    whole: bool = False
    missing: str = ""

    def values(self, column: str) -> tuple[str, ...]:
        """The texts of a column, without nulls and empty ones."""
        texts = (row.get(column) for row in self.rows)
        return tuple(text for text in texts if isinstance(text, str) and text.strip())


def sampled_rows(
    reading: SourceReading, details: RelationDetails, columns: Sequence[str]
) -> Sample:
    """A sample of some columns; the reading can't be used after one that failed."""
    if not columns:
        return Sample(missing="no column can be read")
    if details.policies_hide_rows:
        return Sample(missing="row-level security would hide rows")
    try:
        rows = reading.rows(_query(details, columns), seconds=_SECONDS)
    except StrandlineError as error:
        return Sample(missing=f"the source did not give them ({type(error).__name__})")
    by_block = _by_block(details)
    return Sample(
        rows=tuple(dict(zip(columns, row, strict=True)) for row in rows),
        whole=not by_block and len(rows) < _SAMPLE_ROWS,
        missing="" if rows else "the table has no rows",
    )


def _by_block(details: RelationDetails) -> bool:
    return details.kind in _SAMPLED_BY_BLOCK and (details.rows or 0) >= _BIG


def _query(details: RelationDetails, columns: Sequence[str]) -> str:
    kinds = {column.name: column.type for column in details.relation.columns}
    items = ", ".join(_cut(_quoted(name), kinds[name]) for name in columns)
    table = f"{_quoted(details.relation.schema)}.{_quoted(details.relation.name)}"
    sampled = ""
    if _by_block(details):
        percent = min(100.0, 100.0 * _MORE_THAN_ASKED * _SAMPLE_ROWS / (details.rows or 1))
        sampled = f" TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (0)"
    return f"SELECT {items} FROM {table}{sampled} LIMIT {_SAMPLE_ROWS}"  # noqa: S608 - quoted


def _cut(quoted: str, kind: str) -> str:
    if kind == "bytea":
        return f"substring({quoted} FROM 1 FOR {_OCTETS})"
    return f"left({quoted}::text, {_MOST_CHARACTERS})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
