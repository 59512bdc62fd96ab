"""Appending to the audit log: who did what to which table, in a chain of hashes.

Promise: the chain never forks, however many threads, processes and machines append: an append
commits only where nothing was appended since the head that it follows, in one commit of Iceberg.
An append whose answer was lost is found again, not repeated.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import CommitConflictError
from history.iceberg import branches
from history.iceberg.current_snapshot import current_snapshot
from history.iceberg.history_table import ask_if_exists, exists
from history.iceberg.java_table import schema_of_table
from history.iceberg.table_metadata import current_and_properties, table_metadata
from tasks.observability.audit_log.audit_chain import ChainHead, ChainRecord, chained
from tasks.observability.audit_log.audit_entry import AuditEntry
from tasks.observability.ledger_tables import ensure_ledger
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

AUDIT_LOG = "audit_log"
HEAD_SEQUENCE, HEAD_HASH = "strandline.audit-sequence", "strandline.audit-head"
"""The head of the chain, in the summary of each snapshot that an append makes: an anchor."""

_APPEND_ID = "strandline.audit-append"
_NO_STATISTICS = "write.metadata.metrics.column.record"
_ATTEMPTS, _CREATIONS = 40, 4
_LOCK = threading.Lock()
_CREATED: set[str] = set()
"""The logs that this process has found or created."""


def record_audit(
    spark: SparkSession, settings: RunSettings, entries: Sequence[AuditEntry], *, at: datetime
) -> ChainHead | None:
    """Append entries in their order, in one commit; returns the new head, None without entries.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the log lies.
        entries: What was done.
        at: When it is recorded; timezone-aware.

    Raises:
        CommitConflictError: Others were faster each time.
        LakehouseUnavailableError: The log can't be written; nothing was appended.
    """
    if not entries:
        return None
    table = ledger_table(settings, AUDIT_LOG)
    with map_spark_errors(table, "audit log", publishes=True), _LOCK:
        for _attempt in range(_ATTEMPTS):
            snapshot = _prepared(spark, settings, table)
            records = tuple(chained(entries, _head(spark, table, snapshot), at=at))
            if _append(spark, table, snapshot, records):
                return ChainHead(records[-1].sequence, records[-1].record_hash)
            # Others append too: whoever waits longest differs each time.
            time.sleep(random.uniform(0.01, 0.2))  # noqa: S311
    raise CommitConflictError(
        where=table,
        expected="room in the chain for a record",
        found=f"that others were faster {_ATTEMPTS} times",
        next_step="Run it again; the next run records what was published meanwhile.",
    )


def read_head(spark: SparkSession, settings: RunSettings) -> ChainHead:
    """The newest record of the log; sequence 0 where there is none."""
    table = ledger_table(settings, AUDIT_LOG)
    if not exists(spark, table):
        return ChainHead()
    return _head(spark, table, current_snapshot(spark, table))


def _prepared(spark: SparkSession, settings: RunSettings, table: str) -> int | None:
    """The current snapshot of the log, which is created where it is missing.

    Statistics of the column `record` are switched off, see `_append`.
    """
    known = ask_if_exists(spark, table, current_and_properties) if table in _CREATED else None
    if known is None:
        # Not known here, or dropped meanwhile, as when a lost catalog was replaced.
        _create(spark, settings, table)
        _CREATED.add(table)
        known = current_and_properties(spark, table)
    snapshot, properties = known
    if properties.get(_NO_STATISTICS) != "none":
        branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ('{_NO_STATISTICS}'='none')")
        snapshot = current_snapshot(spark, table)
    return snapshot


def _create(spark: SparkSession, settings: RunSettings, table: str) -> None:
    namespace = table.rpartition(".")[0]
    for attempt in range(1, _CREATIONS + 1):
        try:
            spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {namespace}")
            ensure_ledger(spark, settings, AUDIT_LOG)
        except (Py4JJavaError, PySparkException):
            # Of two that create it at once, one finds that the other has, or is about to.
            if exists(spark, table):
                return
            if attempt == _CREATIONS:
                raise
            time.sleep(0.2 * attempt)
        else:
            return


def _head(spark: SparkSession, table: str, snapshot: int | None) -> ChainHead:
    """The newest record that was ever appended, as the snapshots' summaries tell.

    Where somebody else has written the current snapshot, its rows are asked too. What was removed
    is not replaced: the chain goes on after it, and the gap shows.
    """
    if snapshot is None:
        return ChainHead()
    told = {
        each.id: ChainHead(int(each.summary[HEAD_SEQUENCE]), each.summary.get(HEAD_HASH, ""))
        for each in table_metadata(spark, table).snapshots.values()
        if each.summary.get(HEAD_SEQUENCE, "").isdecimal()
    }
    head = max(told.values(), key=lambda each: each.sequence, default=ChainHead())
    if told.get(snapshot) == head:
        return head
    (held,) = (
        spark.table(table)
        .agg(F.max("sequence").alias("sequence"), F.max_by("record_hash", "sequence").alias("hash"))
        .collect()
    )
    return ChainHead(held.sequence, held.hash) if (held.sequence or 0) > head.sequence else head


def _append(
    spark: SparkSession, table: str, snapshot: int | None, records: Sequence[ChainRecord]
) -> bool:
    """Append records in one commit, if the log is still at the snapshot; returns whether it was.

    Iceberg checks an overwrite, and not an append, against what others have committed since a
    snapshot: whether a file was added that may hold rows of the overwritten range. The range is
    all after the head, with a condition on a column without statistics that no row fulfils: any
    file after the head is then a conflict, and never a file to delete.
    """
    append_id, last = uuid.uuid4().hex, records[-1]
    first = records[0].sequence
    writer = (
        _frame(spark, table, records)
        .writeTo(table)
        .option("isolation-level", "serializable")
        .option(f"snapshot-property.{HEAD_SEQUENCE}", str(last.sequence))
        .option(f"snapshot-property.{HEAD_HASH}", last.record_hash)
        .option(f"snapshot-property.{_APPEND_ID}", append_id)
    )
    if snapshot is not None:
        writer = writer.option("validate-from-snapshot-id", str(snapshot))
    try:
        writer.overwrite((F.col("sequence") >= first) & (F.col("record") == ""))
    except (Py4JJavaError, PySparkException) as error:
        if _landed(spark, table, append_id):
            return True
        if any(word in str(error) for word in _CONFLICTS):
            return False
        raise
    return True


_CONFLICTS = ("Found conflicting files", "CommitFailed", "some, but not all, rows match filter")


def _landed(spark: SparkSession, table: str, append_id: str) -> bool:
    """Whether the append is in the log though its answer was lost; False also if unreadable."""
    try:
        snapshots = table_metadata(spark, table).snapshots.values()
        return any(each.summary.get(_APPEND_ID) == append_id for each in snapshots)
    except (Py4JJavaError, PySparkException):
        return False


def _frame(spark: SparkSession, table: str, records: Sequence[ChainRecord]) -> DataFrame:
    schema = schema_of_table(spark, table)
    rows = [_values(each) for each in records]
    columns = schema.fieldNames()
    frame = spark.createDataFrame([tuple(row[name] for name in columns) for row in rows], schema)
    return frame.coalesce(1)


def _values(each: ChainRecord) -> dict[str, object]:
    return {
        **each.entry.values(),
        "sequence": each.sequence,
        "recorded_at": each.recorded_at,
        "previous_hash": each.previous_hash,
        "record_hash": each.record_hash,
        "record": each.record,
    }
