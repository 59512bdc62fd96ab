from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import (
    as_json,
    content_digest,
    named,
    wall_clock_in_utc,
)
from tests.history.convergence import session_settings


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


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_a_wall_clock_is_read_as_utc_in_any_session_also_in_an_hour_that_its_zone_lacks(
    spark, zone
):
    texts = [
        "2024-03-30 06:00:00", "2024-03-10 02:30:00.123456", "2024-11-03 01:30:00",
        "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999",
    ]  # fmt: skip
    with session_settings(spark, {"spark.sql.session.timeZone": zone}):
        clocks = spark.createDataFrame([(text,) for text in texts], "text string")
        clock = F.col("text").cast("timestamp_ntz")
        micros = F.unix_micros(wall_clock_in_utc(clock)).alias("micros")
        found = {row.text: row.micros for row in clocks.select("text", micros).collect()}

    epoch, microsecond = datetime(1970, 1, 1), timedelta(microseconds=1)
    assert found == {text: (datetime.fromisoformat(text) - epoch) // microsecond for text in texts}


UNLIKE = {
    "a string, b string": [("x", None), (None, "x"), (None, None), ("", None), ("x", "x")],
    "a int, b int": [(0, None), (None, 0), (1, 0), (0, 1), (None, None)],
    "a boolean, b boolean": [(True, None), (None, True), (False, None), (None, False)],
    "a array<string>": [(["x", None],), ([None, "x"],), (["x"],), ([],), (None,), ([None],)],
    "a array<array<int>>": [([[], [1]],), ([[1], []],), ([[1]],), ([None, [1]],), ([[None, 1]],)],
    "a struct<b: int, c: int>": [((1, None),), ((None, 1),), ((None, None),), (None,)],
    "a map<string, int>": [({"x": 1, "y": None},), ({"x": None, "y": 1},), ({},), (None,)],
    "a double": [(0.0,), (1.0,), (float("nan"),), (float("inf"),), (None,)],
    "a decimal(30, 10)": [(Decimal("1.5"),), (Decimal(15),), (None,)],
    "a string collate UTF8_LCASE": [("x",), ("y",), (None,)],
}


@pytest.mark.parametrize("kind", UNLIKE)
def test_a_digest_tells_apart_what_is_not_equal_and_nothing_else(spark, kind):
    rows = [(*row, at) for at, row in enumerate(UNLIKE[kind])]
    frame = spark.createDataFrame(rows, f"{kind}, at int")
    names = [name for name in frame.columns if name != "at"]

    both = frame.select("at", content_digest(names, frame.schema).alias("digest"))
    pairs = both.alias("l").join(both.alias("r"), F.expr("l.digest <=> r.digest"))

    found = {(row[0], row[1]) for row in pairs.select("l.at", "r.at").collect()}
    assert found == {(at, at) for at in range(len(rows))}


def test_a_digest_takes_as_equal_what_spark_does(spark):
    frame = spark.sql(
        """
        SELECT * FROM VALUES
            (1, double('NaN'), map('x', 1, 'y', 2), 'Text' COLLATE UTF8_LCASE, 0.0d),
            (2, double('NaN'), map('y', 2, 'x', 1), 'tEXT' COLLATE UTF8_LCASE, -0.0d)
            AS t (n, number, entries, words, zero)
        """
    )
    names = ["number", "entries", "words", "zero"]

    digests = frame.select("n", content_digest(names, frame.schema).alias("digest"))
    equal = digests.alias("l").join(digests.alias("r"), F.expr("l.digest <=> r.digest"))

    assert equal.count() == 4
