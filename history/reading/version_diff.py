"""What became of versions between two states of a history, or between two moments of one."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.history_settings import HistorySettings
from history.reading.point_in_time import Moment, holds_at
from history.spark.column_quoting_and_comparison import content, named, quoted, same

APPEARED, CLOSED, CHANGED, VANISHED = "appeared", "closed", "changed", "vanished"


CHANGES = (APPEARED, CLOSED, CHANGED, VANISHED)


CHANGE = "__change"
"""The column that says what became of a version."""


def difference(before: DataFrame, after: DataFrame, settings: HistorySettings) -> DataFrame:
    """What became of the versions between two published states of a history.

    A version is known by its key and its sequence. Rows that are the same in both frames may be
    left out of both.

    Args:
        before: Versions of the earlier state; a column that they lack is null, and a type that was
            widened since is as in the later state.
        after: Versions of the later state.
        settings: How the history is kept.

    Returns:
        One row for each version that differs: the key, the interval and the flag as they are in
        the later state (in the earlier one for a version that is gone), and `__change`:
        'appeared', 'closed' (it was open and is not), 'vanished' (a later load took it back), or
        'changed' (anything else: its end moved, it was opened again, a value was overwritten).
        Time stamps of the loads alone make no difference.
    """
    before, columns = _as_later(before, after), after.columns
    if settings.stamp is not None:
        # Versions from before the table was read as it is now are told apart by their stamps.
        seen = F.coalesce(named(settings.sequence), named(settings.stamp))
        before, after = (each.withColumn(settings.sequence, seen) for each in (before, after))
    identity = (*settings.key, settings.sequence)
    stamps = {settings.recorded_at, settings.changed_at}
    told = [name for name in columns if name not in {*identity, *stamps}]
    matched = _matched(
        _said(before, identity, told, settings), _said(after, identity, told, settings), identity
    )
    was, now = F.col("b.__shown"), F.col("a.__shown")
    change = (
        F.when(was.isNull(), APPEARED)
        .when(now.isNull(), VANISHED)
        .when(was["is_current"] & ~now["is_current"], CLOSED)
        .otherwise(CHANGED)
    )
    differs = ~F.col("b.__content").eqNullSafe(F.col("a.__content"))
    return _told(matched.where(differs), settings, change)


def held_difference(
    versions: DataFrame, settings: HistorySettings, earlier: Moment, later: Moment
) -> DataFrame:
    """What held at one moment against what held at another, in one state of the history.

    Returns:
        One row for each key that differs, shaped as by `difference`: 'appeared' (nothing held at
        the earlier moment), 'vanished' (nothing holds at the later one), or 'changed' (another
        version holds, and it says something else).
    """
    then, now = holds_at(settings, earlier), holds_at(settings, later)
    # A version that held at both moments makes no difference, and most do.
    part = versions.withColumns({"__then": then, "__now": now}).where("__then <> __now")
    columns = [name for name in versions.columns if name not in settings.filled]
    told = [*settings.compared(columns), *settings.overwritten(columns)]
    before = _said(part.where("__then"), settings.key, told, settings)
    after = _said(part.where("__now"), settings.key, told, settings)
    matched = _matched(before, after, settings.key)
    was, is_now = F.col("b.__shown"), F.col("a.__shown")
    change = (
        F.when(was.isNull(), APPEARED).when(is_now.isNull(), VANISHED).otherwise(F.lit(CHANGED))
    )
    differs = ~F.col("b.__content").eqNullSafe(F.col("a.__content"))
    return _told(matched.where(differs), settings, change)


def _as_later(before: DataFrame, after: DataFrame) -> DataFrame:
    had, wanted = before.schema, after.schema
    names = had.fieldNames()
    return before.select(
        *[
            named(field.name)
            if field.name in names and had[field.name].dataType == field.dataType
            else (named(field.name) if field.name in names else F.lit(None))
            .cast(field.dataType)
            .alias(field.name)
            for field in wanted.fields
        ]
    )


def _said(
    frame: DataFrame, identity: Sequence[str], told: Sequence[str], settings: HistorySettings
) -> DataFrame:
    shown = F.struct(
        named(settings.valid_from).alias("valid_from"),
        named(settings.valid_to).alias("valid_to"),
        named(settings.is_current).alias("is_current"),
    )
    said = content(told, frame.schema)
    return frame.select(
        *[named(name) for name in identity], shown.alias("__shown"), said.alias("__content")
    )


def _matched(before: DataFrame, after: DataFrame, identity: Sequence[str]) -> DataFrame:
    return before.alias("b").join(after.alias("a"), same("b", "a", identity), "full_outer")


def _told(matched: DataFrame, settings: HistorySettings, change: Column) -> DataFrame:
    keys = [
        F.coalesce(F.col(f"a.{quoted(name)}"), F.col(f"b.{quoted(name)}")).alias(name)
        for name in settings.key
    ]
    shown = F.coalesce(F.col("a.__shown"), F.col("b.__shown"))
    return matched.select(
        *keys,
        shown["valid_from"].alias(settings.valid_from),
        shown["valid_to"].alias(settings.valid_to),
        shown["is_current"].alias(settings.is_current),
        change.alias(CHANGE),
    )
