"""In which type each column of a table is read, by its catalog, and by a sample where that differs.

A database that is asked for text (`tasks.source.text_to_spark_types`) may hold values that its own
types do not mean: a zero date of MariaDB, whatever a column of SQLite was given. A column with such
values is read as text, which takes them all, and a user decides.

Promise: what is counted here as no value of a type is what a load would refuse, of the types whose
values depend on the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

from contracts.model.database_type_names import family
from contracts.model.source_relation import RelationColumn, RelationDetails
from tasks.introspection.sampled_rows import Sample
from tasks.source.sql_dialect import SqlDialect

__all__ = ["ColumnTypes", "column_types", "says"]

_PROVING = 20
"""From so many sampled values on, all of them alike tell something."""
_DAY = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"((?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([ T]([0-9]{2}):([0-9]{2})(:([0-9]{2})(\.[0-9]{1,6}0*)?)? ?(Z|[+-][0-9]{2}(:[0-9]{2})?)?)?"
)
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_NUMBER = re.compile(r"[+-]?([0-9]+)(\.[0-9]*)?")
_BOOLEAN = frozenset({"0", "1", "true", "false", "TRUE", "FALSE"})
_MINUTES, _FARTHEST_ZONE = 60, 18
_WORDS = {
    "timestamp": "times", "date": "days", "boolean": "truth values", "binary": "bytes",
    "integer": "whole numbers", "string": "text", "double": "numbers", "float": "numbers",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """How the columns of a table are read.

    Attributes:
        read_as: By column, the Spark type; a column that can't be read is not among them.
        notes: By column, why it is read otherwise than its own type says, in words.
        decisions: By column, what there is to decide about it, in words.
    """

    read_as: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, str] = field(default_factory=dict)


def column_types(
    details: RelationDetails,
    dialect: SqlDialect,
    sample: Sample,
    *,
    stamps: Collection[str] = (),
) -> ColumnTypes:
    """The type of each column that can be read.

    Args:
        details: The table.
        dialect: Of its database.
        sample: Rows of it, or none.
        stamps: Columns that are named like the time of a change: text that says nothing but times
            is read as these.
    """
    read_as, notes, decisions = {}, {}, {}
    for column in details.relation.columns:
        natural = dialect.natural_type(column)
        if natural is None or dialect.carrier(column, natural) is None:
            continue
        ways = dialect.readable_as(column)
        values = sample.values(column.name)
        read_as[column.name] = natural
        misfits = _misfits(column, natural, sample)
        if misfits and values:
            found = f"{misfits} of {len(values)} sampled values are no {_words(natural)}"
            if "string" in ways and natural != "string":
                read_as[column.name] = "string"
                decisions[column.name] = (
                    f"{found}, so {column.name} is read as text, which takes them; as"
                    f" {natural.upper()} their rows are refused"
                )
            else:
                decisions[column.name] = f"{found}, and their rows are refused ({column.name})"
        elif natural == "string" and column.name in stamps:
            kind = _times(values, ways, whole=sample.whole)
            if kind:
                read_as[column.name] = kind
                notes[column.name] = (
                    f"text in the source; all {len(values)} sampled values are {_words(kind)}"
                )
    return ColumnTypes(read_as, notes, decisions)


def says(text: str, kind: str) -> bool:
    """Whether a text says a value of a Spark type, of those where it depends on the text."""
    digits = _DECIMAL.match(kind)
    if digits:
        return _is_decimal(text, int(digits[1]), int(digits[2]))
    if kind == "boolean":
        return text in _BOOLEAN
    if kind == "date":
        return bool(_DAY.fullmatch(text)) and _is_day(text)
    return _is_moment(text) if kind == "timestamp" else True


def _misfits(column: RelationColumn, natural: str, sample: Sample) -> int:
    """How many of the sampled values are none of the type: by their kind, or by their text."""
    unfit = sample.unfit.get(column.name, frozenset())
    return sum(
        number in unfit or (isinstance(text, str) and not says(text, natural))
        for number, text in enumerate(row.get(column.name) for row in sample.rows)
    )


def _times(values: Sequence[str], ways: Sequence[str], *, whole: bool) -> str:
    """The type of times that all texts are; empty: they are none, or too few tell."""
    enough = len(values) >= _PROVING or (whole and bool(values))
    if not enough or "timestamp" not in ways:
        return ""
    if all(says(text, "date") for text in values):
        return "date" if "date" in ways else ""
    return "timestamp" if all(says(text, "timestamp") for text in values) else ""


def _words(kind: str) -> str:
    """Values of a type, in words."""
    return _WORDS.get(kind) or _WORDS.get(family(kind)) or f"values of {kind.upper()}"


def _is_decimal(text: str, precision: int, scale: int) -> bool:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return False
    whole, fraction = match[1].lstrip("0"), (match[2] or ".")[1:].rstrip("0")
    return len(fraction) <= scale and len(whole) <= precision - scale


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        date.fromisoformat(text)
        return True
    return False


def _is_moment(text: str) -> bool:
    match = _MOMENT.fullmatch(text)
    if match is None or not _is_day(match[1]):
        return False
    hour, minute, second, zone = match[3], match[4], match[6], match[8]
    if hour is not None:
        with suppress(ValueError):
            datetime(1970, 1, 1, int(hour), int(minute), int(second or 0))  # noqa: DTZ001
            return zone in {None, "Z"} or _is_zone(zone)
        return False
    return True


def _is_zone(zone: str) -> bool:
    hours, minutes = int(zone[1:3]), int(zone[4:] or 0)
    within = hours < _FARTHEST_ZONE or (hours == _FARTHEST_ZONE and minutes == 0)
    return within and minutes < _MINUTES
