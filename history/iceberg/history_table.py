"""The tables of one history: the versions, the kept events beside them, and what was published.

The versions' table holds versions only, so any engine reads it without a filter. Events that show
no version of their own are in `<table>__kept_events`; each state of the versions names the snapshot
of it that belongs to it in its snapshot summary, so publishing one publishes both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from contracts.errors import SchemaDriftError, SettingsError
from history.iceberg.current_snapshot import CurrentState, current_snapshot, current_state
from history.iceberg.java_table import refreshed_table, schema_of_table
from history.iceberg.partition_spec import partition_term
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import quoted

_Answer = TypeVar("_Answer")

_PROPERTIES = {
    "format-version": "3",
    "write.merge.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.delete.mode": "merge-on-read",
    "write.parquet.compression-codec": "zstd",
    "write.distribution-mode": "none",
    # Small row groups: a reader of a sorted file skips those outside of its range of keys.
    "write.parquet.row-group-size-bytes": "16777216",
}


def kept_events(table: str) -> str:
    """The identifier of the kept events' table."""
    return f"{table}__kept_events"


def exists(spark: SparkSession, table: str) -> bool:
    """Whether the catalog has the table."""
    if refreshed_table(spark, table) is not None:
        return True
    try:
        return bool(spark.catalog.tableExists(table))
    except AnalysisException:
        return False


def find_state(spark: SparkSession, table: str) -> CurrentState | None:
    """The table's published state; None: there is no such table, or it has no snapshot yet."""
    return ask_if_exists(spark, table, current_state)


def find_schema(spark: SparkSession, table: str) -> T.StructType | None:
    """The table's columns as Spark has them; None: there is no such table."""
    return ask_if_exists(spark, table, schema_of_table)


def ask_if_exists(
    spark: SparkSession, table: str, ask: Callable[[SparkSession, str], _Answer]
) -> _Answer | None:
    """What `ask` answers of the table; None: there is no such table."""
    try:
        return ask(spark, table)
    except AnalysisException:
        if exists(spark, table):
            raise
        return None


def history_schema(events: T.StructType, settings: HistorySettings) -> T.StructType:
    """The versions' schema for events of the given schema."""
    stored = settings.event_columns(events.fieldNames())
    sequence_type = events[settings.sequence].dataType
    fields = [T.StructField(name, events[name].dataType) for name in stored]
    if settings.surrogate_key is not None:
        fields.insert(0, T.StructField(settings.surrogate_key, T.LongType()))
    fields.append(T.StructField(settings.valid_from, sequence_type))
    fields.append(T.StructField(settings.valid_to, sequence_type))
    fields.append(T.StructField(settings.is_current, T.BooleanType()))
    load_times = [name for name in (settings.recorded_at, settings.changed_at) if name is not None]
    fields.extend(T.StructField(name, T.TimestampType()) for name in load_times)
    return T.StructType(fields)


def ensure_table(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> CurrentState:
    """Create the table if need be, with a first snapshot, and return its state.

    `evolve_table` checks whether the events fit the table.

    Raises:
        SchemaDriftError: The catalog does not show the snapshot.
    """
    state = find_state(spark, table)
    if state is None and not exists(spark, table):
        schema = history_schema(events, settings)
        _create(spark.createDataFrame([], schema), table, settings, settings.partitioning)
        state = current_state(spark, table)
    if state is None:
        _sort(spark, table, settings)
        # A branch needs a snapshot to start from, and two first loads need one to conflict on.
        spark.createDataFrame([], schema_of_table(spark, table)).writeTo(table).append()
        state = current_state(spark, table)
    if state is None:
        raise SchemaDriftError(
            where=table,
            expected="a first snapshot after an empty append",
            found="none",
            next_step="Check that the catalog accepts commits.",
        )
    return state


def ensure_kept(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> int:
    """Create the kept events' table if need be; returns its first snapshot."""
    name = kept_events(table)
    # Columns may be dropped later, so none is required, whatever the first batch has.
    events = T.StructType([T.StructField(f.name, f.dataType) for f in events.fields])
    if not exists(spark, name):
        _create(spark.createDataFrame([], events), name, settings, ())
    current = current_snapshot(spark, name)
    if current is None:
        _sort(spark, name, settings)
        spark.createDataFrame([], events).writeTo(name).append()
        current = current_snapshot(spark, name)
    return current or 0


def check_format(spark: SparkSession, table: str, settings: HistorySettings) -> None:
    """Refuse a table of a newer format than its readers are said to need.

    Iceberg does not bring a table back to an older one.

    Raises:
        SettingsError: The table has a newer format than the settings say.
    """
    wanted = settings.format_version
    if wanted >= int(_PROPERTIES["format-version"]):
        return
    (row,) = spark.sql(f"SHOW TBLPROPERTIES {table} ('format-version')").collect()
    found = int(row.value)
    if found > wanted:
        raise SettingsError(
            where=table,
            expected=f"a table of Iceberg's format {wanted}, as `format_version` says",
            found=f"one of format {found}, which can't be brought back",
            next_step="Take `format_version` out of the settings, or load into a new table.",
        )


def _create(
    empty: DataFrame, table: str, settings: HistorySettings, partitioning: tuple[str, ...]
) -> None:
    writer = empty.writeTo(table).using("iceberg")
    for name, value in {**_PROPERTIES, "format-version": str(settings.format_version)}.items():
        writer = writer.tableProperty(name, value)
    if partitioning:
        first, *others = [partition_term(term) for term in partitioning]
        writer = writer.partitionedBy(first, *others)
    try:
        writer.create()
    except (PySparkException, Py4JJavaError):
        # Of two concurrent first loads, one finds that the other has created the table.
        if not exists(empty.sparkSession, table):
            raise


def _sort(spark: SparkSession, table: str, settings: HistorySettings) -> None:
    """Sort every new file by the key, so that a range of keys is one part of it."""
    keys = ", ".join(quoted(name) for name in settings.key)
    try:
        spark.sql(f"ALTER TABLE {table} WRITE LOCALLY ORDERED BY {keys}")
    except (PySparkException, Py4JJavaError):
        # Another first load was faster, and has set the same order or written already.
        if current_snapshot(spark, table) is None:
            spark.sql(f"ALTER TABLE {table} WRITE LOCALLY ORDERED BY {keys}")
