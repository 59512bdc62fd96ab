"""Two writers of one table at once: nothing is lost, nothing is there twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from history import HistorySettings, LoadReport, load_changes
from history.upkeep.table_upkeep import UpkeepSettings, upkeep
from tests.history.reference import Event, history
from tests.history.values import rank
from tests.night import AT_NIGHT

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, value string, operation string"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("value",), operation="operation", tie_breaker=("value",)
)
KEYS = 5
ROUNDS = 200 if AT_NIGHT else 2
CARED_FOR_EVERY = 10
"""Rounds, as upkeep comes each night: a table of thousands of small files would slow each load."""


def written(number: int, writer: int) -> list[Event]:
    """What a writer says in a round: of the same keys as the other, before it and after it."""
    events = []
    for key in range(KEYS):
        at = 10 * number + (writer * 7 + key * 3) % 10
        operation = "delete" if (number + key + writer) % 6 == 0 else "upsert"
        value = f"{(number + writer * key) % 3}"
        events.append(Event((key,), at, (value,), (), operation, (value,)))
    return events


def load(spark: SparkSession, table: str, number: int, writer: int) -> LoadReport:
    rows = [(*e.key, e.at, *e.tracked, e.operation) for e in written(number, writer)]
    session = spark.newSession()
    return load_changes(
        session,
        session.createDataFrame(rows, SCHEMA),
        table,
        SETTINGS,
        batch_id=f"round {number} writer {writer}",
        batch_time=NOW,
        attempts=20,
    )


def look_after(spark: SparkSession, table: str) -> None:
    """Compact the table, and expire what was published before."""
    later = datetime.now(UTC) + timedelta(days=30)
    report = upkeep(spark, table, SETTINGS, now=later, care=UpkeepSettings(orphans=False))
    assert report.rewritten > 0
    assert report.snapshots_expired > 0


@pytest.mark.timeout(3600)
def test_two_writers_lose_nothing_and_double_nothing(spark: SparkSession, lake_namespace: str):
    table = f"{lake_namespace}.t"
    attempts = []

    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            reports = pool.map(load, [spark] * 2, [table] * 2, [number] * 2, range(2))
            attempts += [report.attempts for report in reports]
            if number % CARED_FOR_EVERY == CARED_FOR_EVERY - 1:
                look_after(spark, table)

    events = [each for number in range(ROUNDS) for w in range(2) for each in written(number, w)]
    versions, _, _ = history(events, rank)
    rows = spark.table(table).collect()
    found = sorted((r.key, r.value, r.valid_from, r.valid_to) for r in rows)
    assert found == sorted((*v.key, *v.tracked, v.start, v.end) for v in versions)
    numbers = [row.surrogate_key for row in rows]
    assert len(set(numbers)) == len(numbers)
    assert max(attempts) > 1, "the writers never met"
    refs = spark.table(f"{table}.refs").where("type = 'BRANCH'").collect()
    assert [ref.name for ref in refs] == ["main"]
