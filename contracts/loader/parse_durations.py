"""Durations and moments as contracts write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z]+)$")
_SECONDS = {
    "s": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3_600, "hr": 3_600, "hour": 3_600, "hours": 3_600,
    "d": 86_400, "day": 86_400, "days": 86_400,
    "y": 31_536_000, "yr": 31_536_000, "year": 31_536_000, "years": 31_536_000,
}  # fmt: skip
_MAX_DIGITS = 12
_LONGEST = timedelta(days=36_500)


def seconds_of(unit: str) -> int | None:
    """The length of a unit of time (a year has 365 days); None when it is unknown."""
    return _SECONDS.get(unit.lower())


def duration(text: str) -> timedelta | None:
    """`90 minutes`, `1 hour` or `2 days`; None when it is none of these or above a century."""
    match = _DURATION.match(text.strip().lower())
    unit = seconds_of(match[2]) if match else None
    if match is None or unit is None or len(match[1]) > _MAX_DIGITS:
        return None
    seconds = float(match[1]) * unit
    return timedelta(seconds=seconds) if seconds <= _LONGEST.total_seconds() else None


def moment(text: str) -> datetime | None:
    """An ISO 8601 date and time without a zone, read as UTC; None when it is none."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    has_time = len(text) > len("9999-12-31")
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None and has_time else None
