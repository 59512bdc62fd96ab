from __future__ import annotations

import pytest
from hypothesis import Phase, example, given, seed, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from tasks.transforms.protection.masking import masked


def reference(value, keep):
    """What the mask of a text is, in plain Python."""
    shown = 0 if len(value) < 4 else min(keep, len(value) // 3)
    return value[:shown] + "***"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(value=texts, keep=st.integers(0, 40))
@example(value="", keep=2)
@example(value="ab", keep=2)
def test_at_most_a_third_stays_readable_and_the_mask_has_one_length(value, keep):
    shown = reference(value, keep).removesuffix("***")

    assert value.startswith(shown)
    assert len(shown) <= keep
    assert len(shown) * 3 <= len(value)
    assert not shown or len(value) >= 4


def test_spark_masks_as_the_reference_does(spark):
    values = ["", "a", "ab", "abc", "abcd", "😀😀😀😀😀😀"]

    @seed(1)
    @settings(max_examples=150, phases=[Phase.generate], deadline=None, database=None)
    @given(value=texts)
    def draw(value):
        values.append(value)

    draw()
    frame = spark.createDataFrame([*enumerate(values), (len(values), None)], "n int, v string")
    keeps = (0, 1, 2, 50, -1)

    rows = frame.select(
        "n", *[masked(F.col("v"), keep).alias(str(i)) for i, keep in enumerate(keeps)]
    ).orderBy("n")

    *found, nothing = rows.collect()
    for position, keep in enumerate(keeps):
        assert [row[str(position)] for row in found] == [
            reference(value, max(keep, 0)) for value in values
        ]
    assert set(nothing[1:]) == {None}


@pytest.mark.parametrize(
    ("value", "expected"), [("ab", "***"), ("Martin", "Ma***"), ("Jan", "***")]
)
def test_a_mask_looks_like(value, expected):
    assert reference(value, 2) == expected


def test_a_number_is_masked_as_its_text(spark):
    (row,) = spark.range(123456, 123457).select(masked(F.col("id"), 2).alias("m")).collect()

    assert row.m == "12***"
