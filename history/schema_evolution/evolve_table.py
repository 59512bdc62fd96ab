"""A history table whose columns, types, tracked columns or partitioning change.

Each change is decided before anything is written, and then made in the metadata alone. A load that
breaks off between the change and its rows leaves a table that the next load goes on with.
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
from history.iceberg.current_state import CurrentState
from history.iceberg.history_table import exists, kept_events
from history.iceberg.read_snapshot import read_in_current_columns
from history.iceberg.table_properties import EVENTS, STATE, TableProperties, ordering_columns
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.applied_source_reads import Read
from history.model.history_settings import HistorySettings
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
    """How the table is kept from now on.

    Attributes:
        events: The event columns in the table's types: those of the batch, then dropped ones.
        settings: Those of the load, with what the table knows of learned and dropped columns.
    """

    events: T.StructType
    settings: HistorySettings

    def aligned(self, events: DataFrame) -> DataFrame:
        """Events in the table's types, null in what they no longer bring; other columns stay."""
        have = {field.name: field.dataType for field in events.schema.fields}
        told = {
            field.name: named(field.name) if field.name in have else F.lit(None)
            for field in self.events.fields
            if have.get(field.name) != field.dataType
        }
        cast = {name: told[name].cast(self.events[name].dataType) for name in told}
        return events.withColumns(cast) if cast else events


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as it is: its schema and Strandline's properties."""

    schema: T.StructType
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What a batch changes of a table, without the bounds of the columns it learns.

    Attributes:
        kept: How the table is kept, but for bounds that are yet to be found.
        recorded: What the table says of itself afterwards, without them.
        alteration: What changes of its columns.
        learns: Columns that get a new bound.
        drops: Columns that are dropped from now on.
        repartitioned: Whether the settings name another partitioning than before.
    """

    kept: TableLayout
    recorded: TableProperties
    alteration: ColumnChanges
    learns: tuple[str, ...] = ()
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
    """Bring the table to the events' columns, or refuse; changes no row.

    Args:
        spark: The session to alter with.
        table: The history; it exists and has a snapshot.
        events: The event columns of the batch.
        settings: How the load wants the table kept.
        state: What is published, for the bounds of new columns.
        read: The read that is loaded, if the table is read as it is now.

    Raises:
        SchemaDriftError: A column can't change like that.
        SettingsError: The settings say otherwise than the table what opens a version.
        CommitConflictError: Other writers keep changing the table's columns.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        found = _table_state(spark, table)
        decision = schema_change(table, events, settings, found, read)
        if not _is_due(decision, found):
            break
        try:
            _apply(spark, table, found, decision, state)
        except (PySparkException, Py4JJavaError):
            # Another writer that evolves the table at once may have done the same, or more.
            if attempt == _ATTEMPTS or _table_state(spark, table) == found:
                raise
    else:
        raise CommitConflictError(
            where=table,
            expected="the table's columns to come to rest",
            found="that other writers change them time and again",
            next_step="See which loads write to this table, and with which columns.",
        )
    return decision.kept


def schema_change(
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    found: TableState,
    read: Read | None = None,
) -> SchemaChange:
    """What a batch of these columns changes of a table as it was found; asks and writes nothing.

    Raises:
        SchemaDriftError: A column can't change like that.
        SettingsError: The settings say otherwise than the table what opens a version.
    """
    have = T.StructType([f for f in found.schema.fields if f.name not in settings.filled])
    told = TableProperties.from_properties(
        found.properties, TableProperties.from_settings(settings, have.fieldNames())
    )
    check_columns(table, events, settings, found.schema, told)
    check_tracking(table, events, settings, have, told)
    added = [f for f in events.fields if f.name not in have.fieldNames()]
    dropped = [f for f in have.fields if f.name not in events.fieldNames()]
    marked = {each.column for each in told.learned if each.dropped}
    drops = tuple(f.name for f in dropped if f.name not in marked)
    back = tuple(name for name in events.fieldNames() if name in marked)
    new = {field.name for field in added}
    after = replace(
        told,
        tracked=(
            *(name for name in told.tracked if name not in new),
            *(name for name in settings.tracking(events.fieldNames()) if name in new),
        ),
        carried=(
            *settings.carried,
            *(f.name for f in dropped if f.name in told.carried),
        ),
        order=tuple(dict.fromkeys((*told.order, *ordering_columns(settings)))),
        kind=EVENTS if settings.stamp is None else STATE,
        observed_since=told.observed_since,
    )
    if begins_reads(settings.sequence, settings, have.fieldNames()) and settings.sequence in new:
        # What is there already was seen before this read, by nobody knows which one.
        after = replace(after, observed_since=None if read is None else read.at - _BEFORE_READS)
    unlearned = (*settings.carried, settings.sequence)
    learns = tuple(n for n in (*(f.name for f in added), *back) if n not in unlearned)
    types = [
        T.StructField(f.name, merged_type(f, have), metadata=f.metadata) for f in events.fields
    ]
    whole = T.StructType([*types, *(T.StructField(f.name, f.dataType) for f in dropped)])
    return SchemaChange(
        kept=TableLayout(whole, _settings_of_table(settings, after, whole)),
        recorded=after,
        alteration=_alteration(whole, settings, found.schema, tuple(f.name for f in dropped)),
        learns=learns,
        drops=drops,
        repartitioned=told.partitioning != settings.partitioning,
    )


def settings_of_table(
    spark: SparkSession, table: str, settings: HistorySettings
) -> HistorySettings:
    """The settings with what the table knows of learned and dropped columns, for readers of it."""
    found = _table_state(spark, table)
    have = T.StructType([f for f in found.schema.fields if f.name not in settings.filled])
    told = TableProperties.from_properties(
        found.properties, TableProperties.from_settings(settings, have.fieldNames())
    )
    return _settings_of_table(settings, told, have)


def preview_schema_change(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> SchemaChange:
    """What a load of events with these columns would change of the table; changes nothing.

    For arguments and errors see `evolve`.
    """
    return schema_change(table, events, settings, _table_state(spark, table))


def settings_for_rebuild(
    spark: SparkSession, table: str, settings: HistorySettings, *, everything: bool
) -> tuple[HistorySettings, bool]:
    """The settings of a rebuild as `as_kept` has them, and whether they track other columns.

    Args:
        spark: The session to ask with.
        table: The history.
        settings: How it is to be kept.
        everything: All keys are rebuilt.

    Raises:
        SettingsError: The table has fingerprints of other columns, or keys would be left out that
            other tracked columns concern too.
    """
    found = _table_state(spark, table)
    have = T.StructType([f for f in found.schema.fields if f.name not in settings.filled])
    told = TableProperties.from_properties(
        found.properties, TableProperties.from_settings(settings, have.fieldNames())
    )
    check_rebuild(table, settings, have.fieldNames(), told, everything=everything)
    kept = _settings_of_table(settings, told, have)
    return kept, bool({*told.tracked} ^ {*kept.tracking(have.fieldNames())})


def record_tracked(
    spark: SparkSession, table: str, settings: HistorySettings, columns: tuple[str, ...]
) -> None:
    """Record what the settings track as what the table is made by: it was built anew with them.

    Args:
        spark: The session to alter with.
        table: The history.
        settings: How it was built.
        columns: The event columns.
    """
    before = table_properties.strandline_properties(spark, table)
    told = TableProperties.from_settings(settings, columns)
    learned = TableProperties.from_properties(before, told).learned
    beside = {each.column for each in learned}
    covers = tuple(name for name in told.covered if name not in beside)
    table_properties.write_properties(
        spark, table, before, replace(told, covered=covers, learned=learned)
    )


def _table_state(spark: SparkSession, table: str) -> TableState:
    return TableState(
        spark.table(table).schema, table_properties.strandline_properties(spark, table)
    )


def _is_due(decision: SchemaChange, found: TableState) -> bool:
    changes = decision.learns or decision.drops or decision.repartitioned
    if changes or not decision.alteration.is_empty:
        return True
    told = decision.recorded.properties
    marks = (table_properties.ADDED, table_properties.DROPPED)
    stale = [name for name in found.properties if name.startswith(marks) and name not in told]
    return bool(stale) or not told.items() <= found.properties.items()


def _apply(
    spark: SparkSession, table: str, found: TableState, decision: SchemaChange, state: CurrentState
) -> None:
    """Bounds first: a column that is there without its bound would look known to every event."""
    after = decision.recorded
    if decision.learns or decision.drops:
        after = after.with_evolved_columns(*_bounds(spark, table, decision, state))
    partitioning = after.partitioning
    table_properties.write_properties(spark, table, found.properties, after)
    kept = kept_events(table)
    if not decision.alteration.is_empty and exists(spark, kept):
        alter_table(spark, kept, decision.alteration)
    alter_table(spark, table, decision.alteration)
    if decision.repartitioned:
        wanted = decision.kept.settings.partitioning
        _repartition(spark, table, partitioning, wanted)
        now = table_properties.strandline_properties(spark, table)
        table_properties.write_properties(spark, table, now, replace(after, partitioning=wanted))


def _bounds(
    spark: SparkSession, table: str, decision: SchemaChange, state: CurrentState
) -> tuple[EvolvedColumn, ...]:
    events, sequence = decision.kept.events, decision.kept.settings.sequence
    settings = decision.kept.settings
    known = [read_in_current_columns(spark, table, state.snapshot_id, events, settings)]
    if state.kept_snapshot is not None:
        kept = kept_events(table)
        known.append(read_in_current_columns(spark, kept, state.kept_snapshot, events, settings))
    kind = events[sequence].dataType
    upto, name = greatest_sequence(known, sequence, kind), kind.simpleString()
    return (
        *(EvolvedColumn(column, name, upto) for column in decision.learns),
        *(EvolvedColumn(column, name, upto, dropped=True) for column in decision.drops),
    )


def _settings_of_table(
    settings: HistorySettings, told: TableProperties, events: T.StructType
) -> HistorySettings:
    names = events.fieldNames()
    dropped = [each.column for each in told.learned if each.dropped]
    gone = [name for name in names if name in dropped]
    tracked = settings.tracked
    if tracked is not None:
        tracked = (*tracked, *(n for n in gone if n in told.tracked and n not in tracked))
    carried = (
        *settings.carried,
        *(n for n in gone if n in told.carried and n not in settings.carried),
    )
    learned = tuple(each for each in told.learned if each.column in names)
    return replace(
        settings,
        tracked=tracked,
        carried=carried,
        learned=learned,
        observed_since=told.observed_since,
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

    Terms that somebody else has given the table stay.
    """
    there = partition_spec.of_table(spark, table)
    old, new = ([partition_spec.as_sql(term) for term in terms] for terms in (before, wanted))
    for term in old:
        if term not in new and term in there:
            branches.alter(spark, f"ALTER TABLE {table} DROP PARTITION FIELD {term}")
    for term in new:
        if term not in there:
            branches.alter(spark, f"ALTER TABLE {table} ADD PARTITION FIELD {term}")


def greatest_sequence(frames: list[DataFrame], sequence: str, kind: T.DataType) -> str | None:
    """The greatest sequence in the frames, as exact text that casts back; None: no rows."""
    each = [frame.select(named(sequence).cast(kind).alias("at")) for frame in frames]
    together = reduce(DataFrame.unionByName, each).agg(F.max("at").alias("at"))
    row = together.select(F.col("at").isNull().alias("none"), as_json([F.col("at")]).alias("text"))
    found = row.collect()[0]
    if found.none:
        return None
    # Numbers keep their digits: JSON's own are not turned into floats.
    return str(json.loads(found.text, parse_int=str, parse_float=str, parse_constant=str)["at"])
