"""The batches that the engine is killed over: each has something of everything."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import SparkSession

from history import HistorySettings, LoadReport, load_changes
from tests.history.reference import Event

NOW = datetime(2024, 5, 1, tzinfo=UTC)
SCHEMA = "key int, at int, tracked string, rest int, operation string, tie int"
SETTINGS = HistorySettings(
    key=("key",), sequence="at", tracked=("tracked",), operation="operation", tie_breaker=("tie",)
)
REFUSED = (None, 1, "a", 0, "upsert", 0)


def batch(number: int) -> list[Event]:
    """Changes, a late event, a repeat, other type-1 values, a delete and a tie, ten keys in all."""
    at = 10 * number

    def event(
        key: int, late: int = 0, value: str = "a", rest: int = 0, op: str = "upsert", tie: int = 0
    ) -> Event:
        return Event((key,), at - late, (value,), (rest,), op, (tie,))

    return [
        *[event(key, value=f"v{number}") for key in range(4)],
        event(4, late=15, value=f"late{number}"),
        event(5),
        event(6, rest=number),
        event(7, op="delete" if number % 2 else "upsert"),
        event(8, value=f"one{number}"),
        event(8, value=f"two{number}", tie=1),
        event(9, value=f"one{number}"),
        event(9, late=5, value=f"two{number}"),
    ]


def load(spark: SparkSession, table: str, number: int) -> LoadReport:
    """Loads a batch, with one row that has to be refused."""
    rows = [(*e.key, e.at, *e.tracked, *e.rest, e.operation, *e.tie) for e in batch(number)]
    changes = spark.createDataFrame([*rows, (*REFUSED[:2], f"r{number}", *REFUSED[3:])], SCHEMA)
    return load_changes(
        spark,
        changes,
        table,
        SETTINGS,
        batch_id=f"b{number}",
        batch_time=NOW,
        watermark=str(number),
    )
