"""Partial masks: they show enough of a value to recognise it, never all of it.

Promise: at most a third of a value's characters stay readable, nothing of a value shorter than
four, and the mask has one length whatever it hides.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

MASK = "***"
SHORTEST_SHOWN = 4
SHARE = 3
"""One character of so many may stay readable."""


def masked(value: Column, keep: int) -> Column:
    """The first `keep` characters and `***`; null for null (spec 6.1, PARTIAL_MASK).

    Spec 6.1 shows two characters of everything, which is all of a value of length two. Here the
    readable part is the smaller of `keep` and a third of the value, and empty below four
    characters. Characters are Unicode code points.
    """
    text = value.cast("string")
    length = F.char_length(text)
    share = F.floor(length / SHARE).cast("int")
    shown = F.when(length < SHORTEST_SHOWN, 0).otherwise(F.least(F.lit(max(keep, 0)), share))
    return F.concat(F.substring(text, F.lit(1), shown), F.lit(MASK))
