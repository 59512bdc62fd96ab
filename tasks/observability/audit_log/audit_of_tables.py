"""What the audit log says of published batches, from the summaries of their own snapshots.

Promise: each batch that a table has published gets one record. It is made when the batch is
recorded; where a run was stopped before, the next run makes it, or upkeep, before the snapshot
expires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from history.iceberg.current_snapshot import BATCH_ID, CurrentState, current_state
from history.iceberg.history_table import exists
from history.iceberg.snapshot_log import snapshot_log
from history.model.load_report import REPORT
from tasks.observability.audit_log.append_audit_records import AUDIT_LOG, record_audit
from tasks.observability.audit_log.audit_entry import AuditAction, AuditEntry
from tasks.run.run_context import PIPELINE, ledger_table

ACTOR, CONTRACT, CONTRACT_BEFORE = (
    "strandline.actor", "strandline.contract", "strandline.contract-before",
)  # fmt: skip
"""Entries of a snapshot's summary: who published it, by which contract, and by which one before."""

_PUBLISHING = (AuditAction.PUBLISH, AuditAction.REBUILD)
_AFTERWARDS = "recorded afterwards, from the snapshot's summary"
_AT_ONCE = 500
"""So many summaries are read, and records appended, at a time."""


def batch_properties(state: CurrentState | None, contract: str, actor: str) -> dict[str, str]:
    """The entries of a batch's summary that its record is made of.

    Args:
        state: What the table has published so far; None: nothing.
        contract: Name and version of the contract.
        actor: Who publishes it.
    """
    before = "" if state is None else state.properties.get(CONTRACT, "")
    return {CONTRACT: contract, CONTRACT_BEFORE: before, ACTOR: actor}


def record_published(
    spark: SparkSession,
    settings: RunSettings,
    table: str,
    snapshot_id: int,
    *,
    reason: str,
    at: datetime,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Record a batch that was just published, in one append.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the log lies.
        table: The history table.
        snapshot_id: The batch's snapshot.
        reason: Why it was published.
        at: When it is recorded; timezone-aware.
        counts: Numbers besides those in the snapshot's summary.
    """
    state = current_state(spark, table)
    if state is not None and state.snapshot_id == snapshot_id:
        summary = state.properties
    else:
        summary = _summaries(spark, table, [snapshot_id])[snapshot_id]
    entries = entries_of(table, snapshot_id, summary, reason=reason, counts=counts)
    record_audit(spark, settings, entries, at=at)


def settle_newest(
    spark: SparkSession, settings: RunSettings, table: str, state: CurrentState, *, at: datetime
) -> None:
    """Record the newest batch of a table, unless it was recorded."""
    batch_id = state.properties.get(BATCH_ID)
    if batch_id is None or batch_id in _recorded(spark, settings, table, [batch_id]):
        return
    entries = entries_of(table, state.snapshot_id, state.properties, reason=_AFTERWARDS)
    record_audit(spark, settings, entries, at=at)


def settle_published(
    spark: SparkSession, settings: RunSettings, table: str, *, at: datetime
) -> int:
    """Record each published batch whose snapshot is still there; returns how many lacked a record.

    Also those of writers that know no log, and those from before there was one.
    """
    log = snapshot_log(spark, table)
    first_of = {each.batch: each.id for each in log.ancestry(log.head) if each.batch is not None}
    recorded = _recorded(spark, settings, table, tuple(first_of))
    missing = [snapshot for batch, snapshot in first_of.items() if batch not in recorded]
    missing.reverse()
    for start in range(0, len(missing), _AT_ONCE):
        part = missing[start : start + _AT_ONCE]
        summaries = _summaries(spark, table, part)
        entries = [
            each
            for snapshot in part
            for each in entries_of(table, snapshot, summaries[snapshot], reason=_AFTERWARDS)
        ]
        record_audit(spark, settings, entries, at=at)
    return len(missing)


def entries_of(
    table: str,
    snapshot_id: int,
    summary: Mapping[str, str],
    *,
    reason: str,
    counts: Mapping[str, int] | None = None,
) -> list[AuditEntry]:
    """The entries of a published batch: itself, and the contract if it is another than before."""
    pipeline = json.loads(summary.get(PIPELINE, "{}"))
    name, _, version = summary.get(CONTRACT, "").partition(" ")
    before = summary.get(CONTRACT_BEFORE)
    numbers = {
        **{key: value for key, value in pipeline.items() if key.startswith("rows_")},
        **json.loads(summary.get(REPORT, "{}")),
        **(counts or {}),
    }
    score = pipeline.get("score")
    published = AuditEntry(
        action=AuditAction.PUBLISH if PIPELINE in summary else AuditAction.REBUILD,
        subject=table,
        actor=summary.get(ACTOR) or "unknown",
        reason=reason,
        contract=name or None,
        contract_version=version or None,
        batch_id=summary[BATCH_ID],
        run_id=pipeline.get("run_id"),
        snapshot_id=snapshot_id,
        counts={key: value for key, value in numbers.items() if type(value) is int},
        key_ids=tuple(pipeline.get("key_ids", ())),
        details={} if score is None else {"score": str(score)},
    )
    if before is None or before == summary.get(CONTRACT):
        return [published]
    changed = replace(
        published,
        action=AuditAction.CHANGE_CONTRACT,
        reason="the first batch by this version of the contract",
        counts={},
        key_ids=(),
        details={"contract_before": before} if before else {},
    )
    return [changed, published]


def _recorded(
    spark: SparkSession, settings: RunSettings, table: str, batches: Sequence[str]
) -> set[str]:
    """Those of the batches that the log has."""
    log = _log(spark, settings)
    if log is None or not batches:
        return set()
    found = log.where(
        (F.col("subject") == table)
        & F.col("action").isin(*[str(each) for each in _PUBLISHING])
        & F.col("batch_id").isin(*batches)
    )
    return {row.batch_id for row in found.select("batch_id").distinct().collect()}


def _log(spark: SparkSession, settings: RunSettings) -> DataFrame | None:
    name = ledger_table(settings, AUDIT_LOG)
    return spark.table(name) if exists(spark, name) else None


def _summaries(
    spark: SparkSession, table: str, snapshots: Sequence[int]
) -> dict[int, Mapping[str, str]]:
    rows = spark.table(f"{table}.snapshots").where(F.col("snapshot_id").isin(*snapshots))
    return {row.snapshot_id: dict(row.summary) for row in rows.collect()}
