"""Columns whose values are unknown in some events: added when events existed already, or dropped.

A column's value is unknown in an event from before the column was added, and in any event that
brings null once the column is dropped. An unknown value differs from nothing and overwrites
nothing: the last known value of the key counts. All of it is a function of the events and of a
bound that the table records, never of when an event arrived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from history.spark.column_quoting_and_comparison import named


@dataclass(frozen=True, slots=True)
class EvolvedColumn:
    """A column whose value may be unknown in an event.

    Attributes:
        column: Its name.
        kind: The type of `upto`, as Spark writes it.
        upto: The greatest sequence in the table when the column was added, as exact text: null is
            unknown in an event up to it. None: the column is known in every event.
        dropped: Events no longer bring the column: null is always unknown.
    """

    column: str
    kind: str = ""
    upto: str | None = None
    dropped: bool = False

    def unknown(self, sequence: Column) -> Column:
        """Whether the column is unknown in the event of a row, or in the version it shows."""
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
    def from_json(cls, column: str, text: str, *, dropped: bool) -> EvolvedColumn:
        """The column with the bound that a table property records."""
        bound = json.loads(text)
        return cls(column, str(bound["type"]), bound["value"], dropped)
