"""Upkeep of the ledgers: rows that are older than their contracts keep them are deleted."""

from __future__ import annotations

from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.lookup import block_lookup
from tasks.auditing.ledger_retention import ExpiredRows, delete_expired_rows
from tasks.erasure.legal_holds import tables_under_hold
from tasks.run.unexpected_errors import without_unexpected_errors


@task(name="keep-up-ledgers", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("keep-up-ledgers")
def keep_up_ledgers(
    settings: str, *, run_id: str, now: datetime, dry_run: bool
) -> tuple[ExpiredRows, ...]:
    """Delete what the ledgers need not keep any more, with a record in the audit log.

    Args:
        settings: The name of the run settings block.
        run_id: The run that does it.
        now: The time from which ages are counted; timezone-aware.
        dry_run: Only say what would be deleted.
    """
    block = block_lookup.settings(settings)
    block.lakehouse.check()
    spark = block.spark.session(block.lakehouse, shared=False)
    return delete_expired_rows(
        spark,
        block,
        run_id=run_id,
        now=now,
        dry_run=dry_run,
        held_tables=tables_under_hold(spark, block),
    )
