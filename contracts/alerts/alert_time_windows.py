"""Spans of time as people write them: 30m, 4h, 2d."""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["span", "words"]

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"\s*(\d{1,6})\s*([smhd])\s*")
_LEAST = timedelta(seconds=10)  # Prefect checks for absent events no more often


def span(value: object) -> timedelta:
    """The span that a text gives; a span is returned as it is.

    Raises:
        ValueError: The text gives none, or one under ten seconds.
    """
    if isinstance(value, timedelta):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = "must be a number with s, m, h or d, such as 30m"
        raise ValueError(message)
    length = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if length < _LEAST:
        message = "must be at least 10s"
        raise ValueError(message)
    return length


def words(length: timedelta) -> str:
    """The span in its greatest unit that fits: 2 h, 90 min, 45 s."""
    seconds = int(length.total_seconds())
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min"), ("s", "s")):
        if seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]} {name}"
    return f"{seconds} s"
