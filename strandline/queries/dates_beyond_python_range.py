"""Days and moments before the year 1 and after 9999, comparable with those of Python's types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import total_ordering
from typing import TypeGuard

__all__ = ["FarMoment", "day_of", "far_moment", "is_day", "is_temporal", "micros_of", "moment_at"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_ERA_YEARS, _ERA_DAYS = 400, 146_097
"""After so many years the Gregorian calendar repeats itself."""
_FIRST_DAY, _LAST_DAY = (
    each.toordinal() - date(1970, 1, 1).toordinal() for each in (date.min, date.max)
)
_LAST_YEAR = 9999
_MAX_DAYS, _MAX_MICROS = 1 << 31, 1 << 63
_NOT_FAR = "neither a day nor a moment out of Python's reach"
_FAR = re.compile(r"([+-]?\d{4,7})(-\d\d-\d\d)(?:[T ](\d[^ ]*))?( BC)?")


@total_ordering
@dataclass(frozen=True, slots=True)
class FarMoment:
    """A day, or a moment in UTC, outside the range of Python's `date` and `datetime`.

    It is ordered among them and among other far moments.

    Attributes:
        micros: Microseconds since 1970-01-01T00:00Z.
        is_day: Whether it is a day rather than a moment.
    """

    micros: int
    is_day: bool = False

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, date | FarMoment):
            return NotImplemented
        return self.micros < micros_of(other)

    def isoformat(self) -> str:
        """ISO 8601 with a sign: `-0043-03-15`, `+12000-01-01T08:30:00+00:00`."""
        year, near = self._near()
        if self.is_day:
            return f"{year}{near.date().isoformat()[4:]}"
        return f"{year}{near.isoformat()[4:]}"

    def short(self) -> str:
        """The shortest exact form, in UTC."""
        year, near = self._near()
        clock = near.time()
        if not (clock.hour or clock.minute or clock.second or clock.microsecond):
            return f"{year}{near.date().isoformat()[4:]}"
        exact = "auto" if clock.second or clock.microsecond else "minutes"
        return f"{year}{near.date().isoformat()[4:]} {clock.isoformat(exact)}"

    def __str__(self) -> str:
        return self.isoformat()

    def _near(self) -> tuple[str, datetime]:
        """The year as text, and the same moment in a year within Python's range."""
        days, rest = divmod(self.micros, _DAY)
        eras, days = divmod(days, _ERA_DAYS)
        near = _EPOCH + timedelta(days=days, microseconds=rest)
        year = near.year + eras * _ERA_YEARS
        return (f"+{year}" if year > _LAST_YEAR else f"{'-' * (year < 0)}{abs(year):04d}"), near


def far_moment(text: str, *, day: bool) -> FarMoment:
    """The moment of `isoformat`'s text, or of PostgreSQL's (`0044-03-15 BC`), read in UTC.

    Raises:
        ValueError: It is something else, lies within Python's range or beyond Spark's.
    """
    match = _FAR.fullmatch(text.strip())
    if match is None or (day and match[3] is not None):
        raise ValueError(_NOT_FAR)
    year = 1 - int(match[1]) if match[4] else int(match[1])
    eras, near = divmod(year, _ERA_YEARS)
    near += 5 * _ERA_YEARS
    at = datetime.fromisoformat(f"{near}{match[2]}T{match[3] or '00:00'}")
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    micros = micros_of(at) + (eras - 5) * _ERA_DAYS * _DAY
    days = micros // _DAY
    beyond = abs(days) >= _MAX_DAYS if day else abs(micros) >= _MAX_MICROS
    if beyond or _FIRST_DAY <= days <= _LAST_DAY:
        raise ValueError(_NOT_FAR)
    return FarMoment(micros, day)


def is_temporal(value: object) -> TypeGuard[date | FarMoment]:
    """Whether it is a day or a moment."""
    return isinstance(value, date | FarMoment)


def is_day(value: object) -> bool:
    """Whether it is a day rather than a moment."""
    if isinstance(value, FarMoment):
        return value.is_day
    return isinstance(value, date) and not isinstance(value, datetime)


def micros_of(value: date | FarMoment) -> int:
    """Microseconds since 1970-01-01T00:00Z of a day or moment."""
    if isinstance(value, FarMoment):
        return value.micros
    if not isinstance(value, datetime):
        return (value.toordinal() - _EPOCH.toordinal()) * _DAY
    return (value - _EPOCH) // timedelta(microseconds=1)


def moment_at(micros: int) -> datetime | FarMoment:
    """The moment so many microseconds after 1970-01-01T00:00Z."""
    if _FIRST_DAY <= micros // _DAY <= _LAST_DAY:
        return _EPOCH + timedelta(microseconds=micros)
    return FarMoment(micros)


def day_of(days: int) -> date | FarMoment:
    """The day so many days after 1970-01-01."""
    if _FIRST_DAY <= days <= _LAST_DAY:
        return date.fromordinal(days + _EPOCH.toordinal())
    return FarMoment(days * _DAY, is_day=True)
