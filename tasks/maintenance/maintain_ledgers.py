"""Upkeep of the ledgers' tables: small files joined, old snapshots expired, orphan files removed.

Promise: no row of a ledger is changed, and what auditors read of ten years are rows, not snapshots.
Runs append meanwhile: rewriting files never stands in the way of an append. The audit log's
snapshots expire only after the whole chain was verified; its newest anchor, which vouches for
every record before it, stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import StrandlineError
from contracts.loader import LEDGERS
from history.iceberg.current_snapshot import current_snapshot
from history.iceberg.history_table import exists
from history.iceberg.snapshot_log import snapshot_log
from history.upkeep.compaction import (
    CompactionLimits,
    files_of,
    join_manifests,
    rewrite_data_files,
    small_manifests,
)
from history.upkeep.orphan_files import is_due, remove_orphan_files
from history.upkeep.snapshot_expiry import Retention, expire_snapshots, plan_release
from tasks.auditing.verify_audit_log import refuse_tampered, verify_audit_log
from tasks.observability.audit_log import AUDIT_LOG
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors


@dataclass(frozen=True, slots=True)
class LedgerUpkeep:
    """What was done to the table of a ledger, or would be.

    Attributes:
        ledger: Its name.
        files_before: Data files that readers opened.
        files_rewritten: How many of them were joined.
        manifests_joined: Whether its manifests were.
        snapshots: How many there were.
        snapshots_expired: How many of them went.
        orphans_removed: Files that no snapshot referenced.
        seconds: How long it took.
        error: What stopped it.
    """

    ledger: str
    files_before: int = 0
    files_rewritten: int = 0
    manifests_joined: bool = False
    snapshots: int = 0
    snapshots_expired: int = 0
    orphans_removed: int = 0
    seconds: float = 0.0
    error: StrandlineError | None = None

    @property
    def contract(self) -> str:
        """The ledger's own contract, which has its name."""
        return self.ledger


@task(name="maintain-ledgers", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("maintain-ledgers")
def maintain_ledgers(settings: str, *, now: datetime, dry_run: bool) -> tuple[LedgerUpkeep, ...]:
    """Join files of the ledgers, and let their old snapshots go; an error stops no other ledger.

    Args:
        settings: The name of the run settings block; it says how long states are kept.
        now: The time from which ages are counted; timezone-aware.
        dry_run: Only say what would be done.
    """
    block = block_lookup.settings(settings)
    block.lakehouse.check()
    spark = block.spark.session(block.lakehouse, shared=False)
    names = sorted(path.stem for path in LEDGERS.glob("*.yaml"))
    return tuple(
        _guarded(name, lambda each: _maintained(spark, block, each, now=now, dry_run=dry_run))
        for name in names
        if exists(spark, ledger_table(block, name))
    )


def _guarded(name: str, maintained: Callable[[str], LedgerUpkeep]) -> LedgerUpkeep:
    try:
        with map_spark_errors(name, "maintain", publishes=True):
            return maintained(name)
    except StrandlineError as error:
        return LedgerUpkeep(name, error=error)


def _maintained(
    spark: SparkSession, settings: RunSettings, name: str, *, now: datetime, dry_run: bool
) -> LedgerUpkeep:
    started = time.monotonic()
    table = ledger_table(settings, name)
    limits, retention = CompactionLimits(), Retention(keep_days=settings.keep_days)
    current = current_snapshot(spark, table)
    if current is None:
        return LedgerUpkeep(name)
    files = files_of(spark, table, current, limits)
    joins = small_manifests(spark, table) > limits.manifests
    rewritten = files.rewritable
    if not dry_run:
        if joins:
            join_manifests(spark, table)
        if files.rewritable:
            rewritten = rewrite_data_files(spark, table, "main", (), limits)
    log = snapshot_log(spark, table)
    expiry = plan_release(log, now - timedelta(days=retention.keep_days))
    unfinished = now - timedelta(hours=retention.unfinished_hours)
    orphans = 0
    if not dry_run:
        if expiry.expired and name == AUDIT_LOG:
            refuse_tampered(verify_audit_log(spark, settings), table)
        expire_snapshots(spark, table, expiry)
        if is_due(spark, table, now, unfinished):
            orphans = remove_orphan_files(spark, table, now=now, before=unfinished, dry_run=False)
    return LedgerUpkeep(
        name,
        files.data + files.deletes,
        rewritten,
        joins,
        len(log.snapshots),
        len(expiry.expired),
        orphans,
        time.monotonic() - started,
    )
