"""Columns that not every event knows: added when events were known already, or dropped.

An event from before a column was added does not know it. Neither does any event that brings null
once the column is dropped. What an event does not know differs from nothing and overwrites
nothing: the last event of the key that knows counts. All of it is a function of the events and of
a bound that the table records, never of when an event arrived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import named


@dataclass(frozen=True, slots=True)
class EvolvedColumn:
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
    def to_json(self) -> str:
        """The bound as a table property."""
        return json.dumps({"type": self.kind, "value": self.upto})

    @classmethod
    def from_json(cls, column: str, told: str, *, dropped: bool) -> EvolvedColumn:
        """From the property that `told` is."""
        bound = json.loads(told)
        return cls(column, str(bound["type"]), bound["value"], dropped)
