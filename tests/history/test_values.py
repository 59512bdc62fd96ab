"""Which values are the same: one list, kept by the tests' reference and by the engine."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from pyspark.sql import SparkSession

from tests.history.convergence import assert_converges
from tests.history.examples import Example, layout
from tests.history.values import (
    AUTUMN,
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    EXACT,
    FLOAT,
    INT,
    MONEY,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    Kind,
    array,
    mapping,
    meaning,
    struct,
)

LATER = timedelta(microseconds=1)
WALL = datetime(2024, 10, 27, 2, 30)
COUNTS, TEXTS = mapping(STRING, INT), array(STRING)
DEEP = array(struct(m=mapping(DOUBLE, array(DOUBLE))))
PAIR = struct(a=INT, b=STRING)


class Case(NamedTuple):
    kind: Kind
    one: Any
    other: Any


THE_SAME = (
    Case(STRING, None, None),
    Case(DOUBLE, math.nan, -math.nan),
    Case(DOUBLE, 0.0, -0.0),
    Case(FLOAT, math.nan, math.nan),
    Case(FLOAT, -0.0, 0.0),
    Case(MONEY, Decimal("1.1"), Decimal("1.10")),
    Case(MONEY, Decimal(0), Decimal("-0.00")),
    Case(COUNTS, [("a", 1), ("b", None)], [("b", None), ("a", 1)]),
    Case(PAIR, {"a": 1, "b": None}, {"a": 1, "b": None}),
    Case(
        DEEP,
        [{"m": [(0.0, [math.nan]), (1.0, None)]}],
        [{"m": [(1.0, None), (-0.0, [-math.nan])]}],
    ),
)
DIFFERENT = (
    Case(BOOLEAN, None, False),
    Case(INT, None, 0),
    Case(BIGINT, 2**53, 2**53 + 1),
    Case(DOUBLE, math.nan, None),
    Case(DOUBLE, 0.1 + 0.2, 0.3),
    Case(DOUBLE, 0.0, 5e-324),
    Case(FLOAT, math.inf, -math.inf),
    Case(EXACT, Decimal("1e-18"), Decimal(0)),
    Case(STRING, None, ""),
    Case(STRING, "", " "),
    Case(STRING, "a", "a "),
    Case(STRING, "a", "A"),
    Case(STRING, "\u00e4", "a\u0308"),
    Case(STRING, "null", None),
    Case(BINARY, b"", b"\x00"),
    Case(BINARY, None, b""),
    Case(DATE, date(1582, 10, 4), date(1582, 10, 15)),
    Case(TIMESTAMP, AUTUMN, AUTUMN + LATER),
    Case(TIMESTAMP, AUTUMN, AUTUMN + timedelta(hours=1)),
    Case(TIMESTAMP, datetime(1900, 1, 1, tzinfo=UTC), None),
    Case(TIMESTAMP_NTZ, WALL, WALL + LATER),
    Case(TEXTS, None, []),
    Case(TEXTS, [], [None]),
    Case(TEXTS, ["a", "b"], ["b", "a"]),
    Case(COUNTS, None, []),
    Case(COUNTS, [("a", 1)], [("a", None)]),
    Case(COUNTS, [("a", 1), ("b", 2)], [("a", 2), ("b", 1)]),
    Case(PAIR, None, {"a": None, "b": None}),
    Case(PAIR, {"a": 1, "b": ""}, {"a": 1, "b": None}),
    Case(DEEP, [{"m": None}], [None]),
    Case(DEEP, [{"m": [(1.0, [0.0])]}], [{"m": [(1.0, [0.0, None])]}]),
)
KINDS = list(dict.fromkeys(case.kind for case in (*THE_SAME, *DIFFERENT)))
NAMES = {kind: f"v{number}" for number, kind in enumerate(KINDS)}


@pytest.mark.parametrize("case", THE_SAME, ids=str)
def test_for_the_reference_these_are_the_same(case: Case):
    assert meaning(case.one) == meaning(case.other)
    assert hash(meaning(case.one)) == hash(meaning(case.other))


@pytest.mark.parametrize("case", DIFFERENT, ids=str)
def test_for_the_reference_these_differ(case: Case):
    assert meaning(case.one) != meaning(case.other)


def test_the_engine_tells_the_same_values_apart_as_the_reference(
    spark: SparkSession, lake_namespace: str
):
    kinds = {"at": INT, **{name: kind for kind, name in NAMES.items()}}
    values = layout(
        "values", kinds, {"spark.sql.session.timeZone": "Europe/Berlin"}, key=(), sequence="at"
    )
    empty = dict.fromkeys(NAMES.values()) | {"Op": "upsert"}
    examples = [
        Example(
            tuple(
                {**empty, "at": at, NAMES[case.kind]: value}
                for at, value in enumerate((case.one, case.other))
            ),
            # Both in one batch; one after the other; the later one first.
            (((0, 1), ()), ((0,), (1,)), ((1,), (0,))),
        )
        for case in (*THE_SAME, *DIFFERENT)
    ]

    assert_converges(spark, lake_namespace, values, examples)
