from __future__ import annotations

import math

import pytest

from tasks.run.retries import retry_delays


@pytest.mark.parametrize(
    ("attempts", "seconds", "delays"),
    [
        (0, math.inf, []),
        (3, math.inf, [2, 4, 8]),
        (8, math.inf, [2, 4, 8, 16, 32, 60, 60, 60]),
        (8, 60, [2, 4, 8, 16]),
        (5, 1, []),
    ],
)
def test_delays_double_up_to_a_minute_and_end_with_the_time(attempts, seconds, delays):
    assert retry_delays(attempts, seconds) == delays


def test_the_most_that_a_contract_may_ask_for_ends_within_the_time_of_a_load():
    assert sum(retry_delays(100, 30 * 60)) * 1.5 <= 30 * 60
