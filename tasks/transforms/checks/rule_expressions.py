"""The rules of `contracts.model.check_registry` over one row, as Spark conditions.

Promise: each is true or false for every row, never null; nothing raises on bad data; and a null
passes every rule but `required`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Argument, Check, Scalar
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.mapping.typed_literals import constant, is_float, is_text


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may use beside the check itself.

    Attributes:
        kinds: Spark SQL types of the source columns.
        as_of: The time of extraction, timezone-aware.
        mark: The boolean column with whether a reference exists.
    """

    kinds: Mapping[str, str]
    as_of: datetime
    mark: str


def broken(check: Check, subject: Subject) -> Column:
    """Whether the source row breaks the check: true or false, never null."""
    return F.coalesce(BROKEN[check.rule](check, subject), F.lit(False))


def _required(check: Check, _subject: Subject) -> Column:
    return named(check.columns[0]).isNull()


def _not_blank(check: Check, _subject: Subject) -> Column:
    # (?U): white space as Unicode has it; (?s) is not needed, as nothing else is matched.
    return named(check.columns[0]).cast("string").rlike(r"(?U)\A\s*\z")


def _max_length(check: Check, _subject: Subject) -> Column:
    return F.char_length(named(check.columns[0]).cast("string")) > F.lit(
        int(str(check.arguments["length"]))
    )


def _in_set(check: Check, subject: Subject) -> Column:
    name = check.columns[0]
    listed = [
        constant(value, subject.kinds[name])
        for value in _values(check.arguments["values"])
        if value is not None
    ]
    return ~named(name).isin(*listed) if listed else named(name).isNotNull()


def _between(check: Check, subject: Subject) -> Column:
    name = check.columns[0]
    kind = subject.kinds[name]
    value = named(name)
    outside = F.isnan(value) if is_float(kind) else F.lit(False)
    low, high = (_scalar(check.arguments.get(bound)) for bound in ("low", "high"))
    if low is not None:
        outside = outside | (value < constant(low, kind))
    if high is not None:
        outside = outside | (value > constant(high, kind))
    return outside


def _matches(check: Check, _subject: Subject) -> Column:
    # The whole value must match; `$` would let a line feed at the end pass.
    pattern = f"\\A(?:{check.arguments['pattern']})\\z"
    return ~named(check.columns[0]).cast("string").rlike(pattern)


def _not_after(check: Check, subject: Subject) -> Column:
    first, second = (_instant(name, subject) for name in check.columns)
    return first > second


def _not_in_future(check: Check, subject: Subject) -> Column:
    seconds = float(str(check.arguments.get("tolerance_seconds", 0)))
    latest = F.lit(subject.as_of + timedelta(seconds=seconds)).cast("timestamp")
    return _instant(check.columns[0], subject) > latest


def _references(check: Check, subject: Subject) -> Column:
    return named(check.columns[0]).isNotNull() & ~named(subject.mark)


def _instant(name: str, subject: Subject) -> Column:
    """The column; text as a timestamp, since it would raise or compare by letters otherwise."""
    value = named(name)
    return value.try_cast("timestamp") if is_text(subject.kinds[name]) else value


def _values(argument: Argument) -> tuple[Scalar, ...]:
    return tuple(argument) if isinstance(argument, (tuple, list)) else (_scalar(argument),)


def _scalar(argument: Argument) -> Scalar:
    return None if isinstance(argument, (tuple, Mapping)) else argument


BROKEN: Mapping[str, Callable[[Check, Subject], Column]] = MappingProxyType(
    {
        "required": _required,
        "not_blank": _not_blank,
        "max_length": _max_length,
        "in_set": _in_set,
        "between": _between,
        "matches": _matches,
        "not_after": _not_after,
        "not_in_future": _not_in_future,
        "references": _references,
    }
)
"""The Spark side of every row and reference rule of `contracts.model.check_registry`.

Patterns of `matches` are Java regular expressions and must match the whole value.
"""
