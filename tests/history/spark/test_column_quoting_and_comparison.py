from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import as_json, named, wall_clock_in_utc
from tests.history.convergence import session_settings


def test_moments_a_microsecond_apart_and_nulls_are_told_apart(spark):
    frame = spark.sql(
        """
        SELECT * FROM VALUES
            (1, TIMESTAMP '2024-05-01 12:00:00.000001Z', timestamp_ntz'2024-05-01 12:00:00.000001'),
            (2, TIMESTAMP '2024-05-01 12:00:00.000002Z', timestamp_ntz'2024-05-01 12:00:00.000002'),
            (3, NULL, NULL)
            AS t (n, at, there)
        """
    )

    text = as_json(named(name) for name in ("at", "there"))
    found = [
        row.text for row in frame.select("n", text.alias("text")).orderBy(F.col("n")).collect()
    ]

    assert [json.loads(each) for each in found] == [
        {"at": "2024-05-01T12:00:00.000001Z", "there": "2024-05-01T12:00:00.000001"},
        {"at": "2024-05-01T12:00:00.000002Z", "there": "2024-05-01T12:00:00.000002"},
        {"at": None, "there": None},
    ]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_a_wall_clock_is_read_as_utc_in_any_session_also_in_an_hour_that_its_zone_lacks(
    spark, zone
):
    texts = [
        "2024-03-30 06:00:00", "2024-03-10 02:30:00.123456", "2024-11-03 01:30:00",
        "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999",
    ]  # fmt: skip
    with session_settings(spark, {"spark.sql.session.timeZone": zone}):
        clocks = spark.createDataFrame([(text,) for text in texts], "text string")
        clock = F.col("text").cast("timestamp_ntz")
        micros = F.unix_micros(wall_clock_in_utc(clock)).alias("micros")
        found = {row.text: row.micros for row in clocks.select("text", micros).collect()}

    epoch, microsecond = datetime(1970, 1, 1), timedelta(microseconds=1)
    assert found == {text: (datetime.fromisoformat(text) - epoch) // microsecond for text in texts}
