"""Columns that not every event knows: added when events were known already, or dropped.

An event from before a column was added does not know it. Neither does any event that brings null
once the column is dropped. What an event does not know differs from nothing and overwrites
nothing: the last event of the key that knows counts. All of it is a function of the events and of
a bound that the table records, never of when an event arrived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.columns import as_json, named


@dataclass(frozen=True, slots=True)
class Learned:
    """A column that events may not know.

    Attributes:
        column: Its name.
        kind: The type of `upto`, as Spark writes it.
        upto: The greatest sequence that was known when the column was added, as exact text: an
            event up to it that brings null does not know the column. None: every event knows it.
        dropped: Events no longer bring the column: whatever brings null does not know it.
    """

    column: str
    kind: str = ""
    upto: str | None = None
    dropped: bool = False

    def unknown(self, sequence: Column) -> Column:
        """Whether the event of a row, or the version it shows, does not know the column."""
        if self.dropped:
            return named(self.column).isNull()
        if self.upto is None:
            return F.lit(False)
        return named(self.column).isNull() & (sequence <= F.lit(self.upto).cast(self.kind))

    @property
    def told(self) -> str:
        """The bound as a table property."""
        return json.dumps({"type": self.kind, "value": self.upto})

    @classmethod
    def of(cls, column: str, told: str, *, dropped: bool) -> Learned:
        """From the property that `told` is."""
        bound = json.loads(told)
        return cls(column, str(bound["type"]), bound["value"], dropped)


def greatest(frames: list[DataFrame], sequence: str, kind: T.DataType) -> str | None:
    """The greatest sequence in the frames, as exact text that casts back; None: no rows."""
    each = [frame.select(named(sequence).cast(kind).alias("at")) for frame in frames]
    together = reduce(DataFrame.unionByName, each).agg(F.max("at").alias("at"))
    row = together.select(F.col("at").isNull().alias("none"), as_json([F.col("at")]).alias("text"))
    found = row.collect()[0]
    if found.none:
        return None
    # Numbers keep their digits: JSON's own are not turned into floats.
    return str(json.loads(found.text, parse_int=str, parse_float=str, parse_constant=str)["at"])
