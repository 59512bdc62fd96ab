"""Redaction: one constant in place of every value.

Promise: nothing of a value is left, its length neither. Whether there is a value still shows, since
null stays null as with every other technique: a column that is required stays so, and the share of
missing values can be judged.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

REDACTED = "REDACTED"


def redacted(value: Column) -> Column:
    """`REDACTED` as STRING for every value; null for null."""
    return F.when(value.isNotNull(), F.lit(REDACTED))
