"""The rules of `contracts.model.check_registry` over one row, as Spark conditions.

Promise: each is true or false for every row, never null; nothing raises on bad data; and a null
passes every rule but `required` and those that count nulls. Figures of a whole batch are aggregates
for the same pass over the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.expressions import Aggregate, bind, parse_condition, parse_metric_query
from contracts.expressions.listed_operations import BOOLEAN
from contracts.model import Argument, Check, Scalar
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.expression_columns import ColumnBuilder
from tasks.transforms.mapping.typed_literals import constant, is_float, is_text

_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_HEX = "[0-9A-Fa-f]"
_UUID = rf"\A{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\z"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may use beside the check itself.

    Attributes:
        kinds: Spark SQL types of the columns that checks name.
        as_of: The time of extraction, timezone-aware.
        mark: The boolean column with whether a reference exists.
        values: What names stand for, where they are not columns of the rows: for a check about
            the target, the clear values of its columns. A name that is missing is a column.
    """

    kinds: Mapping[str, str]
    as_of: datetime
    mark: str
    values: Mapping[str, Column] = field(default_factory=dict)

    def value(self, name: str) -> Column:
        """What the name stands for."""
        return self.values[name] if name in self.values else named(name)

    def text(self, name: str) -> Column:
        """The same as text."""
        return self.value(name).cast("string")


def broken(check: Check, subject: Subject) -> Column:
    """Whether the row breaks the check: true or false, never null."""
    return F.coalesce(BROKEN[check.rule](check, subject), F.lit(False))


def batch_aggregate(check: Check, subject: Subject, counted: Column | None = None) -> Column:
    """The metric of a check of the rules `row_count` and `sql`: an aggregate over all rows, DOUBLE.

    It holds no DISTINCT, so it fits a `pyspark.sql.Observation`. Null where it can't be computed:
    there is nothing to divide by, no row to take the least of, or a sum is too large.

    Args:
        check: The check.
        subject: The types and values of the columns it names.
        counted: Which rows count; a null does not. None: all do.
    """
    rows = None if counted is None else F.coalesce(counted, F.lit(False))
    builder = ColumnBuilder(subject.value, rows)
    if check.rule == "row_count":
        return builder.build(Aggregate("count", None, None)).cast("double")
    figure = parse_metric_query(str(check.arguments["query"]))
    bound, gives = bind(figure, subject.kinds)
    metric = builder.build(bound)
    if gives == BOOLEAN:
        metric = metric.cast("int")
    return metric.try_cast("double")


def _required(check: Check, subject: Subject) -> Column:
    return subject.value(check.columns[0]).isNull()


def _not_blank(check: Check, subject: Subject) -> Column:
    text = subject.text(check.columns[0])
    # Most text begins with a printable ASCII character, which is told without the expression.
    begins_printable = (text >= F.lit("!")) & (text < F.lit("\x7f"))
    # (?U): white space as Unicode has it; (?s) is not needed, as nothing else is matched.
    return ~begins_printable & text.rlike(r"(?U)\A\s*\z")


def _max_length(check: Check, subject: Subject) -> Column:
    text, most = subject.text(check.columns[0]), F.lit(int(str(check.arguments["length"])))
    # No text has more characters than bytes, which Spark need not count.
    return (F.octet_length(text) > most) & (F.char_length(text) > most)


def _length(check: Check, subject: Subject) -> Column:
    length = F.char_length(subject.text(check.columns[0]))
    low, high = (_scalar(check.arguments.get(bound)) for bound in ("min", "max"))
    outside = F.lit(False)
    if low is not None:
        outside = outside | (length < F.lit(low))
    if high is not None:
        outside = outside | (length > F.lit(high))
    return outside


def _type(check: Check, subject: Subject) -> Column:
    text, kind = subject.text(check.columns[0]), str(check.arguments["type"])
    if kind == "uuid":
        return ~text.rlike(_UUID)
    if (form := _DECIMAL.match(kind)) is not None:
        whole, after = int(form[1]) - int(form[2]), int(form[2])
        # A cast would round, so that too many digits after the point would not be noticed.
        fraction = rf"(\.\d{{0,{after}}}0*)?"
        return ~text.rlike(rf"\A\s*(?=.*\d)[+-]?0*\d{{0,{whole}}}{fraction}\s*\z")
    return text.isNotNull() & text.try_cast(kind).isNull()


def _in_set(check: Check, subject: Subject) -> Column:
    name = check.columns[0]
    listed = [
        constant(value, subject.kinds[name])
        for value in _values(check.arguments["values"])
        if value is not None
    ]
    value = subject.value(name)
    return ~value.isin(*listed) if listed else value.isNotNull()


def _between(check: Check, subject: Subject) -> Column:
    name = check.columns[0]
    kind = subject.kinds[name]
    value = subject.value(name)
    outside = F.isnan(value) if is_float(kind) else F.lit(False)
    low, high = (_scalar(check.arguments.get(bound)) for bound in ("low", "high"))
    if low is not None:
        outside = outside | (value < constant(low, kind))
    if high is not None:
        outside = outside | (value > constant(high, kind))
    return outside


def _matches(check: Check, subject: Subject) -> Column:
    # The whole value must match; `$` would let a line feed at the end pass.
    pattern = f"\\A(?:{check.arguments['pattern']})\\z"
    return ~subject.text(check.columns[0]).rlike(pattern)


def _not_after(check: Check, subject: Subject) -> Column:
    first, second = (_instant(name, subject) for name in check.columns)
    return first > second


def _not_in_future(check: Check, subject: Subject) -> Column:
    seconds = float(str(check.arguments.get("tolerance_seconds", 0)))
    latest = F.lit(subject.as_of + timedelta(seconds=seconds)).cast("timestamp")
    return _instant(check.columns[0], subject) > latest


def _condition(check: Check, subject: Subject) -> Column:
    """`then` is false where `when` is true; where either is unknown, nothing is broken."""
    builder = ColumnBuilder(subject.value)
    sides = [
        builder.build(bind(parse_condition(str(check.arguments[key])), subject.kinds)[0])
        for key in ("when", "then")
        if check.arguments.get(key) is not None
    ]
    *when, then = sides
    return when[0] & ~then if when else ~then


def _null_values(check: Check, subject: Subject) -> Column:
    return subject.value(check.columns[0]).isNull()


def _missing_values(check: Check, subject: Subject) -> Column:
    name, values = check.columns[0], _values(check.arguments["values"])
    missing = F.lit(False)
    listed = [constant(each, subject.kinds[name]) for each in values if each is not None]
    if listed:
        missing = F.coalesce(subject.value(name).isin(*listed), missing)
    return missing | subject.value(name).isNull() if None in values else missing


def _invalid_values(check: Check, subject: Subject) -> Column:
    invalid = F.lit(False)
    if "values" in check.arguments:
        invalid = _in_set(check, subject)
    if "pattern" in check.arguments:
        # As the standard has it: the pattern occurs somewhere, unless it is anchored.
        found = subject.text(check.columns[0]).rlike(str(check.arguments["pattern"]))
        invalid = invalid | ~found
    return invalid


def _references(check: Check, subject: Subject) -> Column:
    return subject.value(check.columns[0]).isNotNull() & ~named(subject.mark)


def _instant(name: str, subject: Subject) -> Column:
    """The column; text as a timestamp, since it would raise or compare by letters otherwise."""
    value = subject.value(name)
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
        "length": _length,
        "type": _type,
        "condition": _condition,
        "references": _references,
        "null_values": _null_values,
        "missing_values": _missing_values,
        "invalid_values": _invalid_values,
    }
)
"""The Spark side of every row and reference rule of `contracts.model.check_registry`.

Patterns of `matches` are Java regular expressions and must match the whole value.
"""
