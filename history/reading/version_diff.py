"""How versions differ between two states of a history, or between two moments of one state."""

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
"""The column with the kind of change of a version."""


def difference(before: DataFrame, after: DataFrame, settings: HistorySettings) -> DataFrame:
    """How the versions differ between two published states of a history.

    Key and sequence identify a version. Rows that are the same in both frames may be left out of
    both.

    Args:
        before: Versions of the earlier state; a column that they lack becomes null, and a type that
            was widened since becomes that of the later state.
        after: Versions of the later state.
        settings: How the history is kept.

    Returns:
        One row for each version that differs: the key, the interval and the flag as they are in
        the later state (in the earlier one for a version that vanished), and `__change`:
        'appeared', 'closed' (it was open and is not), 'vanished' (a later load removed it), or
        'changed' (anything else: its end moved, it was opened again, a value was overwritten).
        Changes of the load time columns alone are ignored.
    """
    before, columns = _in_later_columns(before, after), after.columns
    if settings.stamp is not None:
        # Versions from before the first read of a state source are identified by their stamps.
        sequence = F.coalesce(named(settings.sequence), named(settings.stamp))
        before, after = (each.withColumn(settings.sequence, sequence) for each in (before, after))
    identity = (*settings.key, settings.sequence)
    load_times = {settings.recorded_at, settings.changed_at}
    compared = [name for name in columns if name not in {*identity, *load_times}]
    matched = _joined(
        _with_content(before, identity, compared, settings),
        _with_content(after, identity, compared, settings),
        identity,
    )
    earlier, later = F.col("b.__shown"), F.col("a.__shown")
    change = (
        F.when(earlier.isNull(), APPEARED)
        .when(later.isNull(), VANISHED)
        .when(earlier["is_current"] & ~later["is_current"], CLOSED)
        .otherwise(CHANGED)
    )
    differs = ~F.col("b.__content").eqNullSafe(F.col("a.__content"))
    return _report(matched.where(differs), settings, change)


def held_difference(
    versions: DataFrame, settings: HistorySettings, earlier: Moment, later: Moment
) -> DataFrame:
    """How the valid versions differ between two moments, in one state of the history.

    Returns:
        One row for each key that differs, in the columns of `difference`: 'appeared' (no version
        was valid at the earlier moment), 'vanished' (none is at the later one), or 'changed'
        (another version is valid, and its content differs).
    """
    at_earlier, at_later = holds_at(settings, earlier), holds_at(settings, later)
    # Most versions are valid at both moments, and those make no difference.
    candidates = versions.withColumns({"__then": at_earlier, "__now": at_later}).where(
        "__then <> __now"
    )
    columns = [name for name in versions.columns if name not in settings.filled]
    compared = [*settings.compared(columns), *settings.overwritten(columns)]
    before = _with_content(candidates.where("__then"), settings.key, compared, settings)
    after = _with_content(candidates.where("__now"), settings.key, compared, settings)
    matched = _joined(before, after, settings.key)
    shown_before, shown_after = F.col("b.__shown"), F.col("a.__shown")
    change = (
        F.when(shown_before.isNull(), APPEARED)
        .when(shown_after.isNull(), VANISHED)
        .otherwise(F.lit(CHANGED))
    )
    differs = ~F.col("b.__content").eqNullSafe(F.col("a.__content"))
    return _report(matched.where(differs), settings, change)


def _in_later_columns(before: DataFrame, after: DataFrame) -> DataFrame:
    stored, wanted = before.schema, after.schema
    names = stored.fieldNames()
    return before.select(
        *[
            named(field.name)
            if field.name in names and stored[field.name].dataType == field.dataType
            else (named(field.name) if field.name in names else F.lit(None))
            .cast(field.dataType)
            .alias(field.name)
            for field in wanted.fields
        ]
    )


def _with_content(
    frame: DataFrame, identity: Sequence[str], columns: Sequence[str], settings: HistorySettings
) -> DataFrame:
    shown = F.struct(
        named(settings.valid_from).alias("valid_from"),
        named(settings.valid_to).alias("valid_to"),
        named(settings.is_current).alias("is_current"),
    )
    values = content(columns, frame.schema)
    return frame.select(
        *[named(name) for name in identity], shown.alias("__shown"), values.alias("__content")
    )


def _joined(before: DataFrame, after: DataFrame, identity: Sequence[str]) -> DataFrame:
    return before.alias("b").join(after.alias("a"), same("b", "a", identity), "full_outer")


def _report(matched: DataFrame, settings: HistorySettings, change: Column) -> DataFrame:
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
