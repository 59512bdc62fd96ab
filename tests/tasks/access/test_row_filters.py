"""Row filters as text: what each engine is given selects the rows that the condition means."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from contracts.expressions import (
    LAKE_FORMATION,
    SPARK,
    ExpressionError,
    row_filter,
    row_filter_sql,
)
from tasks.transforms.checks.expression_columns import ColumnBuilder

KINDS = {
    "word": "string",
    "amount": "decimal(10,2)",
    "number": "bigint",
    "share": "double",
    "day": "date",
    "at": "timestamp",
    "flag": "boolean",
    "odd `name": "string",
}
ROWS = [
    ("it's", Decimal("-1.50"), -1, 0.5, date(2024, 1, 31), datetime(2024, 1, 1), True, "x"),
    (
        "a\\b",
        Decimal("10.00"),
        10,
        1e20,
        date(1999, 12, 31),
        datetime(2023, 12, 31, 23),
        False,
        "y",
    ),
    ("50%", Decimal("0.01"), 2**40, -0.25, date(2024, 2, 1), datetime(2024, 6, 1), None, None),
    ('"q"; --', None, None, None, None, None, True, "x' OR '1'='1"),
    (None, Decimal("10.01"), 0, 0.0, date(2024, 1, 1), None, False, "z"),
]
CONDITIONS = [
    "word = 'it\\'s'",
    "word <> 'it\\'s'",
    "NOT (word = 'a\\\\b')",
    "word IN ('50%', '\"q\"; --')",
    "word NOT IN ('50%')",
    "word LIKE '%\\\\%'",
    "word LIKE 'it_s'",
    "word IS NULL",
    "word IS NOT NULL AND (amount >= 10 OR flag)",
    "amount BETWEEN -1.5 AND 10.00",
    "amount NOT BETWEEN 0 AND 10",
    "10 <= number",
    "number = -1",
    "number > 1099511627775",
    "share > 1e19",
    "share < 0.25",
    "day >= '2024-01-31'",
    "day < DATE '2000-01-01' OR day IS NULL",
    "at < '2024-01-01T00:00:00Z'",
    "at >= TIMESTAMP '2024-01-01 00:00:00'",
    "flag",
    "NOT flag",
    "flag = false AND word = 'a\\\\b'",
    "`odd ``name` = 'x\\' OR \\'1\\'=\\'1'",
]


@pytest.fixture(scope="module")
def frame(spark):
    schema = ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in KINDS.items())
    return spark.createDataFrame(ROWS, schema).localCheckpoint()


@pytest.mark.parametrize("text", CONDITIONS)
def test_the_text_selects_the_rows_that_the_condition_means(frame, text):
    bound = row_filter(text, KINDS)
    builder = ColumnBuilder(lambda name: F.col(f"`{name.replace('`', '``')}`"))

    by_text = frame.where(F.expr(row_filter_sql(bound, SPARK))).collect()

    assert by_text == frame.where(builder.build(bound)).collect()


def test_each_condition_selects_some_rows_and_not_others(frame):
    for text in CONDITIONS:
        count = frame.where(F.expr(row_filter_sql(row_filter(text, KINDS), SPARK))).count()
        assert 0 < count < len(ROWS), text


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("word = 'it\\'s'", "\"word\" = 'it''s'"),
        ("10 <= number", '"number" >= 10'),
        ("flag AND NOT (amount < -1.5)", '("flag" = true) AND (NOT ("amount" < -1.5))'),
        ("word NOT IN ('a', 'b')", "NOT (\"word\" IN ('a', 'b'))"),
        ("flag = false", '"flag" = false'),
        ("`odd ``name` IS NULL", '"odd `name" IS NULL'),
    ],
)
def test_lake_formation_gets_its_own_quotes_and_no_bare_flag(text, sent):
    assert row_filter_sql(row_filter(text, KINDS), LAKE_FORMATION) == sent


@pytest.mark.parametrize(
    "text",
    [
        "word = word",
        "lower(word) = 'a'",
        "amount + 1 > 2",
        "word",
        "true",
        "1 = 1",
        "word = NULL",
        "coalesce(flag, true)",
        "word <=> 'a'",
        "CASE WHEN flag THEN true ELSE false END",
        "CAST(number AS string) = '1'",
        "word IN (SELECT word FROM t)",
        "EXISTS (SELECT 1)",
        "flag; DROP TABLE t",
        "flag -- AND word = 'a'\n OR true",
        "nothing = 1",
        "number = 'a'",
        "",
    ],
)
def test_what_an_engine_could_not_enforce_is_refused(text):
    with pytest.raises(ExpressionError):
        row_filter(text, KINDS)


def test_a_day_is_no_literal_of_lake_formation():
    bound = row_filter("at < '2024-01-01T00:00:00Z'", KINDS)

    with pytest.raises(ExpressionError, match="no instant"):
        row_filter_sql(bound, LAKE_FORMATION)
    assert row_filter_sql(bound, SPARK) == "`at` < TIMESTAMP '2024-01-01 00:00:00+00:00'"
