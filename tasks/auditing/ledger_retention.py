"""Ledgers are kept as long as their contracts say: older days are deleted, and that is recorded.

Promise: only whole days go, and no row about a table whose persons are under legal hold. The record
of it is in the audit log before anything is deleted; of the audit log itself it says where the log
begins since, so that what is left can still be verified.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.loader import LEDGERS, load_ledger
from contracts.model import Ledger
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named, quoted
from tasks.auditing.verify_audit_log import BEGINS_AFTER, BEGINS_AT
from tasks.observability.audit_log import (
    AUDIT_LOG,
    AuditAction,
    AuditEntry,
    current_actor,
    record_audit,
)
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

ABOUT_PERSONS = ("quarantine", "unusual_rows")
"""The ledgers that have rows of sources."""


@dataclass(frozen=True, slots=True)
class ExpiredRows:
    """The rows of a ledger that are older than it keeps them: from before `before`."""

    ledger: str
    rows: int
    before: datetime


def delete_expired_rows(
    spark: SparkSession,
    settings: RunSettings,
    *,
    run_id: str,
    now: datetime,
    dry_run: bool,
    held_tables: Collection[str] = (),
) -> tuple[ExpiredRows, ...]:
    """Delete what the ledgers need not keep any more; returns what it was, by ledger.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledgers lie.
        run_id: The run that does it.
        now: The time from which ages are counted; timezone-aware.
        dry_run: Only say what would be deleted.
        held_tables: The tables with persons under legal hold: rows that were refused for them, or
            judged unusual, stay.
    """
    contracts = [load_ledger(path) for path in sorted(LEDGERS.glob("*.yaml"))]
    expired = []
    with map_spark_errors("ledgers", "retention", publishes=True):
        for ledger in contracts:
            held = sorted(held_tables) if ledger.name in ABOUT_PERSONS else []
            found = _delete(spark, settings, ledger, held, run_id=run_id, now=now, dry_run=dry_run)
            if found is not None:
                expired.append(found)
    return tuple(expired)


def _delete(
    spark: SparkSession,
    settings: RunSettings,
    ledger: Ledger,
    held: list[str],
    *,
    run_id: str,
    now: datetime,
    dry_run: bool,
) -> ExpiredRows | None:
    table = ledger_table(settings, ledger.name)
    if ledger.retention_days is None or ledger.dated_by is None or not exists(spark, table):
        return None
    oldest = (now.astimezone(UTC) - timedelta(days=ledger.retention_days)).date()
    before = datetime.combine(oldest, time.min, UTC)
    is_old = named(ledger.dated_by) < F.lit(before).cast("timestamp")
    deleted, condition, details = is_old, f"{quoted(ledger.dated_by)} < :before", {}
    arguments: dict[str, object] = {"before": before}
    for number, name in enumerate(held):
        deleted &= F.col("target_table") != name
        condition += f" AND target_table <> :held_{number}"
        arguments[f"held_{number}"] = name
    if ledger.name == AUDIT_LOG:
        beginning = _beginning(spark, table, is_old)
        if beginning is None:
            return None
        sequence, previous_hash = beginning
        deleted, condition = F.col("sequence") < sequence, "sequence < :sequence"
        arguments = {"sequence": sequence}
        details = {BEGINS_AT: str(sequence), BEGINS_AFTER: previous_hash}
    rows = spark.table(table).where(deleted).count()
    if not rows:
        return None
    if not dry_run:
        entry = AuditEntry(
            action=AuditAction.EXPIRE_LEDGER,
            subject=table,
            actor=current_actor(),
            reason=f"kept for {ledger.retention_days} days, as its contract says",
            contract=ledger.name,
            contract_version=ledger.version,
            run_id=run_id,
            counts={"rows_deleted": rows},
            details={"before": before.isoformat(), **details},
        )
        record_audit(spark, settings, [entry], at=datetime.now(UTC))
        spark.sql(f"DELETE FROM {table} WHERE {condition}", args=arguments)  # noqa: S608
    return ExpiredRows(ledger.name, rows, before)


def _beginning(spark: SparkSession, table: str, is_old: Column) -> tuple[int, str] | None:
    """The first record that stays, and the hash before it; all after it stay too.

    None where no record stays that could tell.
    """
    kept = spark.table(table).where(~is_old)
    (first,) = kept.agg(
        F.min("sequence").alias("sequence"), F.min_by("previous_hash", "sequence").alias("hash")
    ).collect()
    return None if first.sequence is None else (first.sequence, first.hash)
