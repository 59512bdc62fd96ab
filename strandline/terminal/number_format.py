"""Numbers, moments and shares as every page of the command line formats them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from strandline.queries.dates_beyond_python_range import FarMoment, is_temporal
from tasks.transforms.checks.figure_text import share_text

NOTHING = "-"
_MINUTE = 60
_THOUSAND = 1000
_HOURS_FROM, _DAYS_FROM = 100, 2880
"""From so many minutes on, an age is said in hours, and in days."""


def count(number: int | None) -> str:
    """With a comma between thousands."""
    return NOTHING if number is None else f"{number:,}"


def moment(value: object) -> str:
    """A moment in UTC, in its shortest exact form; anything else as text."""
    if value is None:
        return NOTHING
    if isinstance(value, FarMoment):
        return value.short()
    if isinstance(value, datetime):
        at = value.astimezone(UTC).replace(tzinfo=None)
        if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0):
            return at.date().isoformat()
        if at.microsecond:
            return at.isoformat(sep=" ")
        return f"{at:%Y-%m-%d %H:%M}" if at.second == 0 else f"{at:%Y-%m-%d %H:%M:%S}"
    return value.isoformat() if isinstance(value, date) else str(value)


def minute(value: datetime | FarMoment | None) -> str:
    """A moment of a run: to the minute, in UTC."""
    return _clock(value, "%Y-%m-%d %H:%M")


def second(value: datetime | FarMoment | None) -> str:
    """A moment of a run: to the second, in UTC."""
    return _clock(value, "%Y-%m-%d %H:%M:%S")


def _clock(value: datetime | FarMoment | None, pattern: str) -> str:
    if value is None:
        return NOTHING
    return value.short() if isinstance(value, FarMoment) else f"{value.astimezone(UTC):{pattern}}"


def share(score: float | None, *limits: float) -> str:
    """A score in [0, 1] in percent; never rounded to 100% or a limit that it is not."""
    if score is None:
        return NOTHING
    return share_text(score, *limits)


def duration(seconds: float) -> str:
    """`8.4 s`, or `2 min 05 s`."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest:02d} s"


def age_text(seconds: float) -> str:
    """An age in minutes, hours or days."""
    minutes = max(seconds, 0) / 60
    if minutes < _HOURS_FROM:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < _DAYS_FROM else f"{minutes / 1440:.1f} d"


def size(octets: float | None) -> str:
    """`312 kB`, `2.4 MB`: powers of ten, as disks are sold."""
    if octets is None:
        return NOTHING
    for unit in ("B", "kB", "MB"):
        if octets < _THOUSAND:
            return f"{octets:.3g} {unit}" if unit != "B" else f"{octets:.0f} B"
        octets /= _THOUSAND
    return f"{octets:.3g} GB"


def value(cell: object) -> str:
    """A cell: null as `null`, moments as `moment` has them, everything else as Python shows it."""
    if cell is None:
        return "null"
    if is_temporal(cell):
        return moment(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell)


def many(number: int, noun: str) -> str:
    """`1 version`, `2 versions`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
