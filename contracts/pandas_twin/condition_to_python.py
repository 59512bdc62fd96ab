"""A condition of a contract as Python, over the operations of `pandas_conditions`.

Promise: what is written gives what Spark gives. Where no exact equal is known (division of
decimals, casts, single precision), there is an error, and nothing that is nearly right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from contracts.expressions import Call, Constant, Expression, Name, bind, parse_condition

_BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
_RANKS = (*_BITS, "decimal", "double")
_PARTS = ("year", "quarter", "month", "day", "hour", "minute", "second")
_SAID: Mapping[str, str] = {
    "and": "all_of", "or": "any_of", "not": "negation", "=": "equal", ">": "greater",
    "is_same": "is_same", "in": "is_in", "coalesce": "first_known", "nullif": "null_if",
    "length": "text_length", "lower": "lower", "upper": "upper", "trim": "trimmed",
    "ltrim": "left_trimmed", "rtrim": "right_trimmed", "concat": "joined", "replace": "replaced",
    "left": "beginning", "right": "end", "starts_with": "starts_with", "ends_with": "ends_with",
    "contains": "contains", "to_date": "day", "date_diff": "days_between",
}  # fmt: skip


class UnequalError(Exception):
    """Python has no exact equal of an operation."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Python text, and the Spark type of what it gives; empty where no arithmetic may use it."""

    text: str
    kind: str = ""


def python_condition(text: str, kinds: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The condition as a Python expression.

    Args:
        text: As the contract has it.
        kinds: The Spark SQL types of the columns.
        names: The Python name that each column it mentions has.

    Raises:
        UnequalError: An operation has no exact equal.
    """
    bound, _ = bind(parse_condition(text), kinds)
    return _Writer(kinds, names).said(bound).text


@dataclass(frozen=True, slots=True)
class _Writer:
    kinds: Mapping[str, str]
    names: Mapping[str, str]

    def said(self, expression: Expression) -> _Said:
        match expression:
            case Name(name):
                return _Said(self.names[name], self.kinds[name])
            case Constant(value):
                return _constant(value)
            case Call(operation, operands):
                return self._called(operation, operands)
            case _:
                raise UnequalError

    def _called(self, operation: str, operands: Sequence[Expression]) -> _Said:
        if operation == "like":
            return self._like(operands)
        given = [self.said(each) for each in operands]
        if operation in _PARTS:
            return _Said(f"part_of_time({given[0].text}, {operation!r})", "int")
        if operation in _SAID:
            kind = "int" if operation in ("length", "date_diff") else ""
            return _Said(f"{_SAID[operation]}({_listed(given)})", kind)
        special = _SPECIAL.get(operation)
        if special is None:
            raise UnequalError
        return special(given)

    def _like(self, operands: Sequence[Expression]) -> _Said:
        pattern = operands[1]
        if not isinstance(pattern, Constant):
            raise UnequalError
        expression = _regular_expression(str(pattern.value))
        return _Said(f"like({self.said(operands[0]).text}, {expression!r})")


def _listed(given: Sequence[_Said]) -> str:
    return ", ".join(each.text for each in given)


def _constant(value: object) -> _Said:
    if isinstance(value, datetime):
        return _Said(f"datetime.fromisoformat({value.isoformat()!r})", "timestamp")
    if isinstance(value, date):
        return _Said(f"date({value.year}, {value.month}, {value.day})", "date")
    if isinstance(value, int) and not isinstance(value, bool):
        return _Said(repr(value), "int" if -(2**31) <= value < 2**31 else "bigint")
    return _Said(repr(value), "double" if isinstance(value, float) else "")


def _regular_expression(pattern: str) -> str:
    """What LIKE matches: any text for a percent sign, one character for an underscore."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": r"[\s\S]*", "_": r"[\s\S]"}
    return "".join(wild.get(piece) or re.escape(piece[-1]) for piece in pieces)


def _calculated(operation: str) -> Callable[[Sequence[_Said]], _Said]:
    def said(given: Sequence[_Said]) -> _Said:
        kind = _kind_of_result(given[0].kind, given[1].kind)
        limit = 1 << _BITS[kind] if kind in _BITS else None
        return _Said(f"calculated({operation!r}, {_listed(given)}, {limit})", kind)

    return said


def _kind_of_result(one: str, other: str) -> str:
    """The wider of two types whose results Python computes exactly."""
    if not {one, other} <= {*_BITS, "double"}:
        raise UnequalError
    return max(one, other, key=_RANKS.index)


def _compared(text: str) -> Callable[[Sequence[_Said]], _Said]:
    return lambda given: _Said(text.format(*(each.text for each in given)))


def _chosen(given: Sequence[_Said]) -> _Said:
    # Each is computed only when it is reached.
    return _Said(f"chosen({', '.join(f'lambda: {each.text}' for each in given)})")


_SPECIAL: Mapping[str, Callable[[Sequence[_Said]], _Said]] = {
    "<>": _compared("negation(equal({0}, {1}))"),
    "<": _compared("greater({1}, {0})"),
    "<=": _compared("negation(greater({0}, {1}))"),
    ">=": _compared("negation(greater({1}, {0}))"),
    "is_null": _compared("({0} is None)"),
    "case": _chosen,
    "+": _calculated("+"),
    "-": _calculated("-"),
    "*": _calculated("*"),
}
