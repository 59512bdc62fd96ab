"""What readers of a history see now: its newest snapshot, batch, watermark, reads, counters."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from history.iceberg import branches
from history.iceberg.table_metadata import current_and_properties, table_metadata
from history.model.recorded_source_reads import (
    READ,
    READS,
    Read,
    sorted_reads,
    unchanged_reads,
    unchanged_reads_property,
)

BATCH_ID = "strandline.batch-id"
"""The batch that the snapshot published."""


WATERMARK = "strandline.watermark"
"""How far the source was read."""


HIGH_WATER = "strandline.surrogate-high-water"
"""The greatest surrogate key that was ever given."""


KEPT_SNAPSHOT = "strandline.kept-snapshot-id"
"""The snapshot of the kept events that belongs to this one."""


UNDONE = "strandline.undone"
"""The entry that names the batch whose events a batch took back."""


UNDONE_READ = "strandline.undone-read"
"""The instant of that batch's read, which the table does not know of any more."""


@dataclass(frozen=True, slots=True)
class CurrentState:
    """The published state of a history table, read from its own snapshots.

    `properties` are the Strandline entries of the newest snapshot that has any; `rows` counts the
    rows in the data files, deleted rows included. `reads` are the recorded ones, by their instants,
    without those of the batches that were `undone`; unless `is_whole`, older snapshots have expired
    that may have recorded more.
    """

    snapshot_id: int
    rows: int
    properties: Mapping[str, str]
    batches: frozenset[str]
    reads: tuple[Read, ...] = ()
    is_whole: bool = True
    undone: frozenset[str] = frozenset()

    @property
    def high_water(self) -> int:
        """The greatest surrogate key ever drawn."""
        return int(self.properties.get(HIGH_WATER, "0"))

    @property
    def last_read(self) -> Read | None:
        """The latest read of the source; None: there was none."""
        return self.reads[-1] if self.reads else None

    def has_read_after(self, read: Read | None) -> bool:
        """Whether the table has recorded a later read of the source than this one."""
        return read is not None and self.last_read is not None and self.last_read.at > read.at

    @property
    def is_empty(self) -> bool:
        """Whether the table has no version and no kept event yet."""
        return self.rows == 0 and self.kept_snapshot is None

    @property
    def kept_snapshot(self) -> int | None:
        """The snapshot of the kept events that belongs to this state; None: there are none."""
        text = self.properties.get(KEPT_SNAPSHOT, "")
        return int(text) if text else None


def is_strandline_property(name: str) -> bool:
    """Whether an entry of a snapshot summary is Strandline's."""
    return name.startswith("strandline.")


def current_snapshot(spark: SparkSession, table: str) -> int | None:
    """The snapshot that readers of the table see, read without a job; None: there is none yet."""
    return current_and_properties(spark, table)[0]


def current_state(spark: SparkSession, table: str) -> CurrentState | None:
    """The table's published state; None when it has no snapshot yet."""
    current, properties = current_and_properties(spark, table)
    if current is None:
        return None
    state = _STATES.get((table, current))
    if state is None:
        state = state_of_snapshot(spark, table, current)
        cache_state(table, state)
    return replace(
        state, reads=sorted_reads((*unchanged_reads(properties.get(READS)), *state.reads))
    )


def remember_unchanged_read(spark: SparkSession, table: str, read: Read) -> None:
    """Record in the table's properties a read that changed nothing; makes no snapshot."""
    reads = unchanged_reads(current_and_properties(spark, table)[1].get(READS))
    value = unchanged_reads_property(reads, read).replace("'", "\\'")
    branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ('{READS}' = '{value}')")


def cache_state(table: str, state: CurrentState) -> None:
    """Cache a published state, so that the next load in this process need not read it again."""
    with _LOCK:
        while len(_STATES) >= _MAX_STATES:
            del _STATES[next(iter(_STATES))]
        _STATES[table, state.snapshot_id] = state


_MAX_STATES = 100


_LOCK = threading.Lock()


_STATES: dict[tuple[str, int], CurrentState] = {}
"""States by table and snapshot: neither a snapshot nor its ancestors ever change."""


def state_of_snapshot(spark: SparkSession, table: str, current: int) -> CurrentState:
    """What readers saw when a snapshot was the newest, by its summary and those before it."""
    ancestry = tuple(table_metadata(spark, table).ancestry(current))
    summaries = [each.summary for each in ancestry]
    undone = frozenset(summary[UNDONE] for summary in summaries if UNDONE in summary)
    not_read = {summary[UNDONE_READ] for summary in summaries if UNDONE_READ in summary}
    reads = [Read.from_json(summary[READ]) for summary in summaries if READ in summary]
    reads = [read for read in reads if read.at.isoformat() not in not_read]
    newest = next((summary for summary in summaries if BATCH_ID in summary), {})
    return CurrentState(
        snapshot_id=current,
        rows=int(summaries[0].get("total-records", 1)),
        properties={name: value for name, value in newest.items() if is_strandline_property(name)},
        batches=frozenset(summary[BATCH_ID] for summary in summaries if BATCH_ID in summary),
        reads=sorted_reads(reads),
        is_whole=ancestry[-1].parent is None,
        undone=undone,
    )
