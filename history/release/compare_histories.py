"""Blue and green compared: counts, and which columns differ in how many versions.

Versions are matched by key and sequence. Keys to which something happened after the moment up to
which both have read their source are left out and counted: one of the two may not know it yet.
Tokens of random encryption differ each time a value is encrypted, so of those columns only whether
there is a value is compared; the fingerprint tells whether the values differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.current_snapshot import WATERMARK, CurrentState, current_state
from history.model.history_settings import HistorySettings
from history.reading.published_snapshots import read_state
from history.spark.checkpoint import checkpoint, unpersisting
from history.spark.column_quoting_and_comparison import comparable, count_of, named


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFigures:
    """What one of the two tables has: versions, open versions, keys."""

    versions: int
    open: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryComparison:
    """Two histories of one table, compared.

    Attributes:
        blue: What the published one has of the compared keys.
        green: What the other one has of them.
        compared_until: Up to which moment both have read; None: that is not known.
        left_out: Keys that were not compared, since one may know later events of them.
        only_in_blue: Versions without one of their key and sequence in green.
        only_in_green: The other way.
        differing: Versions of both that differ in a column.
        columns: In how many versions each column differs; those that differ in none are not there.
        only_blue_columns: Columns that green does not have.
        only_green_columns: Columns that blue does not have.
        not_compared: Columns of which only whether there is a value is compared.
    """

    blue: SideFigures
    green: SideFigures
    compared_until: datetime | None
    left_out: int
    only_in_blue: int
    only_in_green: int
    differing: int
    columns: Mapping[str, int] = field(default_factory=dict)
    only_blue_columns: tuple[str, ...] = ()
    only_green_columns: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        """Versions that are not equal in both."""
        return self.only_in_blue + self.only_in_green + self.differing


def compare_histories(
    spark: SparkSession,
    blue: str,
    green: str,
    settings: HistorySettings,
    *,
    random: Sequence[str],
    ignored: Sequence[str] = (),
    started: datetime | None = None,
) -> HistoryComparison:
    """Compare two histories of one contract.

    Args:
        spark: The session.
        blue: The published history.
        green: The other one.
        settings: How the published one is kept.
        random: Columns of random tokens.
        ignored: Columns that say how a version was loaded, and not what it is.
        started: From when on both have read by themselves: of a state source, versions since then
            were observed by two reads, and are matched by their order within the key, the newest
            with the newest; None: by their sequence, all.
    """
    states = [current_state(spark, table) for table in (blue, green)]
    frames = [
        spark.table(table).limit(0)
        if state is None
        else read_state(spark, table, state.snapshot_id)
        for table, state in zip((blue, green), states, strict=True)
    ]
    until = _known_to_both(states, settings)
    own = {settings.surrogate_key, settings.recorded_at, settings.changed_at, *ignored}
    at = {*settings.key, settings.sequence}
    names = [name for name in frames[0].columns if name in frames[1].columns and name not in own]
    shown = [name for name in names if name not in at]
    since = started if settings.stamp is not None else None
    with unpersisting():
        later = _keys_with_later_events(frames, settings, until)
        left_out = checkpoint(later, {"keys": F.count(F.lit(1))})
        known = [
            frame.join(F.broadcast(left_out.rows), list(settings.key), "left_anti")
            for frame in frames
        ]
        figures = [_figures(frame, settings) for frame in known]
        schema = frames[0].schema
        sides = [
            _side(frame, alias, shown, settings, random, schema, since)
            for frame, alias in zip(known, ("blue", "green"), strict=True)
        ]
        counted = _counted(sides[0].join(sides[1], _at(settings), "full"), shown)
    columns = {name: counted[f"c{at}"] for at, name in enumerate(shown) if counted[f"c{at}"]}
    both = [{*frame.columns} - own for frame in frames]
    return HistoryComparison(
        blue=figures[0],
        green=figures[1],
        compared_until=until,
        left_out=int(left_out.counts["keys"]),
        only_in_blue=counted["blue"],
        only_in_green=counted["green"],
        differing=counted["differing"],
        columns=columns,
        only_blue_columns=tuple(sorted(name for name in both[0] - both[1] if name)),
        only_green_columns=tuple(sorted(name for name in both[1] - both[0] if name)),
        not_compared=tuple(name for name in shown if name in random),
    )


def _known_to_both(
    states: Sequence[CurrentState | None], settings: HistorySettings
) -> datetime | None:
    """The earlier of the moments up to which each was read."""
    moments = []
    for state in states:
        if state is None:
            return None
        text = state.properties.get(WATERMARK)
        if settings.stamp is not None and state.last_read is not None:
            moments.append(state.last_read.at)
        elif text:
            moments.append(datetime.fromisoformat(text))
        else:
            return None
    return min(moments)


def _keys_with_later_events(
    frames: Sequence[DataFrame], settings: HistorySettings, until: datetime | None
) -> DataFrame:
    keys = [named(name) for name in settings.key]
    nothing = frames[0].select(*keys).limit(0)
    kind = frames[0].schema[settings.valid_from].dataType
    if until is None or not isinstance(kind, T.TimestampType | T.TimestampNTZType):
        return nothing
    moment = F.lit(until).cast(kind)
    later = nothing
    for frame in frames:
        ended = ~named(settings.is_current) & (named(settings.valid_to) > moment)
        begun = named(settings.valid_from) > moment
        if settings.stamp is None:
            begun = begun | (named(settings.sequence) > moment)
        else:
            # Two reads see a row at two moments: only its own stamp makes it a later one.
            begun = begun & (named(settings.valid_from) < named(settings.sequence))
        later = later.unionByName(frame.where(begun | ended).select(*keys))
    return later.distinct()


def _figures(frame: DataFrame, settings: HistorySettings) -> SideFigures:
    key = F.struct(*[named(name) for name in settings.key])
    row = frame.agg(
        F.count(F.lit(1)).alias("versions"),
        count_of(named(settings.is_current)).alias("open"),
        F.count_distinct(key).alias("keys"),
    ).collect()[0]
    return SideFigures(versions=int(row.versions), open=int(row.open), keys=int(row["keys"]))


def _at(settings: HistorySettings) -> list[str]:
    return [f"__k{at}" for at in range(len(settings.key))] + ["__at", "__nth"]


def _side(
    frame: DataFrame,
    alias: str,
    shown: Sequence[str],
    settings: HistorySettings,
    random: Sequence[str],
    schema: T.StructType,
    since: datetime | None,
) -> DataFrame:
    keys = [named(name).alias(f"__k{at}") for at, name in enumerate(settings.key)]
    sequence = named(settings.sequence)
    observed = F.lit(False) if since is None else sequence > F.lit(since)
    per_key = Window.partitionBy(*[named(name) for name in settings.key], observed)
    newest_first = [named(settings.valid_from).desc(), sequence.desc()]
    nth = F.row_number().over(per_key.orderBy(*newest_first))
    values = []
    for position, name in enumerate(shown):
        value: Column = named(name)
        if name in random:
            value = value.isNotNull()
        else:
            value = comparable(value.cast(schema[name].dataType), schema[name].dataType)
        if since is not None and name in (settings.valid_from, settings.valid_to):
            # Of two reads each dates a change by itself where its source does not.
            value = F.when(~observed, value)
        values.append(value.alias(f"v{position}"))
    where = F.when(observed, F.lit(None)).otherwise(sequence)
    return frame.select(
        *keys,
        F.coalesce(where.cast("string"), F.lit("")).alias("__at"),
        F.when(observed, nth).otherwise(0).alias("__nth"),
        F.struct(*values).alias(alias),
    )


def _counted(both: DataFrame, shown: Sequence[str]) -> dict[str, int]:
    blue, green = F.col("blue"), F.col("green")
    in_both = blue.isNotNull() & green.isNotNull()
    differs = [in_both & ~blue[f"v{at}"].eqNullSafe(green[f"v{at}"]) for at in range(len(shown))]
    any_differs = F.lit(False)
    for each in differs:
        any_differs = any_differs | each
    row = both.agg(
        count_of(green.isNull()).alias("blue"),
        count_of(blue.isNull()).alias("green"),
        count_of(any_differs).alias("differing"),
        *[count_of(each).alias(f"c{at}") for at, each in enumerate(differs)],
    ).collect()[0]
    return {name: int(count) for name, count in row.asDict().items()}
