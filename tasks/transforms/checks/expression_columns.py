"""The expressions of a contract's checks as Spark columns.

Promise: nothing raises on bad data. Overflow, division by zero and text that is no number, day or
instant give null, which leaves a condition unknown. Otherwise values behave as in Spark SQL: NaN
equals itself and is above every number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import and_, or_
from types import MappingProxyType

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.expressions import Aggregate, Call, Cast, Constant, Expression, Name, Value

_WHOLE_UP_TO = 1e18
"""Beyond it `floor` and `ceil` are unknown: a double would be cut off at the end of a bigint."""

_MOST_DAYS = 4_000_000
"""More days than there are from year 1 to 9999; beyond it a date would wrap around."""


@dataclass(frozen=True, slots=True)
class ColumnBuilder:
    """Builds columns from bound expressions.

    Attributes:
        column: The column that a name stands for.
        counted: Which rows an aggregate counts, never null; None for all.
    """

    column: Callable[[str], Column]
    counted: Column | None = None

    def build(self, expression: Expression) -> Column:
        """The column of a bound expression; with aggregates, one over all rows."""
        match expression:
            case Name(name):
                return self.column(name)
            case Constant(value):
                return _literal(value)
            case Cast(operand, kind):
                return self.build(operand).try_cast(kind)
            case Call(operation, operands):
                return OPERATIONS[operation]([self.build(each) for each in operands])
            case Aggregate(function, operand, where):
                return self._aggregate(function, operand, where)

    def _aggregate(
        self, function: str, operand: Expression | None, where: Expression | None
    ) -> Column:
        value = F.lit(1) if operand is None else self.build(operand)
        conditions = [] if self.counted is None else [self.counted]
        if where is not None:
            conditions.append(self.build(where))
        if conditions:
            value = F.when(reduce(and_, conditions), value)
        return AGGREGATES[function](value)


_Columns = Sequence[Column]


def _binary(function: Callable[[Column, Column], Column]) -> Callable[[_Columns], Column]:
    return lambda given: function(given[0], given[1])


def _unary(function: Callable[[Column], Column]) -> Callable[[_Columns], Column]:
    return lambda given: function(given[0])


def _literal(value: Value) -> Column:
    # As text: a date before the year 1000 loses its leading zeros on the way to the JVM, and an
    # instant is written with its zone, whatever that of the session or of this process is.
    if isinstance(value, date):
        return F.lit(value.isoformat()).cast("timestamp" if isinstance(value, datetime) else "date")
    return F.lit(value)


def _choice(given: _Columns) -> Column:
    pairs = len(given) // 2
    chosen = F.when(given[0], given[1])
    for number in range(1, pairs):
        chosen = chosen.when(given[2 * number], given[2 * number + 1])
    return chosen.otherwise(given[-1]) if len(given) % 2 else chosen


def _negated(value: Column) -> Column:
    return F.try_subtract(F.lit(0), value)


def _rounded(given: _Columns) -> Column:
    return F.round(given[0], given[1]) if len(given) > 1 else F.round(given[0])


def _whole(function: Callable[[Column], Column]) -> Callable[[_Columns], Column]:
    def guarded(given: _Columns) -> Column:
        inside = given[0].between(F.lit(-_WHOLE_UP_TO), F.lit(_WHOLE_UP_TO))
        return F.when(inside, function(given[0]))

    return guarded


def _part(given: _Columns) -> Column:
    start, *length = (each.try_cast("int") for each in given[1:])
    return F.substring(given[0], start, length[0] if length else F.lit(2**31 - 1))


def _days_added(given: _Columns) -> Column:
    days = given[1].try_cast("int")
    inside = days.between(F.lit(-_MOST_DAYS), F.lit(_MOST_DAYS))
    return F.when(inside, F.date_add(given[0].try_cast("date"), days))


OPERATIONS: Mapping[str, Callable[[_Columns], Column]] = MappingProxyType(
    {
        "and": lambda given: reduce(and_, given),
        "or": lambda given: reduce(or_, given),
        "not": lambda given: ~given[0],
        "=": _binary(lambda one, other: one == other),
        "<>": _binary(lambda one, other: one != other),
        "<": _binary(lambda one, other: one < other),
        "<=": _binary(lambda one, other: one <= other),
        ">": _binary(lambda one, other: one > other),
        ">=": _binary(lambda one, other: one >= other),
        "is_same": _binary(lambda one, other: one.eqNullSafe(other)),
        "is_null": lambda given: given[0].isNull(),
        "in": lambda given: given[0].isin(*given[1:]),
        "like": _binary(F.like),
        "ilike": _binary(F.ilike),
        "+": _binary(F.try_add),
        "-": _binary(F.try_subtract),
        "*": _binary(F.try_multiply),
        "/": _binary(F.try_divide),
        "%": _binary(F.try_mod),
        "negate": _unary(_negated),
        "case": _choice,
        "coalesce": lambda given: F.coalesce(*given),
        "nullif": _binary(F.nullif),
        "greatest": lambda given: F.greatest(*given),
        "least": lambda given: F.least(*given),
        "abs": lambda given: F.when(given[0] < 0, _negated(given[0])).otherwise(given[0]),
        "round": _rounded,
        "floor": _whole(F.floor),
        "ceil": _whole(F.ceil),
        "length": _unary(F.char_length),
        "lower": _unary(F.lower),
        "upper": _unary(F.upper),
        "trim": _unary(F.trim),
        "ltrim": _unary(F.ltrim),
        "rtrim": _unary(F.rtrim),
        "concat": lambda given: F.concat(*given),
        "replace": lambda given: F.replace(given[0], given[1], given[2]),
        "substring": _part,
        "left": lambda given: F.left(given[0], given[1].try_cast("int")),
        "right": lambda given: F.right(given[0], given[1].try_cast("int")),
        "starts_with": _binary(F.startswith),
        "ends_with": _binary(F.endswith),
        "contains": _binary(F.contains),
        "year": _unary(F.year),
        "quarter": _unary(F.quarter),
        "month": _unary(F.month),
        "day": _unary(F.day),
        "hour": _unary(F.hour),
        "minute": _unary(F.minute),
        "second": _unary(F.second),
        "to_date": lambda given: given[0].try_cast("date"),
        "date_add": _days_added,
        "date_diff": lambda given: F.datediff(given[0].try_cast("date"), given[1].try_cast("date")),
    }
)
"""The Spark side of `contracts.expressions.listed_operations.OPERATIONS`."""

AGGREGATES: Mapping[str, Callable[[Column], Column]] = MappingProxyType(
    {
        "count": F.count,
        "count_if": lambda value: F.count(F.when(value, 1)),
        "sum": F.try_sum,
        "avg": F.try_avg,
        "min": F.min,
        "max": F.max,
    }
)
"""The Spark side of `contracts.expressions.listed_operations.AGGREGATES`."""
