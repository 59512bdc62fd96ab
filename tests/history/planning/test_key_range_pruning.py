from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history import HistorySettings
from history.planning.key_range_pruning import key_range

SETTINGS = HistorySettings(key=("key",), sequence="at")
LIMITS = (1 << 7, 1 << 15, 1 << 31, 1 << 63)


def bounds(least, greatest):
    found = key_range(SETTINGS, {"least": least, "greatest": greatest})
    return found.least, found.greatest


@pytest.mark.parametrize(
    ("of_batch", "compared"),
    [
        ((4, 999_904), (0, 1_048_576)),
        ((5, 999_905), (0, 1_048_576)),  # another batch of the table: the same class
        ((900_001, 900_017), (900_000, 900_018)),
        ((7, 7), (7, 7)),
        ((-5, 120), (-8, 120)),
        ((-100, 127), (-112, 127)),  # 128 is no longer a tinyint
        ((-128, 127), (-128, 127)),
        ((-(1 << 63), (1 << 63) - 1), (-(1 << 63), (1 << 63) - 1)),
        (("Aachen", "Zwolle"), ("Aachen", "Zwolle")),
        ((date(2024, 2, 3), date(2024, 5, 6)), (date(2024, 2, 3), date(2024, 5, 6))),
        ((None, None), (None, None)),
    ],
)
def test_whole_numbers_are_compared_on_a_grid(of_batch, compared):
    assert bounds(*of_batch) == compared


@given(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_the_range_has_every_key_and_grows_little_within_the_type(one, other):
    least, greatest = sorted((one, other))
    below, above = bounds(least, greatest)

    assert below <= least <= greatest <= above
    assert 8 * (least - below) <= greatest - least >= 8 * (above - greatest) - 8
    for limit in LIMITS:
        assert (below < -limit) == (least < -limit)
        assert (above >= limit) == (greatest >= limit)
