"""The row rules over pandas columns, for frames that fit in memory.

Promise: each says of a row what the Spark condition of the same rule says. A null breaks no rule
but `required`, and a value that is not of its column's type counts as null. Needs pandas and
nothing of Strandline: `pandera_module` copies it into the modules that it writes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

Value = Any
"""A Python value of a column's type, or None."""

_BOUNDS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
_FLOATS = ("float", "double")
_NUMBERS: Mapping[str, type] = {**dict.fromkeys(_BOUNDS, int), "double": float}
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_SPACE = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
"""White space as Unicode has it; `str.isspace` has four control characters more."""
_TIME = re.compile(
    r"^(?P<year>\d{4,6})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})"
    r"(?:\.(?P<fraction>\d*))?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{1,2}(?::\d{1,2})?|\w+/\w+)?)?)?)?$",
    re.ASCII,
)
_MICROSECONDS = 6
_SPACES = " \t\n\v\f\r"
_TRIMMED = "".join(map(chr, [*range(0x21), 0x7F]))
"""What a cast removes at both ends."""
_READABLE = {
    "boolean": r"(?i)t|true|y|yes|1|f|false|n|no|0",
    "uuid": r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    **dict.fromkeys(
        _FLOATS, r"(?i)[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[df]?|[+-]?(inf|infinity)|nan"
    ),
}


def is_of_type(value: object, kind: str) -> bool:
    """Whether a value that is not null is one of a Spark SQL type."""
    if kind in _BOUNDS:
        limit = 1 << _BOUNDS[kind]
        return _is_whole(value) and -limit <= int(str(value)) < limit
    if kind in _FLOATS:
        return _is_whole(value) or isinstance(value, float) or type(value).__name__ == "float32"
    match = _DECIMAL.match(kind)
    if match:
        return _fits_digits(value, int(match[1]), int(match[2]))
    if kind == "boolean":
        return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
    if kind == "date":
        midnight = isinstance(value, datetime) and value == value.replace(hour=0, minute=0)
        return isinstance(value, date) and (midnight or not isinstance(value, datetime))
    types: Mapping[str, type] = {"timestamp": datetime, "string": str, "binary": bytes}
    return isinstance(value, types.get(kind, object))


def _is_whole(value: object) -> bool:
    return hasattr(value, "__index__") and type(value).__name__ not in ("bool", "bool_")


def _fits_digits(value: object, precision: int, scale: int) -> bool:
    if not (_is_whole(value) or isinstance(value, Decimal)):
        return False
    number = Decimal(str(value))
    if not number.is_finite():
        return False
    _, digits, exponent = number.normalize().as_tuple()
    after = max(0, -int(exponent))
    before = max(0, len(digits) + int(exponent)) if any(digits) else 0
    return after <= scale and before <= precision - scale


def is_null(value: object, kind: str, *, exact: bool = True) -> bool:
    """Whether a cell is empty. A NaN is a number where `exact`: in a column of Python objects."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    is_nan = isinstance(value, float) and value != value  # noqa: PLR0124 - only NaN differs from itself
    return is_nan and not (exact and kind in _FLOATS)


def values(column: pd.Series[Any], kind: str) -> list[Value]:
    """The column's values as Python values; None where there is none, or one of another type."""
    exact = column.dtype == object
    return [
        None
        if is_null(value, kind, exact=exact) or not is_of_type(value, kind)
        else plain(value, kind)
        for value in column
    ]


def plain(value: Value, kind: str) -> Value:
    """The value as rules compare it: moments with their zone, numbers as wide as their type."""
    if kind == "float":
        return _single(float(value))
    if kind.startswith("decimal"):
        return Decimal(str(value))
    if kind == "timestamp" and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    if kind == "date" and isinstance(value, datetime):
        return value.date()
    return _NUMBERS[kind](value) if kind in _NUMBERS else value


def _single(value: float) -> float:
    """The nearest number of single precision."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def instant(text: str) -> datetime | None:
    """The moment that a text holds, read as Spark reads it, UTC by default; else None."""
    match = _TIME.match(text.strip())
    if match is None:
        return None
    part = match.groupdict()
    fraction = (part["fraction"] or "")[:_MICROSECONDS].ljust(_MICROSECONDS, "0")
    try:
        return datetime(
            int(part["year"]),
            int(part["month"] or 1),
            int(part["day"] or 1),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int(fraction),
            _zone(part["zone"]),
        )
    except (ValueError, KeyError, OSError):
        return None


def _zone(name: str | None) -> tzinfo:
    if name in (None, "Z", "UTC", "GMT"):
        return UTC
    if "/" in name:
        return ZoneInfo(name)
    hours, _, minutes = name[1:].partition(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if name.startswith("-") else offset)


def as_moment(value: Value) -> datetime | None:
    """A date or a text as the moment it stands for."""
    if isinstance(value, str):
        return instant(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None if value is None else plain(value, "timestamp")


def in_one_type(one: Value, other: Value) -> tuple[Value, Value]:
    """Two values in one type: what is compared with a binary fraction becomes one."""
    if isinstance(one, float) or isinstance(other, float):
        return float(one), float(other)
    return one, other


def is_after(one: Value, other: Value) -> bool:
    """Whether the one is greater; NaN is greater than any other number."""
    first, second = in_one_type(one, other)
    if isinstance(first, float):
        first_nan, second_nan = first != first, second != second  # noqa: PLR0124
        if first_nan or second_nan:
            return first_nan and not second_nan
    return bool(first > second)


def required(value: Value) -> bool:
    """There is no value."""
    return value is None


def not_blank(value: Value) -> bool:
    """There is nothing but white space."""
    return value is not None and _SPACE.issuperset(value)


def max_length(value: Value, length: int) -> bool:
    """There are more characters."""
    return value is not None and len(value) > length


def length(value: Value, min: int = 0, max: int | None = None) -> bool:  # noqa: A002
    """There are fewer characters than `min`, or more than `max`."""
    return value is not None and (len(value) < min or (max is not None and len(value) > max))


def readable_as(value: Value, wanted: str) -> bool:
    """The text is none of a Spark SQL type, or no UUID."""
    if value is None:
        return False
    text = value.strip(_TRIMMED)
    match = _DECIMAL.match(wanted)
    if match:
        before, after = int(match[1]) - int(match[2]), int(match[2])
        form = rf"(?=.*\d)[+-]?0*\d{{0,{before}}}(\.\d{{0,{after}}}0*)?"
        return re.fullmatch(form, value.strip(_SPACES), re.ASCII) is None
    if wanted in _BOUNDS:
        limit = 1 << _BOUNDS[wanted]
        whole = re.fullmatch(r"[+-]?\d+", text, re.ASCII)
        return whole is None or not -limit <= int(text) < limit
    if wanted in ("date", "timestamp"):
        return instant(re.split("[ T]", text)[0] if wanted == "date" else text) is None
    return re.fullmatch(_READABLE[wanted], value if wanted == "uuid" else text, re.ASCII) is None


def in_set(value: Value, listed: tuple[Value, ...]) -> bool:
    """It is none of them."""
    if value is None:
        return False
    return not any(
        first == second for first, second in (in_one_type(value, each) for each in listed)
    )


def between(value: Value, low: Value = None, high: Value = None) -> bool:
    """It lies outside, or is no number."""
    if value is None:
        return False
    if isinstance(value, float) and value != value:  # noqa: PLR0124
        return True
    return (low is not None and is_after(low, value)) or (
        high is not None and is_after(value, high)
    )


def matches(value: Value, pattern: str) -> bool:
    """The pattern does not match all of it."""
    return value is not None and re.fullmatch(pattern, value, re.ASCII) is None


def not_after(first: Value, second: Value) -> bool:
    """The first lies after the second; a text or a date is read as a moment."""
    timed = (str, date)
    if isinstance(first, timed) or isinstance(second, timed):
        first, second = as_moment(first), as_moment(second)
    return first is not None and second is not None and is_after(first, second)


def not_in_future(value: Value, as_of: datetime, tolerance_seconds: float = 0) -> bool:
    """It lies more than the tolerance after `as_of`."""
    moment = as_moment(value)
    return moment is not None and moment > as_of + timedelta(seconds=tolerance_seconds)


def each(kind: str, rule: Callable[..., bool], **arguments: Value) -> Callable[..., Any]:
    """The rule as a check of one column: which rows keep it."""
    breaks = partial(rule, **arguments)

    def keeps(column: pd.Series[Any]) -> pd.Series[bool]:
        kept = [not breaks(value) for value in values(column, kind)]
        return pd.Series(kept, index=column.index, dtype=bool)

    return keeps


def each_row(
    kinds: Mapping[str, str], rule: Callable[..., bool], **arguments: Value
) -> Callable[..., Any]:
    """The rule as a check of several columns, in their order: which rows keep it."""
    breaks = partial(rule, **arguments)

    def keeps(frame: pd.DataFrame) -> pd.Series[bool]:
        columns: Iterable[list[Value]] = [values(frame[name], kinds[name]) for name in kinds]
        kept = [not breaks(*row) for row in zip(*columns, strict=True)]
        return pd.Series(kept, index=frame.index, dtype=bool)

    return keeps


def of_type(kind: str) -> Callable[..., Any]:
    """The check that each value is one of the type, or null."""

    def fits(column: pd.Series[Any]) -> pd.Series[bool]:
        exact = column.dtype == object
        good = [is_null(each, kind, exact=exact) or is_of_type(each, kind) for each in column]
        return pd.Series(good, index=column.index, dtype=bool)

    return fits


def not_null(kind: str) -> Callable[..., Any]:
    """The check that there is a value."""

    def there(column: pd.Series[Any]) -> pd.Series[bool]:
        exact = column.dtype == object
        good = [not is_null(each, kind, exact=exact) for each in column]
        return pd.Series(good, index=column.index, dtype=bool)

    return there
