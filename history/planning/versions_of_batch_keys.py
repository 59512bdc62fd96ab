"""Which stored rows a batch is planned with: open versions and kept events of the batch's keys."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.current_snapshot import CurrentState
from history.iceberg.deletion_vectors import FILE, POSITION
from history.iceberg.history_table import kept_events
from history.iceberg.read_snapshot import read_in_current_columns
from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.planning.event_validation import UPSERT
from history.planning.scd2_versions import (
    KEPT,
    MAIN,
)
from history.spark.column_quoting_and_comparison import (
    content,
    named,
    numbered,
    quoted,
    same,
)
from history.spark.session_kind import over_connect

BROADCAST_LIMIT = 1_000_000
"""Keys up to this number are broadcast; more are shuffled with the table."""


@dataclass(frozen=True, slots=True)
class StoredVersions:
    """The published tables of a history, as frames that a plan is made of.

    Attributes:
        main: The versions.
        current: The open ones of them.
        kept: The kept events; None: there are none.
        extra: Columns of the versions beside those of events and intervals.
    """

    main: DataFrame
    current: DataFrame
    kept: DataFrame | None
    extra: tuple[str, ...]


def stored_versions(
    spark: SparkSession,
    batch: Batch,
    state: CurrentState,
    columns: tuple[str, ...],
    schema: T.StructType,
) -> StoredVersions:
    """The published tables in the columns a plan is made of; nothing is read yet.

    Args:
        spark: The session to read with.
        batch: What is loaded.
        state: The published state to plan against.
        columns: The event columns.
        schema: Their types.

    Returns:
        Versions with the event columns, `__op`, `__origin` and `__version`: `valid_from`,
        `valid_to`, `is_current`, `rest` (the values of `settings.shown`, comparable), `other`
        (`StoredVersions.extra`, named r0, r1, ...), and where the row lies, for
        `history.iceberg.deletion_vectors`. Kept events likewise, without `__version`.
    """
    settings = batch.settings
    main = read_in_current_columns(spark, batch.table, state.snapshot_id, schema, settings)
    extra = tuple(name for name in main.columns if name not in {*columns, *settings.interval})
    kind = schema[settings.sequence].dataType
    version = F.struct(
        named(settings.valid_from).cast(kind).alias("valid_from"),
        named(settings.valid_to).cast(kind).alias("valid_to"),
        named(settings.is_current).alias("is_current"),
        content(settings.shown(columns), schema).alias("rest"),
        numbered(extra).alias("other"),
        *_place(spark),
    )
    events = [named(name) for name in columns]
    origin, operation = F.lit(MAIN).alias("__origin"), F.lit(UPSERT).alias("__op")
    shape = (*events, operation, version.alias("__version"), origin)
    versions = main.select(*shape)
    current = main.where(named(settings.is_current)).select(*shape)
    kept = None
    if state.kept_snapshot is not None:
        table = kept_events(batch.table)
        kept = read_in_current_columns(spark, table, state.kept_snapshot, schema, settings)
        kept = kept.select(*events, F.col("__op")).withColumn("__origin", F.lit(KEPT))
    return StoredVersions(versions, current, kept, extra)


def _place(spark: SparkSession) -> tuple[Column, ...]:
    """Where a stored row lies; nothing where only a JVM could make use of it."""
    if over_connect(spark):
        return ()
    return F.col("_file").alias(FILE), F.col("_pos").alias(POSITION)


def broadcast_if_small(keys: DataFrame, count: int) -> DataFrame:
    """The keys, broadcast unless there are too many."""
    return F.broadcast(keys) if count <= BROADCAST_LIMIT else keys


def batch_keys(events: DataFrame, settings: HistorySettings) -> DataFrame:
    """The keys of a batch, each with its `__first` instant and whether events share any."""
    sequence = named(settings.sequence)
    shared = F.count("*") > F.size(F.collect_set(sequence))
    return events.groupBy(*[named(name) for name in settings.key]).agg(
        F.min(sequence).alias("__first"), shared.alias("__shares_instant")
    )


def rows_of_keys(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    """The rows whose key is one of the keys."""
    return frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "left_semi")


def stored_rows_of_batch(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    """Stored rows of the keys; `__not_before_batch`: some event of the batch is not newer."""
    both = frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "inner")
    not_before = F.col(f"f.{quoted(settings.sequence)}") >= F.col("k.__first")
    if settings.stamp is not None and "__version" in frame.columns:
        not_before = not_before | (F.col("f.__version")["valid_from"] >= F.col("k.__first"))
    return both.select("f.*", not_before.alias("__not_before_batch"))
