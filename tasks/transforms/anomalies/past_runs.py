"""Whether a metric of a run (rows read, a share of nulls, the score) is as in past runs.

Promise: with too few runs nothing is claimed. A few odd runs among the past ones do not widen what
is expected, and a weekday or an hour of its own has an expectation of its own as soon as it has
enough runs.

For runs whose metric is normally distributed, one in a hundred is called unusual with 8 past runs
of the kind, one in three hundred with 14, and one in three thousand with 56.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from statistics import median

from tasks.transforms.anomalies.anomaly_model import NotEvaluated

__all__ = ["LEAST_RUNS", "ExpectedRange", "unusual"]

LEAST_RUNS = 8
"""Of fewer runs nothing is concluded."""

_MOST_RUNS = 200
"""Older runs tell less about today than they cost to look at."""
_NORMAL = 1.4826
"""The standard deviation of a normal distribution by its median absolute deviation."""
_SPREADS, _FOR_FEW_RUNS = 4.0, 4.0
_LEAST_SHARE = 0.01
"""A metric that never varied may vary by so much of itself."""
_WORTH_A_SEASON = 0.7
"""A season's runs have to lie at least so much closer together than all runs do."""

Run = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class ExpectedRange:
    """What past runs make one expect, both ends included.

    `over` says which runs, in words; `runs` is their number.
    """

    value: float
    low: float
    high: float
    over: str
    runs: int


@dataclass(frozen=True, slots=True)
class _Group:
    over: str
    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> float:
        return _NORMAL * median(abs(value - self.middle) for value in self.values)


def unusual(
    value: float, past: Sequence[Run], at: datetime, *, tolerance: float = 0.0
) -> ExpectedRange | NotEvaluated:
    """What was to be expected of a metric, by its past runs.

    The range is `median ± 4 * (1 + 4 / n) * s`, with n the number of runs and s 1.4826 times their
    median absolute deviation, but at least `tolerance` and a hundredth of the median on either
    side. The runs are those of the same weekday and hour, of the same weekday, or of the same
    hour, whichever lie closest together, if there are at least `LEAST_RUNS` and they lie clearly
    closer together than all runs do; else they are all runs.

    Args:
        value: The metric of this run.
        past: When earlier runs were, in the time zone of `at`, and what their metric was. Runs at
            or after `at`, and values that are not finite, are left out; of more than 200 the
            newest count.
        at: When this run is.
        tolerance: No smaller deviation is unusual, in the metric's own unit.
    """
    if not isfinite(value):
        return NotEvaluated("this run has no such value")
    before = [run for run in past if run[0] < at and isfinite(run[1])]
    recent = sorted(before, key=lambda run: run[0])[-_MOST_RUNS:]
    if len(recent) < LEAST_RUNS:
        return NotEvaluated(f"{len(recent)} past runs; at least {LEAST_RUNS} are needed")
    group = _group(recent, at)
    count = len(group.values)
    reach = max(
        _SPREADS * (1 + _FOR_FEW_RUNS / count) * group.spread,
        _LEAST_SHARE * abs(group.middle),
        tolerance,
    )
    return ExpectedRange(value, group.middle - reach, group.middle + reach, group.over, count)


def _group(recent: Sequence[Run], at: datetime) -> _Group:
    """The runs to compare with."""
    everything = _Group(f"the last {len(recent)} runs", tuple(value for _, value in recent))
    seasons = [
        _season(f"on a {at:%A}", datetime.weekday, recent, at),
        _season(f"from {at:%H} to {at.hour + 1:02} h", _hour, recent, at),
        _season(f"on a {at:%A} from {at:%H} to {at.hour + 1:02} h", _weekday_and_hour, recent, at),
    ]
    enough = [each for each in seasons if LEAST_RUNS <= len(each.values) < len(recent)]
    if not enough:
        return everything
    # Of equal ones the first, which is the wider season.
    best = min(enough, key=lambda each: each.spread)
    return best if best.spread < _WORTH_A_SEASON * everything.spread else everything


def _season(
    name: str, part: Callable[[datetime], object], recent: Sequence[Run], at: datetime
) -> _Group:
    values = tuple(value for moment, value in recent if part(moment) == part(at))
    return _Group(f"{len(values)} runs {name}", values)


def _weekday_and_hour(moment: datetime) -> tuple[int, int]:
    return moment.weekday(), moment.hour


def _hour(moment: datetime) -> int:
    return moment.hour
