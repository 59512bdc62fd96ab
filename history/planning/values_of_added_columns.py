"""What events say of columns that some of them do not know, on the line of a key.

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
    """Whether an event is an upsert that knows the column."""
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
    """Events of an instant with what the strongest of them know together (`__known0`, ...).

    `__same` no longer holds of an event that contradicts what another one knows. One that does not
    know a column contradicts nobody.
    """
    for at, each in enumerate(settings.partly_known(columns)):
        kind, knowing = events.schema[each.column].dataType, is_known(each, settings)
        known = F.when(F.col("__tied") & knowing, F.struct(named(each.column).alias("value")))
        events = events.withColumn(f"__known{at}", F.first(known, ignorenulls=True).over(rank))
        agrees = equal_values(named(each.column), F.col(f"__known{at}")["value"], kind)
        events = events.withColumn("__same", F.col("__same") & (~knowing | agrees))
    return events


def merge_known_values(
    settings: HistorySettings, columns: tuple[str, ...], *, unless: Column
) -> tuple[dict[str, Column], Column]:
    """The learned columns of an instant's winner, filled with what its equals know.

    Args:
        settings: How the table is kept.
        columns: The event columns.
        unless: Where nobody wins.

    Returns:
        The filled values by column, and whether the winner's row did not have them itself.
    """
    values, filled = {}, [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        own, known = named(each.column), F.col(f"__known{at}")
        lacks = own.isNull() & known["value"].isNotNull() & (F.col("__op") == UPSERT) & ~unless
        values[each.column] = F.when(lacks, known["value"]).otherwise(own)
        filled.append(lacks)
    return values, any_of(filled)


def add_last_known_values(
    line: DataFrame, settings: HistorySettings, columns: tuple[str, ...], window: WindowSpec
) -> DataFrame:
    """Adds `__prior0`, ...: what the last event that knew a column said of it.

    A struct of `said` (false: the key was deleted since) and `value`; null where nothing is known.
    """
    before = window.rowsBetween(Window.unboundedPreceding, -1)
    for at, each in enumerate(settings.partly_known(columns)):
        kind = line.schema[each.column].dataType
        told = F.struct(F.lit(True).alias("said"), named(each.column).alias("value"))
        gone = F.struct(F.lit(False).alias("said"), F.lit(None).cast(kind).alias("value"))
        known = F.when(F.col("__op") == DELETE, gone).when(is_known(each, settings), told)
        line = line.withColumn(f"__prior{at}", F.last(known, ignorenulls=True).over(before))
    return line


def known_value_changed(
    line: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event knows a tracked column otherwise than it was last known."""
    compared = settings.compared(columns)
    found = [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        if each.column in compared:
            kind, prior = line.schema[each.column].dataType, F.col(f"__prior{at}")
            other = prior["said"] & ~equal_values(named(each.column), prior["value"], kind)
            found.append(is_known(each, settings) & other)
    return any_of(found)


def adds_known_value(
    line: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event says of a learned column what was not known before it."""
    found = [F.lit(False)]
    for at, each in enumerate(settings.partly_known(columns)):
        kind, prior = line.schema[each.column].dataType, F.col(f"__prior{at}")
        known = F.coalesce(prior["said"], F.lit(False))
        known = known & equal_values(named(each.column), prior["value"], kind)
        found.append(is_known(each, settings) & ~known)
    return any_of(found)


def current_known_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType, stretch: WindowSpec
) -> tuple[Column, Column]:
    """What a version shows of `settings.shown`: as it is (r0, ...), and comparable (c0, ...).

    Of a learned column that is what the last event of its stretch that knows it says, or null.
    """
    names = settings.shown(columns)
    learned = {each.column: each for each in settings.partly_known(columns)}
    plain = settings.plain(names)
    rest = F.last(numbered(plain)).over(stretch)
    values = {name: rest[f"r{at}"] for at, name in enumerate(plain)}
    for name, each in learned.items():
        known = F.when(is_known(each, settings), F.struct(named(name).alias("value")))
        values[name] = F.last(known, ignorenulls=True).over(stretch)["value"]
    kinds = {name: schema[name].dataType for name in names}
    raw = F.struct(*[values[name].alias(f"r{at}") for at, name in enumerate(names)])
    said = [comparable(values[name], kinds[name]).alias(f"c{at}") for at, name in enumerate(names)]
    return raw, F.struct(*said)


def may_be_unknown(settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    """Whether a version may show null in a tracked column because it does not know it."""
    compared, sequence = settings.compared(columns), named(settings.sequence)
    learned = [each for each in settings.partly_known(columns) if each.column in compared]
    told = [each.unknown(sequence) for each in learned if not each.dropped]
    return any_of([F.lit(False), *told])


def repeats_known_values(
    told: Column, settings: HistorySettings, columns: tuple[str, ...]
) -> Column:
    """Whether an event says nothing of the learned columns that `told` (l0, ...) does not."""
    agrees = F.lit(True)
    for at, each in enumerate(settings.partly_known(columns)):
        own = F.col("__known_values")[f"l{at}"]
        agrees = agrees & (~is_known(each, settings) | own.eqNullSafe(told[f"l{at}"]))
    return agrees


def known_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> Column:
    """The learned columns' comparable values, as a struct of l0, l1, ..."""
    learned = settings.partly_known(columns)
    parts = [
        comparable(named(each.column), schema[each.column].dataType).alias(f"l{at}")
        for at, each in enumerate(learned)
    ]
    return F.struct(*(parts or [F.lit(0).alias("l0")]))
