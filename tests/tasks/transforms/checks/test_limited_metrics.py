from __future__ import annotations

import pytest

from contracts.model import Comparison, Threshold, Unit
from tasks.transforms.checks.limited_metrics import holds, in_words

# Of 1 to 5, the metrics that are within a limit of 3, or of 2 to 4.
WITHIN = {
    Comparison.EQUAL: ((3,), "exactly 3", [3]),
    Comparison.NOT_EQUAL: ((3,), "other than 3", [1, 2, 4, 5]),
    Comparison.GREATER: ((3,), "more than 3", [4, 5]),
    Comparison.GREATER_OR_EQUAL: ((3,), "at least 3", [3, 4, 5]),
    Comparison.LESS: ((3,), "less than 3", [1, 2]),
    Comparison.LESS_OR_EQUAL: ((3,), "at most 3", [1, 2, 3]),
    Comparison.BETWEEN: ((2, 4), "between 2 and 4", [2, 3, 4]),
    Comparison.NOT_BETWEEN: ((2, 4), "not between 2 and 4", [1, 5]),
}


@pytest.mark.parametrize("comparison", Comparison)
def test_a_limit_is_compared_and_worded_as_the_standard_means_it(comparison):
    values, words, within = WITHIN[comparison]
    limit = Threshold(comparison, values)

    assert [metric for metric in range(1, 6) if holds(limit, metric)] == within
    assert in_words(limit) == words


def test_a_share_is_worded_in_per_cent():
    limit = Threshold(Comparison.BETWEEN, (2.5, 10.0), Unit.PERCENT)

    assert in_words(limit) == "between 2.5% and 10%"
