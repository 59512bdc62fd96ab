"""Few rows are cheaper in one task than shuffled among several.

A shuffle of some thousand rows costs a job, two stages and a compiled class more than the rows
themselves. Spark 4.1 plans it all the same: the size of a shuffle is known only afterwards.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

FEW = 50_000
"""Up to so many rows lie in one partition."""


def in_one_partition_if_few(frame: DataFrame, rows: int) -> DataFrame:
    """The frame, in one partition if it has few `rows`: nothing shuffles them from there on."""
    return frame.coalesce(1) if rows <= FEW else frame
