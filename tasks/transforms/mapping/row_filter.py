"""A contract's row filters as conditions that are true or false for every row, never null.

Promise: a null is in no list; nothing raises on a value of another type than the list's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Condition, Operator, Scalar
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.mapping.typed_literals import exact

_WIDE = "decimal(38,10)"


def meets_conditions(conditions: Sequence[Condition]) -> Column:
    """Whether the row meets all of the conditions; with none of them every row does.

    Text is compared with the column's text, numbers and booleans by value. A null is not in any
    list, so it meets `not_in` and fails `in`.
    """
    return reduce(lambda all_of, each: all_of & _meets(each), conditions, F.lit(True))


def _meets(condition: Condition) -> Column:
    value = named(condition.column)
    if condition.operator is Operator.IS_NULL:
        return value.isNull()
    if condition.operator is Operator.IS_NOT_NULL:
        return value.isNotNull()
    listed = _listed(value, condition.values)
    return listed if condition.operator is Operator.IN else ~listed


def _listed(value: Column, values: Sequence[Scalar]) -> Column:
    texts = [each for each in values if isinstance(each, str)]
    booleans = [each for each in values if isinstance(each, bool)]
    numbers = [
        exact(each)
        for each in values
        if isinstance(each, (int, float)) and not isinstance(each, bool)
    ]
    matches = F.lit(False)
    if texts:
        matches = matches | _false_if_null(value.cast("string").isin(texts))
    if booleans:
        matches = matches | _false_if_null(value.try_cast("boolean").isin(booleans))
    if numbers:
        matches = matches | _false_if_null(value.try_cast(_WIDE).isin(numbers))
    return matches


def _false_if_null(condition: Column) -> Column:
    return F.coalesce(condition, F.lit(False))
