"""What a plan asks of the events before and after an event of its key.

They are looked up in windows along one order: each further order would sort all rows again. Where
each key has one event there is nothing to look up, and no window either.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, WindowSpec
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named, per, whole


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The events around an event.

    Attributes:
        timeline: The window over the events of a key in their order; None: each key has one event.
        version: The window over the events of one version (`__version_group`), likewise.
    """

    timeline: WindowSpec | None = None
    version: WindowSpec | None = None

    @classmethod
    def along(cls, settings: HistorySettings, *, all_decided: bool) -> Neighbours:
        """Of the events of a key in the order of their sequence; contested ones apart.

        `all_decided`: there are no contested ones.
        """
        sequence = named(settings.sequence)
        decided = () if all_decided else ("__is_decided",)
        return cls(
            per(*settings.key, *decided).orderBy(sequence),
            whole(per(*settings.key, "__is_decided", "__version_group").orderBy(sequence)),
        )

    def previous(self, value: Column) -> Column:
        """The value of the event before; null for a key's first."""
        return _nothing(value) if self.timeline is None else F.lag(value).over(self.timeline)

    def next_known(self, name: str) -> Column:
        """The next value of a column, of the events after, that is not null."""
        if self.timeline is None:
            return _nothing(F.col(name))
        return F.expr(f"lead({name}) IGNORE NULLS").over(self.timeline)

    def sum_so_far(self, value: Column) -> Column:
        """The sum over the events up to this one."""
        return value.cast("bigint") if self.timeline is None else F.sum(value).over(self.timeline)

    def last_of_version(self, value: Column) -> Column:
        """The value of the last event of the version."""
        return value if self.version is None else F.last(value).over(self.version)


def _nothing(value: Column) -> Column:
    """Null, of the value's type."""
    return F.when(F.lit(False), value)
