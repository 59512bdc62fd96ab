from __future__ import annotations

import time

import pytest
from py4j.protocol import Py4JError

from contracts.errors import LoadTimedOutError
from tasks.lifecycle.time_limit import time_limit
from tasks.run.spark_error_mapping import map_spark_errors

ENDLESS = "SELECT count(*) FROM range(0, 400000000000, 1, 400) WHERE hash(id) = 7"


def test_a_job_is_ended_when_the_time_is_over_and_so_is_one_that_begins_later(spark):
    spark.sql("SELECT count(*) FROM range(0, 4, 1, 2) WHERE hash(id) = 7").collect()
    begun = time.monotonic()
    with (
        pytest.raises(LoadTimedOutError, match="readings"),
        time_limit(spark, 1 / 60, where="readings", tag="batch"),
        map_spark_errors("readings", "merge"),
    ):
        with pytest.raises(Py4JError):
            spark.sql(ENDLESS).collect()
        time.sleep(0.5)  # as a step that plans, while there is no job
        spark.sql(ENDLESS).collect()

    assert time.monotonic() - begun < 60


def test_jobs_of_others_go_on(spark):
    with (
        pytest.raises(LoadTimedOutError),
        time_limit(spark, 1 / 60, where="readings", tag="batch"),
    ):
        time.sleep(1.5)
        spark.sparkContext.removeJobTag("batch")
        assert spark.sql("SELECT count(*) FROM range(0, 400000000, 1, 8)").first()[0] == 400_000_000


def test_a_body_that_ends_in_time_is_left_alone(spark):
    with time_limit(spark, 1, where="readings", tag="batch") as ends_at:
        assert 50 < ends_at - time.monotonic() <= 60
        assert spark.range(10).count() == 10
