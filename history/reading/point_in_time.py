"""Reading a history: the open versions, and those that were valid at a moment.

Intervals are half-open: a version is valid from its start (included) to its end (excluded); an open
version has no end, whether that is stored as null or as a far day.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named

Moment = datetime | date | int | float | Decimal
"""A value of the sequence's type: a point on the timeline of a key's versions."""


def current(frame: DataFrame, settings: HistorySettings) -> DataFrame:
    """The open versions: at most one per key."""
    return frame.where(named(settings.is_current))


def as_of(frame: DataFrame, settings: HistorySettings, moment: Moment) -> DataFrame:
    """The versions that were valid at the moment: at most one per key."""
    return frame.where(holds_at(settings, moment))


def holds_at(settings: HistorySettings, moment: Moment) -> Column:
    """Whether a version was valid at the moment."""
    at = F.lit(moment)
    is_open = named(settings.is_current)
    return (named(settings.valid_from) <= at) & (is_open | (at < named(settings.valid_to)))
