"""The tables of one history: the versions, the kept events beside them, and what was published.

The versions' table holds versions only, so any engine reads it without a filter. Events that show
no version of their own lie in `<table>__kept_events`; the snapshot of it that belongs to a state
of the versions is written in that state's snapshot summary, so publishing one publishes both.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import SchemaDriftError
from history import branches
from history.columns import named, quoted
from history.partition_terms import partition_term
from history.reads import READ, READS, Read, in_order, quiet_reads, with_quiet
from history.settings import HistorySettings

BATCH_ID = "strandline.batch-id"
DIGEST = "strandline.batch-digest"
WATERMARK = "strandline.watermark"
HIGH_WATER = "strandline.surrogate-high-water"
KEPT_SNAPSHOT = "strandline.kept-snapshot-id"

_PROPERTIES = {
    "format-version": "3",
    "write.merge.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.delete.mode": "merge-on-read",
    "write.parquet.compression-codec": "zstd",
    "write.distribution-mode": "none",
    # Small row groups: of a sorted file only those are read that a range of keys falls into.
    "write.parquet.row-group-size-bytes": "16777216",
}


@dataclass(frozen=True, slots=True)
class Published:
    """The published state of a history table, read from its own snapshots.

    `properties` are the Strandline entries of the newest snapshot that has any; `rows` counts what
    the data files hold, deleted rows included. `reads` are those that are known, by their instants;
    unless `is_whole`, older snapshots have expired that may have known more.
    """

    snapshot_id: int
    rows: int
    properties: Mapping[str, str]
    batches: frozenset[str]
    reads: tuple[Read, ...] = ()
    is_whole: bool = True

    @property
    def high_water(self) -> int:
        """The greatest surrogate key ever drawn."""
        return int(self.properties.get(HIGH_WATER, "0"))

    @property
    def last_read(self) -> Read | None:
        """The latest read of the source; None: there was none."""
        return self.reads[-1] if self.reads else None

    def has_read_after(self, read: Read | None) -> bool:
        """Whether a later read of the source is known than this one."""
        return read is not None and self.last_read is not None and self.last_read.at > read.at

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known yet: no version, and no event that was kept."""
        return self.rows == 0 and self.kept_snapshot is None

    @property
    def kept_snapshot(self) -> int | None:
        """The snapshot of the kept events that belongs to this state; None: none were kept."""
        text = self.properties.get(KEPT_SNAPSHOT, "")
        return int(text) if text else None


def is_ours(name: str) -> bool:
    """Whether an entry of a snapshot summary is Strandline's."""
    return name.startswith("strandline.")


def kept_events(table: str) -> str:
    """The identifier of the kept events' table."""
    return f"{table}__kept_events"


def exists(spark: SparkSession, table: str) -> bool:
    """Whether the catalog has the table."""
    try:
        return bool(spark.catalog.tableExists(table))
    except AnalysisException:
        return False


def current_snapshot(spark: SparkSession, table: str) -> int | None:
    """The snapshot that readers of the table see, asked without a job; None: there is none yet."""
    return _current_of(_told(spark, table))


def published(spark: SparkSession, table: str) -> Published | None:
    """The table's published state; None when it has no snapshot yet."""
    told = _told(spark, table)
    current = _current_of(told)
    if current is None:
        return None
    state = _STATES.get((table, current))
    if state is None:
        state = _read(spark, table, current)
        remember(table, state)
    return replace(state, reads=in_order((*quiet_reads(told.get(READS)), *state.reads)))


def note_quiet(spark: SparkSession, table: str, read: Read) -> None:
    """Remember a read that changed nothing, without a snapshot."""
    known = quiet_reads(_told(spark, table).get(READS))
    text = with_quiet(known, read).replace("'", "\\'")
    branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ('{READS}' = '{text}')")


def _told(spark: SparkSession, table: str) -> dict[str, str]:
    """What the table says of itself, asked without a job."""
    return {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {table}").collect()}


def _current_of(told: Mapping[str, str]) -> int | None:
    text = told.get("current-snapshot-id", "none")
    return None if text == "none" else int(text)


def remember(table: str, state: Published) -> None:
    """Keep a published state, so that the next load in this process need not read it again."""
    with _KEEPING:
        while len(_STATES) >= _MOST_STATES:
            del _STATES[next(iter(_STATES))]
        _STATES[table, state.snapshot_id] = state


_MOST_STATES = 100
_KEEPING = threading.Lock()
_STATES: dict[tuple[str, int], Published] = {}
"""What was read of snapshots before: neither they nor what came before them ever changes."""


def _read(spark: SparkSession, table: str, current: int) -> Published:
    found = spark.sql(f"SELECT snapshot_id, parent_id, summary FROM {table}.snapshots").collect()  # noqa: S608
    snapshots = {row.snapshot_id: row for row in found}
    summaries = []
    ancestor = current
    while ancestor in snapshots:
        summaries.append(dict(snapshots[ancestor].summary or {}))
        ancestor = snapshots[ancestor].parent_id
    reads = [Read.of(summary[READ]) for summary in summaries if READ in summary]
    ours = next((summary for summary in summaries if BATCH_ID in summary), {})
    return Published(
        snapshot_id=current,
        rows=int(summaries[0].get("total-records", 1)),
        properties={name: text for name, text in ours.items() if is_ours(name)},
        batches=frozenset(summary[BATCH_ID] for summary in summaries if BATCH_ID in summary),
        reads=in_order(reads),
        is_whole=ancestor is None,
    )


def read_as_now(
    spark: SparkSession,
    table: str,
    snapshot_id: int,
    events: T.StructType,
    settings: HistorySettings,
) -> DataFrame:
    """A snapshot with the event columns as they are now: it may be older than a column or a type.

    Iceberg reads a snapshot in the columns of its own time.
    """
    frame = spark.read.option("versionAsOf", str(snapshot_id)).table(table)
    had = frame.columns
    nothing = F.lit(None)
    told = [
        (named(field.name) if field.name in had else nothing).cast(field.dataType).alias(field.name)
        for field in events.fields
    ]
    others = [named(name) for name in had if name not in events.fieldNames()]
    frame = frame.select(*told, *others)
    if settings.observed_since is None:
        return frame
    return frame.withColumn(settings.sequence, F.expr(seen_at(settings)))


def seen_at(settings: HistorySettings, of: str = "") -> str:
    """The SQL of a stored row's sequence, for columns of the relation `of`.

    A row from before the table was read as it is now was seen at its stamp. One whose stamp lies
    ahead of that was seen within the second before the first read, in the order of the stamps.
    """
    sequence = f"{of}{quoted(settings.sequence)}"
    if settings.observed_since is None or settings.stamp is None:
        return sequence
    since = int(settings.observed_since.timestamp() * 1_000_000)
    stamp = f"{of}{quoted(settings.stamp)}"
    ahead = f"ln(1 + (unix_micros({stamp}) - {since}) / 1e6)"
    within = f"{since} + 1 + CAST(999998 * (1 - 1 / (1 + {ahead})) AS BIGINT)"
    placed = f"IF({stamp} > timestamp_micros({since}), timestamp_micros({within}), {stamp})"
    return f"coalesce({sequence}, {placed}, timestamp_micros({since}))"


def history_schema(events: T.StructType, settings: HistorySettings) -> T.StructType:
    """The versions' schema for events of the given schema."""
    kept = settings.event_columns(events.fieldNames())
    kind = events[settings.sequence].dataType
    fields = [T.StructField(name, events[name].dataType) for name in kept]
    if settings.surrogate_key is not None:
        fields.insert(0, T.StructField(settings.surrogate_key, T.LongType()))
    fields.append(T.StructField(settings.valid_from, kind))
    fields.append(T.StructField(settings.valid_to, kind))
    fields.append(T.StructField(settings.is_current, T.BooleanType()))
    stamps = [name for name in (settings.recorded_at, settings.changed_at) if name is not None]
    fields.extend(T.StructField(name, T.TimestampType()) for name in stamps)
    return T.StructType(fields)


def ensure_table(
    spark: SparkSession, table: str, events: T.StructType, settings: HistorySettings
) -> Published:
    """Create the table if need be, with a first snapshot, and return its state.

    Whether the events fit the table is a question of `evolution.evolve`.

    Raises:
        SchemaDriftError: The catalog does not show the snapshot.
    """
    if not exists(spark, table):
        wanted = history_schema(events, settings)
        _create(spark.createDataFrame([], wanted), table, settings.partitioning)
    state = published(spark, table)
    if state is None:
        _sort(spark, table, settings)
        # A branch needs a snapshot to start from, and two first loads need one to race for.
        spark.createDataFrame([], spark.table(table).schema).writeTo(table).append()
        state = published(spark, table)
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
    """Create the kept events' table if need be; its first snapshot is returned."""
    name = kept_events(table)
    # Columns may be dropped later, so none is required, whatever the batch that is first.
    events = T.StructType([T.StructField(f.name, f.dataType) for f in events.fields])
    if not exists(spark, name):
        _create(spark.createDataFrame([], events), name, ())
    current = current_snapshot(spark, name)
    if current is None:
        _sort(spark, name, settings)
        spark.createDataFrame([], events).writeTo(name).append()
        current = current_snapshot(spark, name)
    return current or 0


def _create(empty: DataFrame, table: str, partitioning: tuple[str, ...]) -> None:
    writer = empty.writeTo(table).using("iceberg")
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    if partitioning:
        first, *others = [partition_term(term) for term in partitioning]
        writer = writer.partitionedBy(first, *others)
    try:
        writer.create()
    except (PySparkException, Py4JJavaError):
        # Of two first loads at once, one finds that the other has made the table.
        if not exists(empty.sparkSession, table):
            raise


def _sort(spark: SparkSession, table: str, settings: HistorySettings) -> None:
    """Have every file written in the order of the key, so that a range of keys is a part of it."""
    keys = ", ".join(quoted(name) for name in settings.key)
    try:
        spark.sql(f"ALTER TABLE {table} WRITE LOCALLY ORDERED BY {keys}")
    except (PySparkException, Py4JJavaError):
        # Another first load was faster, and has said the same or written already.
        if current_snapshot(spark, table) is None:
            spark.sql(f"ALTER TABLE {table} WRITE LOCALLY ORDERED BY {keys}")
