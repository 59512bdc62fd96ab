"""Values of columns that are unknown in some events of a key's timeline.

Used only where a table has such columns (`history.model.added_and_dropped_columns`); others pay
nothing for them.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.history_settings import HistorySettings
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import comparable, named, numbered


def is_known(each: EvolvedColumn, settings: HistorySettings) -> Column:
    """Whether an event is an upsert in which the column is known."""
    return (F.col("__op") == UPSERT) & ~each.unknown(named(settings.sequence))


def equal_values(left: Column, right: Column, kind: T.DataType) -> Column:
    """Two values of a type are equal; null equals null."""
    return comparable(left, kind).eqNullSafe(comparable(right, kind))


def any_of(conditions: list[Column]) -> Column:
    """Whether one of the conditions holds; null counts as no."""
    return reduce(Column.__or__, [F.coalesce(each, F.lit(False)) for each in conditions])


def mark_agreement(
    events: DataFrame, settings: HistorySettings, columns: tuple[str, ...], rank: WindowSpec
) -> DataFrame:
    """Adds the known values that an instant's strongest events have together (`__known0`, ...).

    `__same` becomes false where an event contradicts another one's known value. An unknown value
    contradicts none.
    """
    for at, each in enumerate(settings.partly_known(columns)):
        kind, has_value = events.schema[each.column].dataType, is_known(each, settings)
        known = F.when(F.col("__tied") & has_value, F.struct(named(each.column).alias("value")))
        events = events.withColumn(f"__known{at}", F.first(known, ignorenulls=True).over(rank))
        agrees = equal_values(named(each.column), F.col(f"__known{at}")["value"], kind)
        events = events.withColumn("__same", F.col("__same") & (~has_value | agrees))
    return events


def merge_known_values(
    settings: HistorySettings, columns: tuple[str, ...], *, contested: Column
) -> tuple[dict[str, Column], Column]:
    """The evolved columns of an instant's winner, filled with the known values of equal events.

    Args:
        settings: How the table is kept.
        columns: The event columns.
        contested: Where no event wins: nothing is filled.

    Returns:
        The filled values by column, and whether any of them was missing in the winner's row.
    """
    values, filled = {}, [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        own, known = named(each.column), F.col(f"__known{at}")
        lacks = own.isNull() & known["value"].isNotNull() & (F.col("__op") == UPSERT) & ~contested
        values[each.column] = F.when(lacks, known["value"]).otherwise(own)
        filled.append(lacks)
    return values, any_of(filled)


def add_last_known_values(
    timeline: DataFrame, settings: HistorySettings, columns: tuple[str, ...], window: WindowSpec
) -> DataFrame:
    """Adds `__prior0`, ...: the last known value of a column before each event.

    A struct of `said` (false: the key was deleted since) and `value`; null where none is known.
    """
    before = window.rowsBetween(Window.unboundedPreceding, -1)
    for at, each in enumerate(settings.partly_known(columns)):
        kind = timeline.schema[each.column].dataType
        value = F.struct(F.lit(True).alias("said"), named(each.column).alias("value"))
        deleted = F.struct(F.lit(False).alias("said"), F.lit(None).cast(kind).alias("value"))
        known = F.when(F.col("__op") == DELETE, deleted).when(is_known(each, settings), value)
        timeline = timeline.withColumn(f"__prior{at}", F.last(known, ignorenulls=True).over(before))
    return timeline


def known_value_changed(
    timeline: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event changes the last known value of a tracked column."""
    compared = settings.compared(columns)
    changed = [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        if each.column in compared:
            kind, prior = timeline.schema[each.column].dataType, F.col(f"__prior{at}")
            differs = prior["said"] & ~equal_values(named(each.column), prior["value"], kind)
            changed.append(is_known(each, settings) & differs)
    return any_of(changed)


def adds_known_value(
    timeline: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event has a value of an evolved column that was not known before it."""
    added = [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        kind, prior = timeline.schema[each.column].dataType, F.col(f"__prior{at}")
        equal = F.coalesce(prior["said"], F.lit(False))
        equal = equal & equal_values(named(each.column), prior["value"], kind)
        added.append(is_known(each, settings) & ~equal)
    return any_of(added)


def current_known_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType, group: WindowSpec
) -> tuple[Column, Column]:
    """The values a version shows of `settings.shown`: as they are (r0, ...), comparable (c0, ...).

    Of an evolved column that is the last known value of its events (`group`), or null.
    """
    names = settings.shown(columns)
    evolved = {each.column: each for each in settings.partly_known(columns)}
    plain = settings.plain(names)
    rest = F.last(numbered(plain)).over(group)
    values = {name: rest[f"r{at}"] for at, name in enumerate(plain)}
    for name, each in evolved.items():
        known = F.when(is_known(each, settings), F.struct(named(name).alias("value")))
        values[name] = F.last(known, ignorenulls=True).over(group)["value"]
    kinds = {name: schema[name].dataType for name in names}
    raw = [values[name].alias(f"r{at}") for at, name in enumerate(names)]
    parts = [comparable(values[name], kinds[name]).alias(f"c{at}") for at, name in enumerate(names)]
    return F.struct(*raw), F.struct(*parts)


def may_be_unknown(settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    """Whether a version may show null in a tracked column because the column is unknown in it."""
    compared, sequence = settings.compared(columns), named(settings.sequence)
    evolved = [each for each in settings.partly_known(columns) if each.column in compared]
    unknown = [each.unknown(sequence) for each in evolved if not each.dropped]
    return any_of([F.lit(False), *unknown])


def repeats_known_values(
    values: Column, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event's known values of the evolved columns equal those in `values` (l0, ...)."""
    agrees = F.lit(True)
    for at, each in enumerate(settings.partly_known(columns)):
        own = F.col("__known_values")[f"l{at}"]
        agrees = agrees & (~is_known(each, settings) | own.eqNullSafe(values[f"l{at}"]))
    return agrees


def known_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> Column:
    """The evolved columns' comparable values, as a struct of l0, l1, ..."""
    evolved = settings.partly_known(columns)
    parts = [
        comparable(named(each.column), schema[each.column].dataType).alias(f"l{at}")
        for at, each in enumerate(evolved)
    ]
    return F.struct(*(parts or [F.lit(0).alias("l0")]))
