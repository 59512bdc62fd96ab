"""Whatever the order, the batches and the repeats: the history is that of the plain reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyspark.sql import Row, SparkSession

from history import HistorySettings, load_changes
from tests.history.convergence import assert_converges
from tests.history.examples import Layout, drawn
from tests.history.layouts import EVERYDAY, NIGHTLY
from tests.night import AT_NIGHT

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, tracked string, rest int, operation string, tie int"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("tracked",), operation="operation", tie_breaker=("tie",)
)


@pytest.mark.parametrize("layout", NIGHTLY if AT_NIGHT else EVERYDAY, ids=lambda each: each.name)
def test_any_order_any_batches_and_any_repeats_give_the_history_of_the_reference(
    spark: SparkSession, lake_namespace: str, layout: Layout, record_property
):
    examples = drawn(layout, 320 if AT_NIGHT else 100, batches=3)

    assert_converges(spark, lake_namespace, layout, examples)

    record_property("examples", len(examples))
    record_property("histories", sum(len(example.ways) for example in examples))


def load(
    spark: SparkSession,
    table: str,
    batches: list[list[tuple[object, ...]]],
    settings: HistorySettings = SETTINGS,
) -> None:
    for number, rows in enumerate(batches):
        changes = spark.createDataFrame(rows, SCHEMA)
        load_changes(spark, changes, table, settings, batch_id=f"b{number}", batch_time=NOW)


def found(spark: SparkSession, table: str) -> list[Row]:
    columns = ("key", "tracked", "rest", "valid_from", "valid_to")
    return spark.table(table).select(*columns).orderBy("key", "valid_from").collect()


def test_a_replayed_batch_makes_no_snapshot(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    events = [
        *[(1, 1, "a", 0, "upsert", 0), (1, 2, "a", 1, "upsert", 0), (1, 3, None, 1, "upsert", 0)],
        *[(2, 1, "a", 0, "upsert", 0), (2, 2, None, None, "delete", 0)],
        *[(3, 1, "a", 0, "upsert", 0), (3, 1, "b", 0, "upsert", 0)],
        *[(4, 1, "a", 0, "upsert", 0), (4, 1, "b", 0, "upsert", 1), (4, 1, "b", 0, "upsert", 1)],
    ]
    load(spark, table, [events])
    before = spark.table(f"{table}.snapshots").count()

    load(spark, table, [events])
    load(spark, table, [[], events])

    assert spark.table(f"{table}.snapshots").count() == before


def test_a_batch_published_before_is_known_by_its_id(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    changes = spark.createDataFrame([(1, 1, "a", 0, "upsert", 0)], SCHEMA)
    first = load_changes(spark, changes, table, SETTINGS, batch_id="b", batch_time=NOW)
    other = spark.createDataFrame([(2, 1, "a", 0, "upsert", 0)], SCHEMA)

    again = load_changes(spark, other, table, SETTINGS, batch_id="b", batch_time=NOW)

    assert (first.published, first.opened) == (True, 1)
    assert (again.published, again.snapshot_id) == (False, first.snapshot_id)
    assert (again.replayed, again.opened) == (True, 1)
    assert found(spark, table) == [(1, "a", 0, 1, None)]


def test_refused_rows_lie_in_quarantine_once_with_reasons(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    rows = [
        (None, 1, "a", 0, "upsert", 0),
        (1, None, "a", 0, "upsert", 0),
        (2, 1, "a", 0, "truncate", 0),
        (3, 1, "a", 0, "upsert", 0),
        (3, 1, "a", 1, "upsert", 0),
        (4, 1, "a", 0, "upsert", 0),
    ]
    changes = spark.createDataFrame(rows, SCHEMA)

    report = load_changes(spark, changes, table, SETTINGS, batch_id="b1", batch_time=NOW)
    load_changes(spark, changes, table, SETTINGS, batch_id="b2", batch_time=NOW)

    reasons = {"key_present": 1, "sequence_present": 1, "operation_known": 1, "decided": 2}
    assert report.refused == reasons
    assert spark.table(f"{table}__quarantine").count() == 5
    assert found(spark, table) == [(4, "a", 0, 1, None)]


@pytest.mark.nightly
def test_type_1_values_outlive_that_their_event_opened_nothing_and_was_not_remembered(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    first = [(1, 1, "a", 0, "upsert", 0), (1, 2, "a", 1, "upsert", 0), (1, 3, "a", 1, "upsert", 0)]
    forgetful = replace(SETTINGS, remember_unchanged=False)

    load(spark, table, [first, [(1, 4, "b", 2, "upsert", 0)]], forgetful)

    assert found(spark, table) == [(1, "a", 1, 1, 4), (1, "b", 2, 4, None)]


def test_who_won_an_instant_is_remembered_where_other_unchanged_events_are_not(
    spark: SparkSession, lake_namespace: str
):
    table = f"{lake_namespace}.t"
    winner, loser = (1, 2, "a", 0, "upsert", 1), (1, 2, "b", 0, "upsert", 0)
    forgetful = replace(SETTINGS, remember_unchanged=False)

    load(
        spark, table, [[(1, 1, "a", 0, "upsert", 0)], [winner, loser], [loser], [loser]], forgetful
    )

    assert found(spark, table) == [(1, "a", 0, 1, None)]


def test_a_stale_writer_is_refused_and_plans_anew(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    load(spark, table, [[(1, 1, "a", 0, "upsert", 0)]])
    raced = []

    def intrude(step: str) -> None:
        if step == "audited" and not raced:
            raced.append(step)
            changes = spark.createDataFrame([(1, 3, "c", 0, "upsert", 0)], SCHEMA)
            load_changes(spark, changes, table, SETTINGS, batch_id="other", batch_time=NOW)

    changes = spark.createDataFrame([(1, 2, "b", 0, "upsert", 0)], SCHEMA)
    report = load_changes(
        spark, changes, table, SETTINGS, batch_id="mine", batch_time=NOW, announce=intrude
    )

    assert report.attempts == 2
    assert found(spark, table) == [(1, "a", 0, 1, 2), (1, "b", 0, 2, 3), (1, "c", 0, 3, None)]
    branches = spark.table(f"{table}.refs").where("type = 'BRANCH'").collect()
    assert [branch.name for branch in branches] == ["main"]
