from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

import pytest
from py4j.protocol import Py4JError

from contracts.errors import LoadTimedOutError
from tasks.lifecycle.time_limit import time_limit
from tasks.run.spark_error_mapping import map_spark_errors

ENDLESS = "SELECT count(*) FROM range(0, 400000000000, 1, 400) WHERE hash(id) = 7"


def limited(spark, *steps):
    """Take the steps, within a second."""
    with (
        time_limit(spark, 1 / 60, where="readings", tag="batch"),
        map_spark_errors("readings", "merge"),
    ):
        for step in steps:
            step()


def test_a_job_is_ended_when_the_time_is_over_and_so_is_one_that_begins_later(spark):
    ended = []

    def endless():
        try:
            spark.sql(ENDLESS).collect()
        finally:
            ended.append(time.monotonic())

    def endless_and_caught():
        with suppress(Py4JError):
            endless()

    begun = time.monotonic()
    with pytest.raises(LoadTimedOutError, match="readings"):
        # Between the two a step plans, and there is no job to end.
        limited(spark, endless_and_caught, partial(time.sleep, 0.5), endless)

    assert len(ended) == 2
    assert ended[1] - begun < 60


def test_jobs_of_others_go_on(spark):
    counts = []

    def of_another():
        spark.sparkContext.removeJobTag("batch")
        counts.append(spark.sql("SELECT count(*) FROM range(0, 4000000, 1, 8)").first()[0])

    with pytest.raises(LoadTimedOutError):
        limited(spark, partial(time.sleep, 1.5), of_another)

    assert counts == [4_000_000]


def test_a_body_that_ends_in_time_is_left_alone(spark):
    with time_limit(spark, 1, where="readings", tag="batch") as ends_at:
        assert 50 < ends_at - time.monotonic() <= 60
        assert spark.range(10).count() == 10
