"""Surrogate keys of a large batch are compared by the sum of their hashes, of others one by one."""

from __future__ import annotations

import pytest

from history import HistorySettings
from history.audit.history_invariants import repeated_numbers

SETTINGS = HistorySettings(key=("key",), sequence="at", tracked=("value",), surrogate_key="number")
NEW = range(101, 106)

CASES = {
    "right": ([3, 7, 101, 102, 103, 104, 105], 0),
    "right, and nothing else": ([105, 104, 103, 102, 101], 0),
    "a new one twice instead of another": ([101, 102, 103, 104, 104], 1),
    "new ones whose sum is right": ([101, 102, 103, 103, 106], 1),
    "a new one that is missing": ([101, 102, 103, 104], 1),
    "one too many": ([101, 102, 103, 104, 105, 106], 1),
    "none of the new ones": ([3, 7], 5),
    "an earlier one twice": ([3, 3, 7, 101, 102, 103, 104, 105], 1),
    "one without a number": ([3, None, 101, 102, 103, 104, 105], 1),
}


@pytest.mark.parametrize(("numbers", "wrong"), CASES.values(), ids=CASES)
def test_a_number_that_is_not_of_one_version_alone_is_counted(spark, numbers, wrong):
    versions = spark.createDataFrame([(each,) for each in numbers], "number bigint")

    assert repeated_numbers(versions, SETTINGS, new=NEW) == wrong


def test_without_new_versions_all_numbers_are_compared_one_by_one(spark):
    versions = spark.createDataFrame([(1,), (2,), (2,), (9,)], "number bigint")

    assert repeated_numbers(versions, SETTINGS, new=range(10, 10)) == 1
