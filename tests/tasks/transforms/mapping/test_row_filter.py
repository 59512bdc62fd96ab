from __future__ import annotations

from contracts.model import Condition, Operator
from tasks.transforms.mapping.row_filter import meets_conditions

IN, NOT_IN = Operator.IN, Operator.NOT_IN


def test_filters_are_true_or_false_for_every_row(spark):
    frame = spark.createDataFrame(
        [(1, "ACTIVE", 1, True), (2, "x", 2, False), (3, None, None, None), (4, "1", 3, None)],
        "id int, `a.b` string, n int, t boolean",
    )
    filters = {
        (): [1, 2, 3, 4],
        (Condition("a.b", IN, ("ACTIVE", "1")),): [1, 4],
        (Condition("a.b", IN, (1,)),): [4],
        (Condition("a.b", IN, ()),): [],
        (Condition("a.b", IN, (None,)),): [],
        (Condition("a.b", NOT_IN, ("ACTIVE", None)),): [2, 3, 4],
        (Condition("n", IN, (1, 2.0)),): [1, 2],
        (Condition("n", IN, ("3",)),): [4],
        (Condition("t", IN, (True,)),): [1],
        (Condition("t", NOT_IN, (True,)),): [2, 3, 4],
        (Condition("a.b", Operator.IS_NULL),): [3],
        (Condition("a.b", Operator.IS_NOT_NULL),): [1, 2, 4],
        (Condition("a.b", Operator.IS_NOT_NULL), Condition("n", NOT_IN, (1,))): [2, 4],
    }
    columns = [meets_conditions(each).alias(f"f{i}") for i, each in enumerate(filters)]

    rows = frame.select("id", *columns).orderBy("id").collect()

    for position, expected in enumerate(filters.values()):
        answers = {row.id: row[f"f{position}"] for row in rows}
        assert set(answers.values()) <= {True, False}
        assert [key for key, met in answers.items() if met] == expected
