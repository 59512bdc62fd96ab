"""A history table whose columns, types, tracked columns or partitioning change.

Each change is decided before anything is written, and then made in the metadata alone. A load that
breaks off between the change and its rows leaves a table that the next load can use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import CommitConflictError
from history.iceberg import branches, partition_spec, table_properties
from history.iceberg.current_snapshot import CurrentState
from history.iceberg.history_table import exists, kept_events
from history.iceberg.java_table import schema_of_table
from history.iceberg.read_snapshot import read_in_current_columns
from history.iceberg.table_properties import EVENTS, STATE, TableProperties, ordering_columns
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import Read
from history.schema_evolution.alter_table_statements import ColumnChanges, alter_table
from history.schema_evolution.schema_compatibility import (
    begins_reads,
    check_columns,
    check_rebuild,
    check_tracking,
    merged_type,
)
from history.spark.column_quoting_and_comparison import as_json, named

_ATTEMPTS = 10
_BEFORE_READS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How the table is kept once it is evolved.

    Attributes:
        events: The event columns in the table's types: those of the batch, then dropped ones.
        settings: Those of the load, with the table's records of added and dropped columns.
    """

    events: T.StructType
    settings: HistorySettings

    def aligned(self, events: DataFrame) -> DataFrame:
        """Events in the table's types, null in columns that they lack; other columns stay."""
        types = {field.name: field.dataType for field in events.schema.fields}
        columns = {
            field.name: named(field.name) if field.name in types else F.lit(None)
            for field in self.events.fields
            if types.get(field.name) != field.dataType
        }
        cast = {name: columns[name].cast(self.events[name].dataType) for name in columns}
        return events.withColumns(cast) if cast else events


@dataclass(frozen=True, slots=True)
class TableState:
    """A table's schema and its Strandline properties."""

    schema: T.StructType
    properties: Mapping[str, str]

    def recorded(self, settings: HistorySettings) -> tuple[T.StructType, TableProperties]:
        """Its columns but those that a load fills, and how it is kept by what it records.

        The settings fill in for what it does not record.
        """
        columns = T.StructType([f for f in self.schema.fields if f.name not in settings.filled])
        by_settings = TableProperties.from_settings(settings, columns.fieldNames())
        return columns, TableProperties.from_properties(self.properties, by_settings)


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What a batch changes of a table, without the bounds of evolved columns.

    Attributes:
        layout: How the table is kept, without bounds that are not computed yet.
        recorded: The table's properties after the change, without those bounds.
        alteration: The changes of its columns.
        adds: Columns that are new or come back, and get a new bound.
        drops: Columns that are dropped from now on.
        repartitioned: Whether the settings name another partitioning than before.
    """

    layout: TableLayout
    recorded: TableProperties
    alteration: ColumnChanges
    adds: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    repartitioned: bool = False


def evolve_table(
    spark: SparkSession,
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    state: CurrentState,
    read: Read | None = None,
) -> TableLayout:
    """Alter the table to the events' columns, or refuse; changes no row.

    Args:
        spark: The session to alter with.
        table: The history; it exists and has a snapshot.
        events: The event columns of the batch.
        settings: How the load wants the table kept.
        state: The published state, for the bounds of new columns.
        read: The read that is loaded, if the source is a state source.

    Raises:
        SchemaDriftError: A column can't change like that.
        SettingsError: The settings track other columns than the table, or another fingerprint.
        CommitConflictError: Other writers keep changing the table's columns.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        current = _table_state(spark, table)
        change = schema_change(table, events, settings, current, read)
        if not _is_due(change, current):
            break
        try:
            _apply(spark, table, current, change, state)
        except (PySparkException, Py4JJavaError):
            # Another writer may have made the same change at the same time, or more.
            if attempt == _ATTEMPTS or _table_state(spark, table) == current:
                raise
    else:
        raise CommitConflictError(
            where=table,
            expected="the table's columns to come to rest",
            found="that other writers change them time and again",
            next_step="See which loads write to this table, and with which columns.",
        )
    return change.layout


def schema_change(
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    current: TableState,
    read: Read | None = None,
) -> SchemaChange:
    """What a batch of these columns changes of a table in this state; reads and writes nothing.

    Raises:
        SchemaDriftError: A column can't change like that.
        SettingsError: The settings track other columns than the table, or another fingerprint.
    """
    have, recorded = current.recorded(settings)
    check_columns(table, events, settings, current.schema, recorded)
    check_tracking(table, events, settings, have, recorded)
    added = [f for f in events.fields if f.name not in have.fieldNames()]
    dropped = [f for f in have.fields if f.name not in events.fieldNames()]
    recorded_drops = {each.column for each in recorded.evolved if each.dropped}
    drops = tuple(f.name for f in dropped if f.name not in recorded_drops)
    restored = tuple(name for name in events.fieldNames() if name in recorded_drops)
    new = {field.name for field in added}
    after = replace(
        recorded,
        tracked=(
            *(name for name in recorded.tracked if name not in new),
            *(name for name in settings.tracking(events.fieldNames()) if name in new),
        ),
        carried=(
            *settings.carried,
            *(f.name for f in dropped if f.name in recorded.carried),
        ),
        order=tuple(dict.fromkeys((*recorded.order, *ordering_columns(settings)))),
        kind=EVENTS if settings.stamp is None else STATE,
        observed_since=recorded.observed_since,
    )
    if begins_reads(settings.sequence, settings, have.fieldNames()) and settings.sequence in new:
        # The stored rows were observed before this read; it is not recorded by which one.
        after = replace(after, observed_since=None if read is None else read.at - _BEFORE_READS)
    unbounded = (*settings.carried, settings.sequence)
    adds = tuple(n for n in (*(f.name for f in added), *restored) if n not in unbounded)
    types = [
        T.StructField(f.name, merged_type(f, have), metadata=f.metadata) for f in events.fields
    ]
    merged = T.StructType([*types, *(T.StructField(f.name, f.dataType) for f in dropped)])
    return SchemaChange(
        layout=TableLayout(merged, _settings_of_table(settings, after, merged)),
        recorded=after,
        alteration=_alteration(merged, settings, current.schema, tuple(f.name for f in dropped)),
        adds=adds,
        drops=drops,
        repartitioned=recorded.partitioning != settings.partitioning,
    )


def settings_of_table(
    spark: SparkSession, table: str, settings: HistorySettings
) -> HistorySettings:
    """The settings with the table's records of added and dropped columns, for readers of it."""
    current = _table_state(spark, table)
    have, recorded = current.recorded(settings)
    return _settings_of_table(settings, recorded, have)


def preview_schema_change(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> SchemaChange:
    """What a load of events with these columns would change of the table; changes nothing.

    For arguments and errors see `evolve_table`.
    """
    return schema_change(table, events, settings, _table_state(spark, table))


def settings_for_rebuild(
    spark: SparkSession, table: str, settings: HistorySettings, *, everything: bool
) -> tuple[HistorySettings, bool]:
    """The settings of a rebuild, as from `settings_of_table`, and whether they track other columns.

    Args:
        spark: The session to read with.
        table: The history.
        settings: How it is to be kept.
        everything: All keys are rebuilt.

    Raises:
        SettingsError: The table has fingerprints of other columns, or other columns are tracked
            and not all keys are rebuilt.
    """
    current = _table_state(spark, table)
    have, recorded = current.recorded(settings)
    check_rebuild(table, settings, have.fieldNames(), recorded, everything=everything)
    merged = _settings_of_table(settings, recorded, have)
    return merged, bool({*recorded.tracked} ^ {*merged.tracking(have.fieldNames())})


def record_tracked(
    spark: SparkSession, table: str, settings: HistorySettings, columns: tuple[str, ...]
) -> None:
    """Record the tracked columns of the settings in a table that was rebuilt with them.

    Args:
        spark: The session to alter with.
        table: The history.
        settings: Those it was rebuilt with.
        columns: The event columns.
    """
    before = table_properties.strandline_properties(spark, table)
    recorded = TableProperties.from_settings(settings, columns)
    evolved = TableProperties.from_properties(before, recorded).evolved
    evolved_names = {each.column for each in evolved}
    covered = tuple(name for name in recorded.covered if name not in evolved_names)
    table_properties.write_properties(
        spark, table, before, replace(recorded, covered=covered, evolved=evolved)
    )


def _table_state(spark: SparkSession, table: str) -> TableState:
    return TableState(
        schema_of_table(spark, table), table_properties.strandline_properties(spark, table)
    )


def _is_due(change: SchemaChange, current: TableState) -> bool:
    has_changes = change.adds or change.drops or change.repartitioned
    if has_changes or not change.alteration.is_empty:
        return True
    recorded = change.recorded.properties
    prefixes = (table_properties.ADDED, table_properties.DROPPED)
    stored = [name for name in current.properties if name.startswith(prefixes)]
    is_stale = any(name not in recorded for name in stored)
    return is_stale or not recorded.items() <= current.properties.items()


def _apply(
    spark: SparkSession, table: str, current: TableState, change: SchemaChange, state: CurrentState
) -> None:
    """Make a change: bounds first, since without one a column counts as known to every event."""
    after = change.recorded
    if change.adds or change.drops:
        after = after.with_evolved_columns(*_bounds(spark, table, change, state))
    partitioning = after.partitioning
    table_properties.write_properties(spark, table, current.properties, after)
    kept = kept_events(table)
    if not change.alteration.is_empty and exists(spark, kept):
        alter_table(spark, kept, change.alteration)
    alter_table(spark, table, change.alteration)
    if change.repartitioned:
        wanted = change.layout.settings.partitioning
        _repartition(spark, table, partitioning, wanted)
        now = table_properties.strandline_properties(spark, table)
        table_properties.write_properties(spark, table, now, replace(after, partitioning=wanted))


def _bounds(
    spark: SparkSession, table: str, change: SchemaChange, state: CurrentState
) -> tuple[EvolvedColumn, ...]:
    events, sequence = change.layout.events, change.layout.settings.sequence
    settings = change.layout.settings
    frames = [read_in_current_columns(spark, table, state.snapshot_id, events, settings)]
    if state.kept_snapshot is not None:
        kept = kept_events(table)
        frames.append(read_in_current_columns(spark, kept, state.kept_snapshot, events, settings))
    sequence_type = events[sequence].dataType
    bound = greatest_sequence(frames, sequence, sequence_type)
    type_name = sequence_type.simpleString()
    return (
        *(EvolvedColumn(column, type_name, bound) for column in change.adds),
        *(EvolvedColumn(column, type_name, bound, dropped=True) for column in change.drops),
    )


def _settings_of_table(
    settings: HistorySettings, recorded: TableProperties, events: T.StructType
) -> HistorySettings:
    names = events.fieldNames()
    recorded_drops = [each.column for each in recorded.evolved if each.dropped]
    dropped = [name for name in names if name in recorded_drops]
    tracked = settings.tracked
    if tracked is not None:
        tracked = (*tracked, *(n for n in dropped if n in recorded.tracked and n not in tracked))
    carried = (
        *settings.carried,
        *(n for n in dropped if n in recorded.carried and n not in settings.carried),
    )
    evolved = tuple(each for each in recorded.evolved if each.column in names)
    return replace(
        settings,
        tracked=tracked,
        carried=carried,
        evolved=evolved,
        observed_since=recorded.observed_since,
    )


def _alteration(
    events: T.StructType,
    settings: HistorySettings,
    schema: T.StructType,
    dropped: tuple[str, ...],
) -> ColumnChanges:
    kind = events[settings.sequence].dataType
    dates = [T.StructField(name, kind) for name in (settings.valid_from, settings.valid_to)]
    required = {field.name for field in schema.fields if not field.nullable}
    return ColumnChanges.between(
        schema, T.StructType([*events.fields, *dates]), tuple(n for n in dropped if n in required)
    )


def _repartition(
    spark: SparkSession, table: str, before: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    """Drop the terms that the settings named before, and add those they name now.

    Terms that others have added to the table stay.
    """
    existing = partition_spec.of_table(spark, table)
    old, new = ([partition_spec.as_sql(term) for term in terms] for terms in (before, wanted))
    for term in old:
        if term not in new and term in existing:
            branches.alter(spark, f"ALTER TABLE {table} DROP PARTITION FIELD {term}")
    for term in new:
        if term not in existing:
            branches.alter(spark, f"ALTER TABLE {table} ADD PARTITION FIELD {term}")


def greatest_sequence(frames: list[DataFrame], sequence: str, kind: T.DataType) -> str | None:
    """The greatest sequence in the frames, as exact text that casts back; None: no rows."""
    sequences = [frame.select(named(sequence).cast(kind).alias("at")) for frame in frames]
    greatest = reduce(DataFrame.unionByName, sequences).agg(F.max("at").alias("at"))
    row = greatest.select(F.col("at").isNull().alias("none"), as_json([F.col("at")]).alias("text"))
    result = row.collect()[0]
    if result.none:
        return None
    # Numbers are parsed as text, so that they keep all their digits.
    return str(json.loads(result.text, parse_int=str, parse_float=str, parse_constant=str)["at"])
