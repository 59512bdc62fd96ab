from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F

from contracts.expressions import (
    Call,
    Cast,
    Constant,
    ExpressionError,
    Name,
    bind,
    names_in,
    parse_condition,
    parse_metric_query,
)
from contracts.expressions.listed_operations import AGGREGATES as LISTED_AGGREGATES
from contracts.expressions.listed_operations import OPERATIONS as LISTED
from tasks.transforms.checks.expression_columns import AGGREGATES, OPERATIONS, ColumnBuilder

D = Decimal
KINDS = {
    "i": "int", "n": "bigint", "d": "decimal(38,2)", "f": "double", "s": "string", "u": "string",
    "day": "date", "t": "timestamp", "b": "boolean", "a b.c": "int", "w": "decimal(38,30)",
}  # fmt: skip
NAN = float("nan")
ROWS = [
    (
        3, 10, D("2.50"), 1.5, "Abc d", "12.3", date(2024, 2, 29),
        datetime(2024, 2, 29, 23, 30, 15, tzinfo=UTC), True, 7, D("1.5"),
    ),
    (None,) * len(KINDS),
    (
        -(2**31), 2**63 - 1, D("9" * 36 + ".99"), NAN, "", "x", date(9999, 12, 31),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), False, 0, D("-99999999.5"),
    ),
]  # fmt: skip
"""Ordinary values, nulls, and values at the end of what there is."""

# Each expression, and what it gives for the three rows.
CASES = [
    ("i = 3", True, None, False),
    ("i <> 3", False, None, True),
    ("i < n", True, None, True),
    ("i <= 3", True, None, True),
    ("n > d", True, None, False),
    ("n >= w", True, None, True),
    ("d > w", True, None, True),
    ("f > 1e300", False, None, True),
    ("f = f", True, None, True),
    ("f < d", True, None, False),
    ("i = 3 AND b", True, None, False),
    ("i = 3 OR b", True, None, False),
    ("b OR s IS NULL", True, True, False),
    ("NOT b", False, None, True),
    ("i IS NULL", False, True, False),
    ("i IS NOT NULL", True, False, True),
    ("b IS TRUE", True, False, False),
    ("b IS NOT TRUE", False, True, True),
    ("i <=> NULL", False, True, False),
    ("i IS DISTINCT FROM 3", False, True, True),
    ("i IN (1, 2.5, 3)", True, None, False),
    ("s NOT IN ('Abc d', 'x')", False, None, True),
    ("i BETWEEN 3 AND 4", True, None, False),
    ("i NOT BETWEEN 3 AND 4", False, None, True),
    ("s LIKE 'Abc%'", True, None, False),
    ("s NOT LIKE '_bc _'", False, None, True),
    ("s LIKE 'Abc\\\\_d'", False, None, False),
    ("s ILIKE 'aBC%'", True, None, False),
    ("i + 1", 4, None, -(2**31) + 1),
    ("n + 1", 11, None, None),
    ("i - 1", 2, None, None),
    ("n * 2", 20, None, None),
    ("d * d * d", D("15.625000"), None, None),
    ("n / 4", 2.5, None, (2**63 - 1) / 4),
    ("n / (i - i)", None, None, None),
    ("d / 0", None, None, None),
    ("f / 0", None, None, None),
    ("n % 3", 1, None, 1),
    ("n % 0", None, None, None),
    ("mod(i, 2)", 1, None, 0),
    ("-i", -3, None, None),
    ("-f", -1.5, None, NAN),
    ("CASE WHEN b THEN i WHEN s = '' THEN 2.5 END", D(3), None, D("2.5")),
    ("CASE i WHEN 3 THEN 'x' ELSE 'y' END", "x", "y", "y"),
    ("IF(b, 1, 0)", 1, 0, 0),
    ("CASE WHEN day IS NULL THEN '2024-01-01' ELSE day END", date(2024, 2, 29), date(
        2024, 1, 1), date(9999, 12, 31)),
    ("COALESCE(i, n, 0)", 3, 0, -(2**31)),
    ("NULLIF(i, 3)", None, None, -(2**31)),
    ("GREATEST(i, n)", 10, None, 2**63 - 1),
    ("LEAST(i, 2)", 2, 2, -(2**31)),
    ("ABS(i)", 3, None, None),
    ("ABS(d - 3)", D("0.50"), None, D("9" * 35 + "6.99")),
    ("ROUND(d)", D(3), None, D("1" + "0" * 36)),
    ("ROUND(f, 0)", 2.0, None, NAN),
    ("FLOOR(f)", 1, None, None),
    ("CEIL(d)", D(3), None, None),
    ("LENGTH(s)", 5, None, 0),
    ("CHAR_LENGTH(s) > 4", True, None, False),
    ("LOWER(s)", "abc d", None, ""),
    ("UPPER(s)", "ABC D", None, ""),
    ("TRIM(CONCAT(' ', s, ' '))", "Abc d", None, ""),
    ("LTRIM(' ' || s)", "Abc d", None, ""),
    ("RTRIM(s || ' ')", "Abc d", None, ""),
    ("REPLACE(s, 'b', 'B')", "ABc d", None, ""),
    ("SUBSTRING(s, 2, 2)", "bc", None, ""),
    ("SUBSTRING(s, 2)", "bc d", None, ""),
    ("SUBSTRING(s, n, 1)", "", None, None),
    ("LEFT(s, 1)", "A", None, ""),
    ("RIGHT(s, i)", "c d", None, ""),
    ("STARTSWITH(s, 'A')", True, None, False),
    ("ENDSWITH(s, 'A')", False, None, False),
    ("CONTAINS(s, 'c')", True, None, False),
    ("YEAR(day)", 2024, None, 9999),
    ("QUARTER(t)", 1, None, 4),
    ("MONTH(t)", 2, None, 12),
    ("DAY(t)", 29, None, 31),
    ("EXTRACT(HOUR FROM t)", 23, None, 23),
    ("MINUTE(t)", 30, None, 59),
    ("SECOND(t)", 15, None, 59),
    ("TO_DATE(t)", date(2024, 2, 29), None, date(9999, 12, 31)),
    ("DATE_ADD(day, 1)", date(2024, 3, 1), None, "10000"),
    ("DATE_SUB(t, i)", date(2024, 2, 26), None, None),
    ("DATE_ADD(day, n)", date(2024, 3, 10), None, None),
    ("DATEDIFF(t, day)", 0, None, 0),
    ("DATEDIFF(t, DATE '2024-02-01') <= 28", True, None, False),
    ("t > '2024-02-29 23:30:14'", True, None, True),
    ("t = TIMESTAMP '2024-03-01 00:30:15+01:00'", True, None, False),
    ("day < t", True, None, True),
    ("day = '2024-02-29'", True, None, False),
    ("CAST(u AS DECIMAL(10,2))", D("12.30"), None, None),
    ("CAST(u AS INT)", None, None, None),
    ("CAST(u AS DOUBLE) > 12", True, None, None),
    ("CAST(u AS DATE)", None, None, None),
    ("CAST(u AS TIMESTAMP)", None, None, None),
    ("CAST(u AS BOOLEAN)", None, None, None),
    ("CAST(f AS INT)", 1, None, None),
    ("CAST(n AS INT)", 10, None, None),
    ("CAST(i AS STRING)", "3", None, "-2147483648"),
    ("CAST(day AS TIMESTAMP) = DATE '2024-02-29'", True, None, False),
    ("`a b.c` + 1L", 8, None, 1),
    ("1.5 < i", True, None, False),
    ("'2024-02-29' = day", True, None, False),
    ("day > DATE '0001-01-01'", True, None, True),
    ("t > '0001-01-01 00:00:00'", True, None, True),
    ("CASE WHEN NULL THEN 1 ELSE i END", 3, None, -(2**31)),
]  # fmt: skip


@pytest.fixture(scope="module")
def frame(spark):
    schema = ", ".join(f"`{name}` {kind}" for name, kind in KINDS.items())
    rows = [(number, *row) for number, row in enumerate(ROWS)]
    return spark.createDataFrame(rows, f"row int, {schema}")


def named(name):
    return F.col(f"`{name}`")


@pytest.fixture(scope="module")
def answers(frame):
    """What each expression gives for each row; a date as text, as not all are ones of Python."""
    built = []
    for number, (text, *_) in enumerate(CASES):
        bound, gives = bind(parse_condition(text), KINDS)
        column = ColumnBuilder(named).build(bound)
        built.append((column.cast("string") if gives == "date" else column).alias(f"c{number}"))
    return [tuple(row)[1:] for row in frame.orderBy("row").select("row", *built).collect()]


def alike(one, other):
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other and (one is None) == (other is None)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n][0])
def test_an_expression_gives_what_sql_says_and_never_raises(answers, number):
    _, *expected = CASES[number]

    for found, wanted in zip((row[number] for row in answers), expected, strict=True):
        if isinstance(wanted, date):
            assert found == str(wanted)
        elif wanted == "10000":
            assert found.lstrip("+").startswith("10000")
        else:
            assert alike(found, wanted), (found, wanted)


def test_every_listed_operation_has_a_spark_side_and_a_case():
    used = set()
    for text, *_ in CASES:
        pending = [parse_condition(text)]
        while pending:
            node = pending.pop()
            used |= {node.operation} if hasattr(node, "operation") else set()
            pending += getattr(node, "operands", ())
            pending += [node.operand] if hasattr(node, "operand") else []

    assert set(OPERATIONS) == set(LISTED) == used
    assert set(AGGREGATES) == set(LISTED_AGGREGATES)


FIGURES = [
    ("SELECT COUNT(*) FROM ${object}", 3),
    ("SELECT COUNT(1) FROM x.t", 3),
    ("SELECT COUNT(i) FROM t", 2),
    ("SELECT COUNT(*) FROM t WHERE i > 0", 1),
    ("SELECT COUNT(*) FILTER (WHERE s = '') + COUNT_IF(b) FROM t WHERE i < 0", 1),
    ("SELECT SUM(i) FROM t AS o WHERE o.i > 0", 3),
    ("SELECT SUM(n * 2) FROM t", 20),
    ("SELECT SUM(n + i) FROM t", 13 + (2**63 - 1) - 2**31),
    ("SELECT AVG(d) FROM t WHERE i > 0", 2.5),
    ("SELECT MIN(i) FROM t", -(2**31)),
    ("SELECT DATEDIFF(MAX(day), MIN(t)) FROM t WHERE i > 0", 0),
    ("SELECT 100.0 * SUM(CASE WHEN s IS NULL THEN 1 ELSE 0 END) / COUNT(*) FROM t", 100 / 3),
    ("SELECT SUM(i) / COUNT(*) FROM t WHERE i > 5", None),
    ("SELECT COUNT(*) / NULLIF(COUNT(u) - 2, 0) FROM t", None),
    ("SELECT COUNT(*) > 2 FROM t", 1),
    ("SELECT ROUND(AVG(i), 0) FROM t WHERE i > 0", 3),
]


def test_queries_are_aggregates_of_one_observation(frame):
    figures = []
    for number, (query, _) in enumerate(FIGURES):
        bound, gives = bind(parse_metric_query(query, ("t", "x.t")), KINDS)
        column = ColumnBuilder(named).build(bound)
        column = column.cast("int") if gives == "boolean" else column
        figures.append(column.try_cast("double").alias(f"f{number}"))
    seen = Observation()
    frame.observe(seen, *figures).write.format("noop").mode("overwrite").save()

    found = [seen.get[f"f{number}"] for number in range(len(FIGURES))]
    for value, (query, wanted) in zip(found, FIGURES, strict=True):
        assert value is wanted is None or value == pytest.approx(wanted), query


def test_rows_that_do_not_count_are_in_no_figure(frame):
    some = ColumnBuilder(named, F.col("row") != 0)
    texts = ("SELECT COUNT(*) FROM t", "SELECT MAX(i) FROM t", "SELECT COUNT(*) FROM t WHERE b")
    figures = [bind(parse_metric_query(text, ("t",)), KINDS)[0] for text in texts]

    row = frame.agg(*[some.build(figure) for figure in figures]).head()

    assert tuple(row) == (2, -(2**31), 0)


def test_names_are_told_in_order_and_once():
    assert names_in(parse_condition("b OR i > d AND i < 3")) == ("b", "i", "d")


CONSTANTS = [
    0, -1, 2**31, 2**62, D("0.01"), D("9" * 20 + "." + "9" * 18), 1e300, 1e-5, "", "a",
    "2024-01-01", True, False, None, date(1, 1, 1), date(9999, 12, 31),
    datetime(1, 1, 1, tzinfo=UTC),
]  # fmt: skip
CASTS = [
    "tinyint", "int", "bigint", "decimal(38,0)", "decimal(10,5)", "decimal(38,38)", "float",
    "double", "string", "boolean", "date", "timestamp",
]  # fmt: skip


def drawn(rng, depth):
    """Any expression, whether its types fit or not."""
    chance = rng.random()
    if not depth or chance < 0.15:
        named_one = rng.random() < 0.7
        return Name(rng.choice([*KINDS])) if named_one else Constant(rng.choice(CONSTANTS))
    if chance < 0.25:
        return Cast(drawn(rng, depth - 1), rng.choice(CASTS))
    name = rng.choice([*LISTED])
    operation = LISTED[name]
    most = 4 if operation.more else len(operation.takes)
    count = rng.randint(operation.least or len(operation.takes), most)
    pattern = "a%_b" if "like" in name else rng.randint(0, 18)
    return Call(
        name,
        tuple(
            Constant(pattern) if position in operation.constant else drawn(rng, depth - 1)
            for position in range(count)
        ),
    )


def fitting(seed, count):
    """Expressions whose types fit."""
    rng = random.Random(seed)  # noqa: S311 - examples, not secrets
    found = []
    while len(found) < count:
        try:
            bound, _ = bind(drawn(rng, rng.randint(1, 3)), KINDS)
        except ExpressionError:
            continue
        if names_in(bound):
            found.append(bound)
    return found


def test_whatever_fits_can_be_computed_of_the_worst_values(frame):
    builder = ColumnBuilder(named)

    columns = [F.hash(builder.build(each)) for each in fitting(seed=11, count=80)]

    assert len(frame.select(*columns).collect()) == len(ROWS)
