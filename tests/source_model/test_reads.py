"""Reads of a table as it is now, in any order: the history is that of the plain reference."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from tests.history.convergence import session_settings
from tests.source_model.examples import (
    BETWEEN,
    DAYS,
    MOMENTS,
    NUMBERS,
    WALL_CLOCK,
    Asked,
    Plan,
    Stamps,
    Step,
    drawn,
    lots,
    plans,
)
from tests.source_model.loads import assert_as_the_reference, loading

READS = 6
COUNT = 200
FULL = Asked(full=True)


def since(read: int) -> Asked:
    """An incremental read from the one before on."""
    return Asked(full=False, low=BETWEEN * (read - 1))


IN_ORDER = Plan(
    (FULL, since(1), FULL, since(3), since(4), FULL),
    tuple(Step(read) for read in range(READS)),
)
ANY_ORDER = Plan(
    (FULL, since(1), FULL, since(3), since(4), FULL),
    (
        *(Step(4, 0), Step(4, 1), Step(1), Step(5, dies="audited"), Step(5), Step(0)),
        *(Step(2, dies="written"), Step(3), Step(2, dies="published"), Step(2), Step(5)),
    ),
)
ZONES = {"spark.sql.session.timeZone": "America/New_York"}


def test_one_after_another_reads_give_the_history_of_the_reference(
    spark: SparkSession, lake_namespace: str
):
    load = loading(spark, lake_namespace, IN_ORDER, MOMENTS, drawn(lots(READS), COUNT))

    assert_as_the_reference(load)
    for number, snapshot in enumerate(load.snapshots):
        assert load.differences(snapshot, range(number + 1)) == []


def test_in_any_order_reads_give_the_history_of_the_reference(
    spark: SparkSession, lake_namespace: str
):
    some = (lot for lot in drawn(lots(READS), 2 * COUNT) if ANY_ORDER.is_sure(MOMENTS, lot))

    assert_as_the_reference(loading(spark, lake_namespace, ANY_ORDER, MOMENTS, some))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stamps", [MOMENTS, WALL_CLOCK, DAYS, NUMBERS], ids=lambda each: each.name)
def test_the_history_is_that_of_the_reference_for_stamps_of_each_type(
    spark: SparkSession, lake_namespace: str, stamps: Stamps
):
    for plan in drawn(plans(READS, any_low=stamps is not NUMBERS), 5):
        some = (lot for lot in drawn(lots(READS), 2 * COUNT) if plan.is_sure(stamps, lot))
        with session_settings(spark, ZONES):
            assert_as_the_reference(loading(spark, lake_namespace, plan, stamps, some))
