"""The operations of conditions over Python values, with null as the unknown.

Promise: each gives what Spark gives of the same operands. `condition_to_python` writes conditions
in terms of them, and `pandera_module` copies them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import wraps

from contracts.pandas_twin.pandas_row_rules import Value, as_moment, in_one_type, is_after


def condition(
    *row: Value, then: Callable[..., bool | None], when: Callable[..., bool | None] | None = None
) -> bool:
    """`then` is false where `when` is true; what is unknown breaks nothing."""
    return (when is None or when(*row) is True) and then(*row) is False


def _strict(function: Callable[..., Value]) -> Callable[..., Value]:
    """Null as soon as one operand is."""

    @wraps(function)
    def known(*operands: Value) -> Value:
        return None if any(each is None for each in operands) else function(*operands)

    return known


def all_of(*operands: bool | None) -> bool | None:
    """AND."""
    return False if False in operands else None if None in operands else True


def any_of(*operands: bool | None) -> bool | None:
    """OR."""
    return True if True in operands else None if None in operands else False


@_strict
def negation(operand: bool) -> bool:
    """NOT."""
    return not operand


def _as_alike(one: Value, other: Value) -> tuple[Value, Value]:
    """Days and instants as instants where they meet."""
    if isinstance(one, date) and isinstance(other, date):
        return as_moment(one), as_moment(other)
    return one, other


@_strict
def greater(one: Value, other: Value) -> bool:
    """The one is above the other; NaN is above every number."""
    return is_after(*_as_alike(one, other))


@_strict
def equal(one: Value, other: Value) -> bool:
    """The two are equal; NaN equals itself."""
    first, second = in_one_type(*_as_alike(one, other))
    return bool(first == second or (first != first and second != second))  # noqa: PLR0124


def is_same(one: Value, other: Value) -> bool:
    """The two are equal, or both null."""
    return one is other if one is None or other is None else bool(equal(one, other))


def is_in(value: Value, *listed: Value) -> bool | None:
    """It equals one of them."""
    return any_of(*(equal(value, each) for each in listed))


def first_known(*operands: Value) -> Value:
    """The first that is not null."""
    return next((each for each in operands if each is not None), None)


def null_if(value: Value, other: Value) -> Value:
    """Null where the two are equal, else the first."""
    return None if equal(value, other) is True else value


def chosen(*operands: Callable[[], Value]) -> Value:
    """CASE: conditions and values in turn, and perhaps a last value."""
    for position in range(0, len(operands) - 1, 2):
        if operands[position]() is True:
            return operands[position + 1]()
    return operands[-1]() if len(operands) % 2 else None


@_strict
def like(text: str, pattern: str) -> bool:
    """The regular expression that a pattern of LIKE became matches all of it."""
    return re.fullmatch(pattern, text) is not None


def calculated(operation: str, one: Value, other: Value, limit: int | None) -> Value:
    """The result of `+`, `-` or `*`; null above or below the limit of its type."""
    if one is None or other is None:
        return None
    first, second = in_one_type(one, other)
    if operation == "*":
        result = first * second
    else:
        result = first + second if operation == "+" else first - second
    return None if limit is not None and not -limit <= result < limit else result


@_strict
def replaced(text: str, old: str, new: str) -> str:
    """Each occurrence replaced; there is none of the empty text."""
    return text.replace(old, new) if old else text


@_strict
def day(value: Value) -> date:
    """The day of a day or an instant, UTC."""
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


@_strict
def days_between(first: Value, second: Value) -> int:
    """The first day less the second."""
    return int((day(first) - day(second)) // timedelta(days=1))


@_strict
def part_of_time(value: Value, part: str) -> int:
    """The year, quarter, month, day, hour, minute or second, UTC."""
    moment = value.astimezone(UTC) if isinstance(value, datetime) else value
    return (moment.month + 2) // 3 if part == "quarter" else int(getattr(moment, part))


text_length = _strict(len)
lower, upper = _strict(str.lower), _strict(str.upper)
joined = _strict(lambda *parts: "".join(parts))
starts_with, ends_with = _strict(str.startswith), _strict(str.endswith)
contains = _strict(lambda text, part: part in text)
trimmed = _strict(lambda text: text.strip(" "))
left_trimmed = _strict(lambda text: text.lstrip(" "))
right_trimmed = _strict(lambda text: text.rstrip(" "))
beginning = _strict(lambda text, count: text[: max(count, 0)])
end = _strict(lambda text, count: text[max(len(text) - count, 0) :] if count > 0 else "")
