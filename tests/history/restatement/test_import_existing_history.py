"""Versions from elsewhere as events; the examples of docs/restatement.md as they stand there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts.errors import SettingsError
from history import HistorySettings, events_of_versions, load_changes

DOCUMENT = Path(__file__).parents[3] / "docs" / "restatement.md"
FAR = datetime(9999, 12, 31, tzinfo=UTC)
REBUILT, LOADED = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
VERSIONS = "row_id int, customer_id int, city string, tags map<string,int>, "
VERSIONS += "from_date timestamp, to_date timestamp, active boolean"


def may(day: int) -> datetime:
    return datetime(2024, 5, day, tzinfo=UTC)


OLD = [
    # Changed, gone, back: as a history should be. The second row is there twice.
    (1, 1, "Ulm", {"a": 1, "b": 2}, may(1), may(3), False),
    (2, 1, "Bonn", {}, may(3), may(5), False),
    (2, 1, "Bonn", {}, may(3), may(5), False),
    (3, 1, "Kiel", None, may(7), FAR, True),
    # The middle two contradict each other; what comes before and after them stands.
    (4, 2, "Jena", None, may(1), may(2), False),
    (5, 2, "Metz", None, may(2), may(6), False),
    (6, 2, "Trier", None, may(4), may(8), False),
    (7, 2, "Jena", None, may(9), None, True),
    # Two that never end, one that never was, and one that nobody can place.
    (8, 3, "Ulm", None, may(1), FAR, True),
    (9, 3, "Bonn", None, may(2), None, True),
    (10, 4, "Ulm", None, may(3), may(3), False),
    (11, 5, "Ulm", None, None, may(3), False),
]


def test_the_documented_examples_load_a_history_of_another_tool_and_compute_it_anew(
    spark: SparkSession, request, capsys
):
    spark.sql("CREATE NAMESPACE lake.crm")
    request.addfinalizer(lambda: drop(spark))
    told = {"spark": spark, "UTC": UTC, "datetime": datetime, "F": F}
    told["versions"] = spark.createDataFrame(OLD, VERSIONS)

    exec(LOADED, told)  # noqa: S102 - our own document

    refused = {"sequence_present": 1, "operation_known": 5}
    assert capsys.readouterr().out == f"5 2 {refused}\n"
    table = "lake.crm.customers"
    columns = ("customer_id", "city", "valid_from", "valid_to", "is_current")
    history = spark.table(table).select(*columns).orderBy("customer_id", "valid_from").collect()
    assert [(row.city, row.is_current) for row in history] == [
        *[("Ulm", False), ("Bonn", False), ("Kiel", True)],
        *[("Jena", False), ("Jena", True)],
    ]
    assert [(row.valid_from.day, row.valid_to and row.valid_to.day) for row in history] == [
        *[(1, 3), (3, 5), (7, None)],
        *[(1, 2), (9, None)],
    ]
    held = spark.table(f"{table}__quarantine").collect()
    assert sum('"overlapping"' in row.row for row in held) == 4
    assert sum('"ends at or before its start"' in row.row for row in held) == 1

    spark.sql("UPDATE lake.crm.customers SET valid_to = NULL WHERE city = 'Bonn'")
    exec(REBUILT, told)  # noqa: S102 - our own document
    assert capsys.readouterr().out == "True 0 1 0\n"
    assert spark.table(table).select(*columns).orderBy("customer_id", "valid_from").collect() == (
        history
    )


def drop(spark: SparkSession) -> None:
    for table in spark.sql("SHOW TABLES IN lake.crm").collect():
        spark.sql(f"DROP TABLE lake.crm.{table.tableName} PURGE")
    spark.sql("DROP NAMESPACE lake.crm")


@pytest.mark.nightly
def test_a_history_that_goes_through_its_events_is_the_same(
    spark: SparkSession, lake_namespace: str
):
    settings = HistorySettings(
        key=("a", "b"), sequence="at", tracked=("city",), operation="op", surrogate_key=None
    )
    rows = [
        *[(1, "x", 1, "Ulm", 1, "upsert"), (1, "x", 3, "Bonn", 1, "upsert")],
        *[(1, "x", 4, "Bonn", 2, "upsert"), (1, "x", 6, None, None, "delete")],
        *[(1, "x", 8, None, 3, "upsert"), (1, "y", 2, "Ulm", None, "upsert")],
        *[(2, "x", 1, "Ulm", 1, "upsert"), (2, "x", 2, None, None, "delete")],
    ]
    changes = spark.createDataFrame(rows, "a int, b string, at int, city string, n int, op string")

    def loaded(name: str, events) -> set:
        load_changes(spark, events, name, settings, batch_id="b", batch_time=may(1))
        return {tuple(row) for row in spark.table(name).collect()}

    history = loaded(f"{lake_namespace}.one", changes)
    events = events_of_versions(
        spark.table(f"{lake_namespace}.one").drop("at", "is_current"),
        key=settings.key,
        valid_from="valid_from",
        valid_to="valid_to",
        sequence="at",
        operation="op",
    )

    assert loaded(f"{lake_namespace}.two", events.select(*changes.columns)) == history
    assert len(history) == 5


def test_columns_that_are_missing_or_would_be_made_twice_are_told(spark: SparkSession):
    versions = spark.createDataFrame([], "k int, start int, until int, operation string")

    for names in ({"key": ["k"]}, {"key": ["no"], "operation": "op"}):
        with pytest.raises(SettingsError):
            events_of_versions(versions, valid_from="start", valid_to="until", **names)
