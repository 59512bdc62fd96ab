"""Which stored rows a batch concerns, and what it would change: reading, but no writing.

Keys whose new events all lie behind everything known of them need their open version only; the
whole history is read for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.batch import Batch
from history.columns import content, named, numbered, per, quoted, same, whole
from history.events import DELETE
from history.settings import HistorySettings
from history.table import Published, kept_events
from history.timeline import (
    ALONE,
    KEPT,
    MAIN,
    NEW,
    conflicting,
    crowded,
    decided,
    marked,
    planned,
    ranked,
    undisputed,
)

Hold = Callable[[DataFrame], DataFrame]
"""Keeps a frame's rows in memory, so that what is built on it need not build it again."""


def gathered(
    spark: SparkSession,
    events: DataFrame,
    batch: Batch,
    state: Published,
    columns: tuple[str, ...],
    *,
    hold: Hold,
) -> DataFrame:
    """The new events and every stored row they have to be seen with, marked where they are alone.

    Args:
        spark: The session to read with.
        events: Accepted events: event columns and `__op`.
        batch: What is loaded.
        state: The published state to plan against.
        columns: The event columns.
        hold: Keeps what is used more than once.
    """
    settings, schema = batch.settings, events.schema
    new = _marked(
        events.withColumns({"__origin": F.lit(NEW), "__main": _no_main(schema, settings, columns)})
    )
    if state.is_empty:
        return hold(marked(new, settings))
    main = spark.read.option("versionAsOf", str(state.snapshot_id)).table(batch.table)
    keys = _keys_of(events, settings)
    current = _stored(main.where(named(settings.is_current)), settings, columns, schema)
    current = hold(_of_keys(current, keys, settings))
    kept = _kept(spark, batch.table, state, columns, schema)
    kept = None if kept is None else hold(_of_keys(kept, keys, settings))
    new = hold(_with_lateness(new, current, kept, settings, columns))

    parts = [new]
    known, remembered = current, kept
    if new.where(F.col("__late")).limit(1).collect():
        flags = hold(_keys_of(new.where(F.col("__late")), settings))
        every = _of_keys(_stored(main, settings, columns, schema), flags, settings)
        parts.append(_marked(every, late=True))
        known = _anti_keys(current, flags, settings)
        if kept is not None:
            parts.append(_marked(_of_keys(kept, flags, settings), late=True))
            remembered = _anti_keys(kept, flags, settings)
    if not settings.overwritten(columns):
        known = _narrowed(known, settings, columns, schema)
    parts.append(_marked(known))
    if remembered is not None:
        parts.append(_marked(_after_anchor(remembered, current, settings)))
    stacked = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    return hold(marked(stacked, settings))


def instants(events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """The plan of marked events: one row an instant with its actions (`timeline.planned`)."""
    winners = undisputed(events, columns)
    if events.where(~F.col(ALONE)).limit(1).collect():
        contests = ranked(crowded(events), settings, columns)
        winners = winners.unionByName(decided(contests, settings, columns))
    return planned(winners, settings, columns)


def contested(events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """Of marked events, those that have to be refused: nothing decides between them."""
    return conflicting(ranked(crowded(events), settings, columns))


def _keys_of(events: DataFrame, settings: HistorySettings) -> DataFrame:
    return events.select(*[named(name) for name in settings.key]).distinct()


def _main_struct(settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    return F.struct(
        named(settings.valid_from).alias("valid_from"),
        named(settings.valid_to).alias("valid_to"),
        named(settings.is_current).alias("is_current"),
        numbered(settings.overwritten(columns)).alias("rest"),
    )


def _no_main(schema: T.StructType, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    kind = schema[settings.sequence].dataType.simpleString()
    rest = [
        f"r{i}:{schema[n].dataType.simpleString()}"
        for i, n in enumerate(settings.overwritten(columns))
    ] or ["r0:int"]
    dates = f"valid_from:{kind},valid_to:{kind},is_current:boolean"
    return F.lit(None).cast(f"struct<{dates},rest:struct<{','.join(rest)}>>")


def _stored(
    main: DataFrame, settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> DataFrame:
    return main.select(
        *[named(name).cast(schema[name].dataType).alias(name) for name in columns],
        F.lit("upsert").alias("__op"),
        F.lit(MAIN).alias("__origin"),
        _main_struct(settings, columns).alias("__main"),
    )


def _kept(
    spark: SparkSession,
    table: str,
    state: Published,
    columns: tuple[str, ...],
    schema: T.StructType,
) -> DataFrame | None:
    if state.kept_snapshot is None:
        return None
    frame = spark.read.option("versionAsOf", str(state.kept_snapshot)).table(kept_events(table))
    return frame.select(
        *[named(name).cast(schema[name].dataType).alias(name) for name in columns],
        F.col("__op"),
        F.lit(KEPT).alias("__origin"),
    )


def _marked(frame: DataFrame, *, late: bool = False) -> DataFrame:
    return frame.withColumns({"__late": F.lit(late), "__behind": F.lit(False)})


def _of_keys(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    return frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "left_semi")


def _anti_keys(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    return frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "left_anti")


def _narrowed(
    frame: DataFrame, settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> DataFrame:
    """Only what an anchor is asked for; its other values stay where they are, in the table."""
    asked = {*settings.key, settings.sequence, *settings.tie_breaker, *settings.compared(columns)}
    return frame.withColumns(
        {
            name: F.lit(None).cast(schema[name].dataType)
            for name in columns
            if name not in asked and "." not in name
        }
    )


def _latest_known(
    current: DataFrame, kept: DataFrame | None, settings: HistorySettings
) -> DataFrame:
    known = [named(name) for name in settings.key]
    stored = current.select(*known, named(settings.sequence).alias("__last"))
    if kept is not None:
        stored = stored.union(kept.select(*known, named(settings.sequence).alias("__last")))
    return stored.groupBy(*known).agg(F.max("__last").alias("__last"))


def _with_lateness(
    new: DataFrame,
    current: DataFrame,
    kept: DataFrame | None,
    settings: HistorySettings,
    columns: tuple[str, ...],
) -> DataFrame:
    """Sets `__behind` and `__late`, and leaves out exact repeats of known events."""
    schema = new.schema
    told = [settings.sequence, *settings.tie_breaker, *settings.compared(columns)]
    told += [*settings.overwritten(columns)]
    seen = F.struct(F.col("__op"), content(told, schema).alias("said")).alias("__seen")
    keys = [named(name) for name in settings.key]
    known = current.select(*keys, seen)
    if kept is not None:
        # Where an event is kept, its version's row may show a later event's type-1 values.
        instant = same("c", "k", (*settings.key, settings.sequence))
        plain = current.alias("c").join(kept.alias("k"), instant, "left_anti")
        known = plain.select(*keys, seen).union(kept.select(*keys, seen))
    # What is known already adds nothing, and what it was compared with need not be read.
    said = known.select(*keys, F.col("__seen").alias("__known"))
    unknown = (
        new.withColumn("__seen", seen)
        .alias("n")
        .join(
            said.alias("k"),
            same("n", "k", settings.key) & F.col("n.__seen").eqNullSafe(F.col("k.__known")),
            "left_anti",
        )
    )
    latest = _latest_known(current, kept, settings)
    placed = unknown.alias("n").join(latest.alias("l"), same("n", "l", settings.key), "left")
    flagged = placed.select(
        *[F.col(f"n.{quoted(name)}") for name in columns],
        F.col("n.__op"),
        F.col("n.__origin"),
        F.col("n.__main"),
        F.coalesce(
            F.col(f"n.{quoted(settings.sequence)}") <= F.col("l.__last"), F.lit(False)
        ).alias("__behind"),
    )
    return flagged.withColumn("__late", F.max("__behind").over(whole(per(*settings.key))))


def _after_anchor(kept: DataFrame, current: DataFrame, settings: HistorySettings) -> DataFrame:
    """Kept events from the open version on; without one, from the newest delete on."""
    sequence = named(settings.sequence)
    keys = [named(name) for name in settings.key]
    anchor = current.select(*keys, sequence.alias("__from"))
    joined = (
        kept.alias("f")
        .join(anchor.alias("a"), same("f", "a", settings.key), "left")
        .select("f.*", "a.__from")
    )
    newest_delete = F.max(F.when(F.col("__op") == DELETE, sequence)).over(whole(per(*settings.key)))
    begin = F.coalesce(F.col("__from"), newest_delete)
    bounded = joined.withColumn("__begin", begin)
    return bounded.where(F.col("__begin").isNull() | (sequence >= F.col("__begin"))).drop(
        "__from", "__begin"
    )
