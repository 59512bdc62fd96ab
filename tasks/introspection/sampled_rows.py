"""A bounded sample of a table's rows, for suggestions about its columns.

Promise: so many rows, so many characters of each value, so many seconds, in the read-only
transaction of the reading. Where it fails, there is no sample, and the reason is no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import StrandlineError
from contracts.model.source_relation import RelationColumn, RelationDetails
from tasks.source.sql_dialect import SqlDialect

__all__ = ["Sample", "sampled_rows"]

_SAMPLE_ROWS = 1_000
_MOST_CHARACTERS = 500
_SECONDS = 10
_BIG = 100_000
"""From so many rows on the sample is of blocks from all over the table, not of the first ones."""
_MORE_THAN_ASKED = 3
_OCTETS = 65
"""One more than the longest digest that is looked for."""
_CUTS = {
    "mariadb": "LEFT({0}, {1})",
    "sqlite": "substr({0}, 1, {1})",
    "jdbc": "{{fn SUBSTRING({0}, 1, {1})}}",
}
_CHARACTERS = frozenset(
    {"char", "varchar", "longvarchar", "nchar", "nvarchar", "longnvarchar", "clob", "nclob"}
)
_SAMPLED_BY_BLOCK = ("table", "partitioned table", "materialized view")


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows by column, values as text as the database prints them, bytes as they are.

    Attributes:
        rows: The rows.
        unfit: By column, the numbers of the rows whose value is of another kind than its type.
        whole: They are all that the table has.
        missing: Why there are none; empty where there are.
    """

    rows: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    whole: bool = False
    missing: str = ""
    unfit: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def values(self, column: str) -> tuple[str, ...]:
        """The texts of a column, without nulls and empty ones."""
        texts = (row.get(column) for row in self.rows)
        return tuple(text for text in texts if isinstance(text, str) and text.strip())


def sampled_rows(
    reading: SourceReading,
    details: RelationDetails,
    columns: Sequence[str],
    dialect: SqlDialect,
) -> Sample:
    """A sample of some columns; PostgreSQL's reading can't be used after one that failed."""
    if not columns:
        return Sample(missing="no column can be read")
    if details.policies_hide_rows:
        return Sample(missing="row-level security would hide rows")
    try:
        if reading.as_text:
            return _sample_of_texts(reading, details, columns, dialect)
        rows = reading.rows(_query(details, columns), seconds=_SECONDS)
    except StrandlineError as error:
        return Sample(missing=f"the source did not give them ({type(error).__name__})")
    by_block = _by_block(details)
    return Sample(
        rows=tuple(dict(zip(columns, row, strict=True)) for row in rows),
        whole=not by_block and len(rows) < _SAMPLE_ROWS,
        missing="" if rows else "the table has no rows",
    )


def _sample_of_texts(
    reading: SourceReading,
    details: RelationDetails,
    columns: Sequence[str],
    dialect: SqlDialect,
) -> Sample:
    """A sample of a database that is asked for text, as a load asks for it."""
    chosen = [each for each in details.relation.columns if each.name in columns]
    items: list[str] = []
    texts: dict[int, RelationColumn] = {}
    flags: dict[int, RelationColumn] = {}
    for column in chosen:
        text, is_unfit = _text_of(column, dialect)
        if text:
            texts[len(items)] = column
            items.append(text)
        if text and is_unfit:
            flags[len(items)] = column
            items.append(is_unfit)
    if not items:
        return Sample(missing="no column of it is sampled")
    limit = "" if dialect.name == "jdbc" else f" LIMIT {_SAMPLE_ROWS}"
    table = f"{dialect.quoted(details.relation.schema)}.{dialect.quoted(details.relation.name)}"
    query = f"SELECT {', '.join(items)} FROM {table}{limit}"  # noqa: S608 - quoted
    rows = reading.rows(query, seconds=_SECONDS, most=_SAMPLE_ROWS)
    return Sample(
        rows=tuple(
            {column.name: _as_bytes(row[at], column, dialect) for at, column in texts.items()}
            for row in rows
        ),
        whole=len(rows) < _SAMPLE_ROWS,
        missing="" if rows else "the table has no rows",
        unfit={
            column.name: frozenset(number for number, row in enumerate(rows) if row[at])
            for at, column in flags.items()
        },
    )


def _text_of(column: RelationColumn, dialect: SqlDialect) -> tuple[str, str]:
    """The SQL of a value's text, cut, and of whether it is of another kind than its type.

    Either is empty where there is none.
    """
    natural = dialect.natural_type(column)
    carried = None if natural is None else dialect.carrier(column, natural)
    if carried is None:
        return "", ""
    name, cut = dialect.quoted(column.name), _CUTS[dialect.name]
    if natural == "binary":
        # Not every database cuts bytes, so of those that are hardly known none are sampled.
        binary = "" if dialect.name == "jdbc" else carried.select(cut.format(name, _OCTETS))
        return binary, ""
    longer = natural == "string" and (dialect.name != "jdbc" or column.kind in _CHARACTERS)
    part = cut.format(name, _MOST_CHARACTERS) if longer else name
    is_unfit = carried.unfit(name)
    if is_unfit is None:
        return carried.select(part), ""
    return carried.as_text(part), f"CASE WHEN {is_unfit} THEN 1 ELSE 0 END"


def _as_bytes(value: object, column: RelationColumn, dialect: SqlDialect) -> object:
    is_binary = isinstance(value, str) and dialect.natural_type(column) == "binary"
    return bytes.fromhex(str(value)) if is_binary else value


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
