from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from history import HistorySettings
from history.spark.checkpoint import checkpoint
from history.writing import surrogate_keys

SETTINGS = HistorySettings(key=("key",), sequence="at")


@pytest.mark.parametrize("small", [0, 1_000], ids=["numbered in place", "numbered in order"])
def test_versions_that_open_are_numbered_without_gaps_and_others_keep_theirs(
    spark, monkeypatch, small
):
    monkeypatch.setattr(surrogate_keys, "_MAX_SORTED", small)
    action = F.element_at(
        F.array(*[F.lit(each) for each in ("add", "update", "replace", None)]),
        (F.col("key") % 4 + 1).cast("int"),
    )
    plan = spark.range(0, 100, numPartitions=7).toDF("key").withColumn("at", F.col("key"))
    plan = checkpoint(plan.repartition(5, "key").withColumn("__version_action", action)).rows

    numbered = surrogate_keys.NumberedPlan.of(plan, SETTINGS, 40, 50)

    rows = numbered.plan.select("key", "__version_action", "__number").collect()
    numbers = [row["__number"] for row in rows if row["__version_action"] in ("add", "replace")]
    assert sorted(numbers) == list(range(41, 91))
    assert {
        row["__number"] for row in rows if row["__version_action"] not in ("add", "replace")
    } == {None}
    assert len(rows) == 100
    assert numbered.high_water == 90
