"""Surrogate keys of a large batch are compared by the sum of their hashes, of others one by one."""

from __future__ import annotations

import pytest

from history import HistorySettings
from history.audit.history_invariants import repeated_numbers
from history.writing.surrogate_keys import NewNumbers

SETTINGS = HistorySettings(key=("key",), sequence="at", tracked=("value",), surrogate_key="number")
NEW = NewNumbers(first=101, count=5)

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

    assert repeated_numbers(versions, SETTINGS, new=NewNumbers(first=10, count=0)) == 1


STRANDS = {
    "strands as long as each other": ([101, 102, 103, 104, 105, 106], 0),
    "strands of several lengths": ([101, 104, 107, 110, 102, 103], 0),
    "a strand without numbers": ([101, 103, 104, 106, 107, 109], 0),
    "a hole in a strand": ([101, 104, 110, 102, 105, 103], 1),
    "one twice instead of another": ([101, 104, 104, 102, 105, 103], 1),
    "one of another strand": ([101, 104, 102, 102, 105, 103], 1),
}


@pytest.mark.parametrize(("numbers", "wrong"), STRANDS.values(), ids=STRANDS)
def test_strands_of_numbers_may_differ_in_length_and_have_no_holes(spark, numbers, wrong):
    versions = spark.createDataFrame([(each,) for each in (3, *numbers)], "number bigint")

    new = NewNumbers(first=101, count=6, strands=3)

    assert repeated_numbers(versions, SETTINGS, new=new) == wrong
