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
FULL = Asked(full=True)


def since(read: int) -> Asked:
    """An incremental read from the one before on."""
    return Asked(full=False, low=BETWEEN * (read - 1))


ONE_AFTER_ANOTHER = Plan(
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


@pytest.mark.parametrize(
    ("plan", "stamps"),
    [(ONE_AFTER_ANOTHER, MOMENTS), (ANY_ORDER, MOMENTS)],
    ids=["one after another", "in any order"],
)
def test_the_history_is_that_of_the_reference_after_each_read(
    spark: SparkSession, lake_namespace: str, plan: Plan, stamps: Stamps
):
    assert_as_the_reference(spark, lake_namespace, plan, stamps, drawn(lots(READS), 200))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stamps", [MOMENTS, WALL_CLOCK, DAYS, NUMBERS], ids=lambda each: each.name)
def test_the_history_is_that_of_the_reference_for_stamps_of_each_type(
    spark: SparkSession, lake_namespace: str, stamps: Stamps
):
    for plan in drawn(plans(READS, any_low=stamps is not NUMBERS), 5):
        with session_settings(spark, ZONES):
            assert_as_the_reference(spark, lake_namespace, plan, stamps, drawn(lots(READS), 200))


def test_each_published_state_shows_the_table_of_its_read(spark: SparkSession, lake_namespace: str):
    load = loading(spark, lake_namespace, ONE_AFTER_ANOTHER, MOMENTS, drawn(lots(READS), 100))
    published = [(number, snapshot) for number, snapshot, _done in load.run()]

    for number, snapshot in published:
        found, _ = load.versions(snapshot)
        for place, lot in enumerate(load.lots):
            assert found.get(place, {}) == load.expected(lot, range(number + 1))
