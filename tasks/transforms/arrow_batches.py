"""A Python function over Arrow arrays as a Spark function of one column.

Promise: it gets whole batches of a column and runs on executors as over Spark Connect; whatever it
holds (keys) travels pickled with it and is in no plan.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql.pandas.functions import ArrowUDFType, arrow_udf

Batch = Callable[[pa.Array], pa.Array]


def by_batch(function: Batch, kind: str) -> Callable[[Column], Column]:
    """The function over a column, giving values of Spark SQL type `kind`."""
    return arrow_udf(function, kind, ArrowUDFType.SCALAR)


def once_by_batch(function: Batch, kind: str) -> Callable[[Column], Column]:
    """The same for a function that must not be evaluated once per mention of its result.

    Spark is told that it isn't deterministic, so it neither repeats nor reorders it.
    """
    return arrow_udf(function, kind, ArrowUDFType.SCALAR).asNondeterministic()
