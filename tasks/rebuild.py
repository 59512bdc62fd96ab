"""A rebuild of one contract's history on its branch, to be published or dropped.

Promise: what is not published is dropped, however the body ends. A load that was stopped between
publishing and recording is recorded first, since the rebuild's snapshot would hide it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from contracts.model import Contract
from history import Batch
from history.iceberg import branches
from history.iceberg.current_snapshot import CurrentState, current_state
from history.release.release_record import refuse_during_release
from history.restatement.rebuild_from_events import (
    RebuildResult,
    batch_of,
    publish_rebuild,
    write_rebuild,
)
from history.restatement.rebuild_scope import RebuildScope
from history.write_audit_publish import audit_changes
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.lifecycle.open_run import run_of_batch
from tasks.observability.audit_log import current_actor
from tasks.observability.audit_log.audit_of_tables import batch_properties, record_published
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tasks.observability.run_metrics import is_unrecorded, record_unrecorded
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors


def rebuild_batch(contract: Contract, settings: RunSettings, *, now: datetime) -> Batch:
    """The batch of a rebuild of the contract's history, begun now."""
    batch = batch_of(
        f"{settings.lakehouse.catalog}.{contract.target}",
        history_settings(contract),
        time=now,
        quarantine=ledger_table(settings, "quarantine"),
    )
    return replace(batch, source=contract.source.relation)


def publish(
    spark: SparkSession,
    contract: Contract,
    settings: RunSettings,
    batch: Batch,
    rebuilt: RebuildResult,
) -> int | None:
    """Publish a rebuild, and record it in the audit log.

    Returns:
        The published snapshot.

    Raises:
        CommitConflictError: Another writer published first; draft the rebuild anew.
    """
    change = TableChange(spark, settings, contract, batch.id, "rebuild", "REBUILD")
    with (
        map_spark_errors(contract.name, "rebuild", publishes=True),
        change_told_as_lineage(change),
    ):
        snapshot = publish_rebuild(spark, batch, rebuilt)
        if snapshot is not None:
            record_published(
                spark,
                settings,
                batch.table,
                snapshot,
                reason="versions computed anew from their events",
                at=datetime.now(UTC),
            )
    return snapshot


@contextmanager
def drafted(
    spark: SparkSession,
    contract: Contract,
    settings: RunSettings,
    batch: Batch,
    scope: RebuildScope,
) -> Iterator[RebuildResult]:
    """Write the rebuild on its branch and audit it there; drop the branch after the body.

    The caller holds the table's lock meanwhile (`tasks.lifecycle.table_lock`).

    Raises:
        AuditError: The result broke a rule of the history.
        SettingsError: The contract tracks other columns than the table's fingerprints.
    """
    try:
        with map_spark_errors(contract.name, "rebuild"):
            refuse_during_release(spark, batch.table, "versions are computed anew")
            state = current_state(spark, batch.table)
            _record_last(spark, contract, settings, batch, state)
            contract_name = f"{contract.name} {contract.version}"
            properties = batch_properties(state, contract_name, actor=current_actor())
            rebuilt = write_rebuild(spark, replace(batch, properties=properties), scope)
            audit_changes(spark, batch, rebuilt.written)
        yield rebuilt
    finally:
        with map_spark_errors(contract.name, "rebuild", publishes=True):
            branches.drop(spark, batch.table, batch.branch)


def _record_last(
    spark: SparkSession,
    contract: Contract,
    settings: RunSettings,
    batch: Batch,
    state: CurrentState | None,
) -> None:
    if state is None or not is_unrecorded(spark, state, ledger_table(settings, "run_metrics")):
        return
    record_unrecorded(run_of_batch(spark, contract, settings, batch))
