"""Which keys of a history are rebuilt: some, those with changes since a moment, or all."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import SettingsError
from history.model.history_settings import HistorySettings
from history.planning.versions_of_batch_keys import StoredVersions
from history.reading.point_in_time import Moment
from history.spark.column_quoting_and_comparison import named


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildScope:
    """Keys of a history; without any argument all of them.

    Attributes:
        keys: A frame with the key columns, as the table stores them, or a condition on the key
            columns.
        since: All keys with an event, a start or an end at or after it, in the sequence's type.
    """

    keys: DataFrame | Column | None = None
    since: Moment | None = None

    def __post_init__(self) -> None:
        if self.keys is not None and self.since is not None:
            raise SettingsError(
                where="the scope of a rebuild",
                expected="keys, or a moment since which keys changed",
                found="both",
                next_step="Leave out one of them.",
            )

    def keys_of(self, stored: StoredVersions, settings: HistorySettings) -> DataFrame | None:
        """The distinct keys that are rebuilt; None: all of them. Nothing is computed yet.

        A condition sees the key columns only, so that it selects whole keys.
        """
        if isinstance(self.keys, Column):
            # With an alias, Spark does not resolve columns of the underlying frame.
            return _keys(stored, settings).alias("keys").where(self.keys)
        if self.keys is not None:
            return self.keys.select(*[named(name) for name in settings.key]).distinct()
        if self.since is not None:
            return _keys(stored, settings, self.since)
        return None


def _keys(
    stored: StoredVersions, settings: HistorySettings, since: Moment | None = None
) -> DataFrame:
    keys = [named(name) for name in settings.key]
    versions, kept = stored.main, stored.kept
    if since is not None:
        at = F.lit(since)
        start, end = F.col("__version")["valid_from"], F.col("__version")["valid_to"]
        if settings.open_end is not None:
            end = F.when(end != F.lit(settings.open_end), end)
        sequence = named(settings.sequence)
        # A null end compares as not later: a version opened long ago does not select its key.
        versions = versions.where((sequence >= at) | (start >= at) | (end >= at))
        kept = None if kept is None else kept.where(sequence >= at)
    selected = versions.select(*keys)
    return (selected if kept is None else selected.unionByName(kept.select(*keys))).distinct()
