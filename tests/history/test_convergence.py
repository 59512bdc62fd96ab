"""Whatever the order, the batches and the repeats: the history is that of the plain reference."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import groupby

import pytest
from pyspark.sql import SparkSession

from history import HistorySettings, load_changes
from tests.history.reference import Event, Version, history

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, tracked string, rest int, operation string, tie int"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("tracked",), operation="operation", tie_breaker=("tie",)
)


def some_events(seed: int, keys: int = 120) -> list[Event]:
    """Event sets with every trouble: nulls, equal repeats, deletes, reinsertions, ties."""
    chance = random.Random(seed)  # noqa: S311
    events = [
        Event(
            key=key,
            at=chance.randint(1, 6),
            tracked=chance.choice(["a", "b", None]),
            rest=chance.choice([0, 1, None]),
            operation=chance.choice(["upsert", "upsert", "upsert", "delete"]),
            tie=chance.choice([0, 0, 1]),
        )
        for key in range(keys)
        for _ in range(chance.randint(1, 7))
    ]
    return events + chance.sample(events, keys // 4)


def load(
    spark: SparkSession,
    table: str,
    batches: list[list[Event]],
    settings: HistorySettings = SETTINGS,
) -> None:
    for number, batch in enumerate(batches):
        rows = [(e.key, e.at, e.tracked, e.rest, e.operation, e.tie) for e in batch]
        load_changes(
            spark,
            spark.createDataFrame(rows, SCHEMA),
            table,
            settings,
            batch_id=f"b{number}",
            batch_time=NOW,
        )


def found(spark: SparkSession, table: str) -> list[Version]:
    rows = spark.table(table).orderBy("key", "valid_from").collect()
    assert all(row.is_current == (row.valid_to is None) for row in rows)
    assert len({row.surrogate_key for row in rows}) == len(rows)
    return [(r.key, r.tracked, r.rest, r.valid_from, r.valid_to) for r in rows]


@pytest.mark.parametrize("seed", range(3))
def test_any_split_of_any_order_gives_the_history_of_the_reference(
    spark: SparkSession, lake_namespace: str, seed: int
):
    events = some_events(seed)
    shuffled = random.Random(seed + 100).sample(events, len(events))  # noqa: S311
    third = len(shuffled) // 3
    batches = [shuffled[:third], shuffled[third : 2 * third], shuffled[2 * third :]]
    batches.append(shuffled[: third // 2])  # replayed under another name

    load(spark, f"{lake_namespace}.t", batches)

    assert found(spark, f"{lake_namespace}.t") == history(events)


def test_in_order_one_instant_at_a_time_gives_the_same(spark: SparkSession, lake_namespace: str):
    events = sorted(some_events(7), key=lambda event: event.at)
    batches = [list(group) for _, group in groupby(events, key=lambda event: event.at)]

    load(spark, f"{lake_namespace}.t", batches)

    assert found(spark, f"{lake_namespace}.t") == history(events)


def test_latest_first_gives_the_same(spark: SparkSession, lake_namespace: str):
    events = sorted(some_events(8, keys=60), key=lambda event: -event.at)
    batches = [list(group) for _, group in groupby(events, key=lambda event: event.at)]

    load(spark, f"{lake_namespace}.t", batches)

    assert found(spark, f"{lake_namespace}.t") == history(events)


def test_a_replayed_batch_makes_no_snapshot(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    events = some_events(9, keys=20)
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
    assert found(spark, table) == [(1, "a", 0, 1, None)]


def test_refused_rows_lie_in_quarantine_once_with_reasons(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    rows = [
        (None, 1, "a", 0, "upsert", 0),
        (1, None, "a", 0, "upsert", 0),
        (2, 1, "a", 0, "truncate", 0),
        (3, 1, "a", 0, "upsert", 0),
        (3, 1, "b", 0, "upsert", 0),
        (4, 1, "a", 0, "upsert", 0),
    ]
    changes = spark.createDataFrame(rows, SCHEMA)

    report = load_changes(spark, changes, table, SETTINGS, batch_id="b1", batch_time=NOW)
    load_changes(spark, changes, table, SETTINGS, batch_id="b2", batch_time=NOW)

    reasons = {"key_present": 1, "sequence_present": 1, "operation_known": 1, "decided": 2}
    assert report.refused == reasons
    assert spark.table(f"{table}__quarantine").count() == 5
    assert found(spark, table) == [(4, "a", 0, 1, None)]


def test_a_stale_writer_is_refused_and_plans_anew(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    load(spark, table, [[Event(1, 1, "a")]])
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
