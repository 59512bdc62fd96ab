from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from history import HistorySettings, load_changes
from history.planning import event_timeline
from history.spark import few_rows

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SETTINGS = HistorySettings(key=("key",), sequence="at", tracked=("value",))


def stages_by_job(spark, act):
    """How many stages each job of a call has."""
    context, group = spark.sparkContext, uuid.uuid4().hex
    context.setJobGroup(group, "counted")
    try:
        act()
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
    tracker = context.statusTracker()
    return [len(tracker.getJobInfo(each).stageIds) for each in tracker.getJobIdsForGroup(group)]


@pytest.mark.parametrize(("few", "shuffles"), [(few_rows.FEW, False), (0, True)])
def test_a_small_batch_is_planned_written_and_audited_without_a_shuffle(
    spark, lake_namespace, tmp_path, monkeypatch, few, shuffles
):
    monkeypatch.setattr(few_rows, "FEW", few)
    table = f"{lake_namespace}.few"
    events = [(key, 1, "a") for key in range(20)]
    first = spark.createDataFrame(events, "key int, at int, value string").repartition(3)
    load_changes(spark, first, table, SETTINGS, batch_id="first", batch_time=NOW)
    changes = [(key, 2, "b") for key in range(0, 20, 3)] + [(99, 2, "new")]
    # Spark knows the size of a file. Of rows in memory it looks in the table for what to leave out.
    file = str(tmp_path / "changes")
    spark.createDataFrame(changes, "key int, at int, value string").repartition(2).write.parquet(
        file
    )
    second = spark.read.parquet(file)

    def load():
        load_changes(spark, second, table, SETTINGS, batch_id="second", batch_time=NOW)

    assert (max(stages_by_job(spark, load)) > 1) is shuffles
    rows = spark.table(table).orderBy("key", "at").collect()
    assert [(row.key, row.at, row.is_current) for row in rows] == sorted(
        [(key, 1, key % 3 != 0) for key in range(20)] + [(key, 2, True) for key, *_ in changes]
    )


@pytest.mark.parametrize("few", [few_rows.FEW, 0])
def test_events_of_one_instant_are_compared_whether_that_shows_before_the_plan_or_in_it(
    spark, lake_namespace, monkeypatch, few
):
    monkeypatch.setattr(event_timeline, "FEW", few)
    table = f"{lake_namespace}.shared"

    def load(batch, *rows):
        changes = spark.createDataFrame(rows, "key int, at int, value string")
        return load_changes(spark, changes, table, SETTINGS, batch_id=batch, batch_time=NOW)

    load("first", (1, 1, "a"), (2, 1, "a"), (3, 1, "a"))
    report = load("second", (1, 2, "b"), (1, 2, "b"), (2, 2, "x"), (2, 2, "y"), (3, 2, "c"))

    assert (report.opened, report.repeated, report.refused) == (2, 1, {"decided": 2})
    rows = spark.table(table).where("is_current").orderBy("key").collect()
    assert [(row.key, row.at, row.value) for row in rows] == [(1, 2, "b"), (2, 1, "a"), (3, 2, "c")]
