from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.transforms.anomalies.anomaly_model import NotEvaluated
from tasks.transforms.anomalies.past_runs import LEAST_RUNS, ExpectedRange, unusual

NOW = datetime(2024, 5, 6, 2, 30, tzinfo=UTC)
"""A Monday."""


def daily(count, value, *, hours=24):
    """Runs before now, the last one first."""
    moments = [NOW - timedelta(hours=hours * number) for number in range(1, count + 1)]
    return [(moment, float(value(moment))) for moment in moments]


def noise(seed=3):
    chance = random.Random(seed)  # noqa: S311
    return lambda _moment: chance.gauss(1000, 50)


def lies_outside(found):
    return not found.low <= found.value <= found.high


def test_a_usual_value_is_expected_and_a_far_one_is_not():
    past = daily(30, noise())

    assert not lies_outside(unusual(1040, past, NOW))
    assert lies_outside(unusual(400, past, NOW))
    assert lies_outside(unusual(1600, past, NOW))
    assert unusual(1040, past, NOW).over == "the last 30 runs"


def test_odd_runs_of_the_past_do_not_widen_the_range():
    past = daily(30, noise())
    spoilt = [(at, 1e9 if i % 5 == 0 else value) for i, (at, value) in enumerate(past)]

    assert lies_outside(unusual(1600, spoilt, NOW))


@pytest.mark.parametrize("count", range(LEAST_RUNS))
def test_of_too_few_runs_nothing_is_concluded(count):
    outcome = unusual(1e9, daily(count, noise()), NOW)

    assert outcome == NotEvaluated(f"{count} past runs; at least 8 are needed")


def test_later_runs_and_missing_values_are_no_past():
    past = [
        *daily(7, noise()),
        (NOW, 1000.0),
        (NOW + timedelta(days=1), 1000.0),
        (NOW - timedelta(days=20), float("nan")),
    ]

    assert isinstance(unusual(1000, past, NOW), NotEvaluated)
    assert isinstance(unusual(float("nan"), daily(9, noise()), NOW), NotEvaluated)


def test_a_weekday_of_its_own_has_its_own_expectation():
    usual = noise()
    past = daily(70, lambda at: usual(at) / (10 if at.weekday() == 0 else 1))

    monday, tuesday = NOW, NOW + timedelta(days=1)

    assert lies_outside(unusual(1000, past, monday))
    assert not lies_outside(unusual(100, past, monday))
    assert unusual(100, past, monday).over == "10 runs on a Monday"
    assert lies_outside(unusual(100, past, tuesday))
    assert not lies_outside(unusual(1000, past, tuesday))


def test_an_hour_of_its_own_has_its_own_expectation():
    usual = noise()
    past = daily(24 * 12, lambda at: usual(at) / (10 if at.hour == 2 else 1), hours=1)

    assert lies_outside(unusual(1000, past, NOW))
    assert not lies_outside(unusual(100, past, NOW))
    assert unusual(100, past, NOW).over == "8 runs from 02 to 03 h"


def test_a_value_that_never_varied_may_vary_by_a_hundredth_or_the_tolerance():
    past = daily(10, lambda _moment: 1000.0)

    assert not lies_outside(unusual(1009, past, NOW))
    assert lies_outside(unusual(1011, past, NOW))
    none = daily(10, lambda _moment: 0.0)
    assert lies_outside(unusual(0.001, none, NOW))
    assert not lies_outside(unusual(0.009, none, NOW, tolerance=0.01))
    assert lies_outside(unusual(0.02, none, NOW, tolerance=0.01))


def test_only_the_newest_runs_count():
    past = daily(400, lambda at: 1000.0 if at < NOW - timedelta(days=200.5) else 10.0)

    assert lies_outside(unusual(1000, past, NOW))
    assert not lies_outside(unusual(10, past, NOW))


values = st.floats(-1e12, 1e12)


@given(st.lists(values, min_size=8, max_size=30), values, st.randoms(use_true_random=False))
def test_the_order_of_past_runs_does_not_matter_and_the_median_is_expected(past, value, chance):
    runs = daily(len(past), lambda _moment: past.pop())
    shuffled = [*runs]
    chance.shuffle(shuffled)

    outcome = unusual(value, runs, NOW)

    assert isinstance(outcome, ExpectedRange)
    assert unusual(value, shuffled, NOW) == outcome
    assert outcome.low <= outcome.high


def test_normal_runs_are_seldom_called_unusual():
    chance = random.Random(11)  # noqa: S311
    for count, share in ((8, 0.02), (14, 0.01), (56, 0.003)):
        called = 0
        for _ in range(2000):
            past = daily(count, lambda _moment: chance.gauss(0, 1), hours=24 * 7)
            called += lies_outside(unusual(chance.gauss(0, 1), past, NOW))
        assert called <= 2000 * share
