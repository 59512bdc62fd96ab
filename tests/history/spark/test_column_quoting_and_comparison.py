from __future__ import annotations

import json

from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import as_json, named


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
