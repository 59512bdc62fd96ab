"""A Python function over Arrow arrays as a Spark function of columns.

Promise: it gets whole batches of a column and runs on executors as over Spark Connect; what it
closes over (keys) is pickled with it and is in no plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql.pandas import functions

Batch = Callable[..., pa.Array]
"""One array for each column, of equal lengths, to one of that length.

It must have the annotations `pa.Array`, from which Spark derives its input type."""

# PySpark's stubs demand the function's kind as an argument; at run time that is deprecated.
_arrow_udf: Any = functions.arrow_udf


def by_batch(function: Batch, kind: str) -> Callable[..., Column]:
    """The function over columns, one an argument, giving values of Spark SQL type `kind`.

    Equal input must give equal output: several mentions of the result are evaluated once.
    """
    udf: Callable[..., Column] = _arrow_udf(function, kind)
    return udf


def once_by_batch(function: Batch, kind: str) -> Callable[..., Column]:
    """The same for a function that gives something else each time.

    It is marked nondeterministic: Spark evaluates every mention of the result, and none twice.
    """
    udf: Callable[..., Column] = _arrow_udf(function, kind).asNondeterministic()
    return udf
