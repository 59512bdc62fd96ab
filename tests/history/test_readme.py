"""The README's snippet is run as it stands there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession

README = Path(__file__).parents[2] / "README.md"


def snippet() -> str:
    """The Python block under the heading on the engine alone."""
    text = README.read_text(encoding="utf-8")
    section = text.split("## The history engine alone")[1].split("\n## ")[0]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def moment(day: int) -> datetime:
    return datetime(2024, 4, day, tzinfo=UTC)


def test_the_snippet_for_the_engine_alone_loads_a_history(spark: SparkSession, request, capsys):
    changes = spark.createDataFrame(
        [
            (1, moment(1), "Berlin", "a", "upsert", 1),
            (1, moment(3), "Rome", "a", "upsert", 1),
            (1, moment(3), "Paris", "a", "upsert", 2),
            (2, moment(2), "Oslo", "b", "upsert", 1),
            (2, moment(4), None, None, "delete", 1),
            (None, moment(5), "Nowhere", "b", "upsert", 1),
        ],
        "customer_id int, updated_at timestamp, city string, segment string, op string, "
        "version int",
    )
    spark.sql("CREATE NAMESPACE lake.crm")
    request.addfinalizer(lambda: drop(spark))

    exec(snippet(), {"spark": spark, "changes": changes})  # noqa: S102 - our own README

    assert capsys.readouterr().out == "3 0 0 {'key_present': 1}\n"
    rows = spark.table("lake.crm.customers").orderBy("customer_id", "valid_from").collect()
    assert [(row.customer_id, row.city, row.is_current) for row in rows] == [
        (1, "Berlin", False),
        (1, "Paris", True),
        (2, "Oslo", False),
    ]
    assert rows[0].valid_to == rows[1].valid_from


def drop(spark: SparkSession) -> None:
    for table in spark.sql("SHOW TABLES IN lake.crm").collect():
        spark.sql(f"DROP TABLE lake.crm.{table.tableName} PURGE")
    spark.sql("DROP NAMESPACE lake.crm")
