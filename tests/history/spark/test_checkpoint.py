from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from history import HistorySettings, load_changes
from history.restatement.rebuild_from_events import rebuild
from history.spark.checkpoint import checkpoint, unpersist, unpersisting

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SETTINGS = HistorySettings(key=("key",), sequence="at", tracked=("value",))


def held_by(spark):
    """Numbers of the RDDs held now; what other tests left may vanish at any time.

    Spark lets go in the background of what nobody refers to any more: compare by inclusion.
    """
    return set(spark.sparkContext._jsc.getPersistentRDDs().keySet())


def test_what_is_held_in_passing_is_let_go_and_what_lasts_is_let_go_by_name(spark):
    before = held_by(spark)
    with unpersisting():
        checkpoint(spark.range(3).toDF("n"))
        lasts = checkpoint(spark.range(5).toDF("n"), lasting=True)
        assert len(held_by(spark) - before) == 2

    assert len(held_by(spark) - before) == 1
    assert lasts.rows.count() == 5
    unpersist(lasts.rows)
    assert held_by(spark) <= before


def test_an_error_lets_go_too(spark):
    before = held_by(spark)

    def fail():
        with unpersisting():
            checkpoint(spark.range(3).toDF("n"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert held_by(spark) <= before


def test_loads_and_rebuilds_leave_nothing_held(spark, lake_namespace):
    table, before = f"{lake_namespace}.t", held_by(spark)
    first, late = [(1, 1, "a"), (2, 1, "a"), (1, 3, "b")], [(1, 2, "c")]
    for number, rows in enumerate([first, late, late]):
        changes = spark.createDataFrame(rows, "key int, at int, value string")
        load_changes(spark, changes, table, SETTINGS, batch_id=f"b{number}", batch_time=NOW)
    spark.sql(f"DELETE FROM {table} WHERE at = 2")  # noqa: S608
    assert rebuild(spark, table, SETTINGS, time=NOW).published
    assert not rebuild(spark, table, SETTINGS, time=NOW + timedelta(hours=1)).published

    assert held_by(spark) <= before
