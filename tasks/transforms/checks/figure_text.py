"""Figures of a verdict as text: one way of writing them in errors, on pages and in the terminal.

Promise: rounding never says that a limit is met that is not, or the other way round.
"""

from __future__ import annotations

import re
from math import isfinite

_SMALLEST = 0.005
_STEP = 0.01
_PERCENT = re.compile(r"(-?\d[\d,]*(?:\.\d+)?)%")


def percent_text(value: float, *limits: float) -> str:
    """A percentage with at most two decimals, such as `8.89%`.

    Args:
        value: 0 to 100, usually.
        limits: What the value is compared with, in percent. A value that is not 0, not 100 and not
            one of them is not rounded to it.
    """
    if 0 < value < _SMALLEST:
        return "< 0.01%"
    rounded = round(value, 2)
    for limit in (100.0, *limits):
        if rounded == limit and value != limit:
            rounded = limit - _STEP if value < limit else limit + _STEP
    return f"{rounded:.2f}".rstrip("0").rstrip(".") + "%"


def share_text(share: float, *limits: float) -> str:
    """A share of 1 in percent; `limits` are shares too."""
    return percent_text(_in_percent(share), *(_in_percent(limit) for limit in limits))


def limit_text(percent: float) -> str:
    """A limit in percent as the contract says it, with all its digits."""
    return f"{number_text(percent)}%"


def threshold_text(threshold: float) -> str:
    """The least score that is published, as a limit in percent."""
    return limit_text(_in_percent(threshold))


def metric_text(metric: float | None, limit: str) -> str:
    """The metric of a finding, in percent where its limit is; empty where it has none.

    `limit` is in words, such as `at most 5%`.
    """
    if metric is None:
        return ""
    if not limit.endswith("%") or not isfinite(metric):
        return number_text(metric)
    limits = (number.replace(",", "") for number in _PERCENT.findall(limit))
    return percent_text(metric, *map(float, limits))


def number_text(value: float) -> str:
    """A number with six digits at most, or all of a whole one: `1,234,567`."""
    if not isfinite(value):
        return "no number"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"


def _in_percent(share: float) -> float:
    # 0.29 is a little less than that, and 29 is not.
    return round(100 * share, 10)
