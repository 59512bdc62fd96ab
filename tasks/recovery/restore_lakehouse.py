"""Bringing back what a backup has: pointers of the catalog, lost metadata files, the key ring.

Promise: what is newer than the backup stays: the catalog follows the metadata files of the
warehouse to the newest. The catalog comes first, since its audit log says which keys were
destroyed, and gets a record of it all.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import NotFoundError, RestoreRefusedError, StrandlineError
from history.iceberg.history_table import exists
from tasks.observability.audit_log import (
    AUDIT_LOG,
    AuditAction,
    AuditEntry,
    current_actor,
    record_audit,
)
from tasks.recovery.backup_manifest import BackupManifest
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.iceberg_catalog import KEPT_EVENTS, IcebergCatalog
from tasks.recovery.make_backup import backup_target
from tasks.recovery.plan_restore import Step
from tasks.recovery.restore_key_ring import restore_key_ring
from tasks.recovery.restore_request import RestoredTable, RestoreReport, RestoreRequest
from tasks.recovery.restore_tables import TablesRestore
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors


def restore(settings: RunSettings, request: RestoreRequest) -> RestoreReport:
    """Bring back what was lost; what is there and whole stays as it is.

    Raises:
        NotFoundError: There is no such backup, or it has no such table.
        RestoreRefusedError: The backup is of another lakehouse.
        BackupDamagedError: A copy is not as it was written.
    """
    started, now = time.monotonic(), datetime.now(UTC)
    store = BackupStore.of(backup_target(settings, request.location))
    manifest = _chosen(store, settings, request)
    if request.catalog:
        _refuse_absent_warehouse(settings)
    settings.lakehouse.check()
    tables: tuple[RestoredTable, ...] = ()
    keys, keys_error = None, None
    with map_spark_errors(settings.lakehouse.catalog, "restore", publishes=True):
        spark = settings.spark.session(settings.lakehouse, shared=False)
        if request.catalog:
            catalog = IcebergCatalog.of(spark, settings.lakehouse)
            move = request.move_to(settings.lakehouse.warehouse_uri)
            tables = TablesRestore(catalog, store, settings, request, move).run(manifest)
        if request.key_ring and manifest.key_ring is not None:
            try:
                keys = restore_key_ring(
                    settings.key_ring,
                    store.get(manifest.key_ring.content),
                    destroyed=_destroyed_keys(spark, settings, manifest, request),
                    force=request.force,
                    dry_run=request.dry_run,
                )
            except StrandlineError as error:
                keys_error = error
        report = RestoreReport(
            manifest,
            tables,
            keys,
            time.monotonic() - started,
            (now - manifest.made_at).total_seconds(),
            request.dry_run,
            keys_error,
        )
    if request.dry_run:
        return report
    try:
        _record(spark, settings, request, report, at=now)
    except StrandlineError as error:
        # What was left as it is comes first: it may be why there is no log to write to.
        return replace(report, record_error=error)
    return report


def _chosen(store: BackupStore, settings: RunSettings, request: RestoreRequest) -> BackupManifest:
    """The backup, limited to the tables that were asked for."""
    lake = settings.lakehouse
    move = request.move_to(lake.warehouse_uri)
    warehouse = lake.warehouse_uri if move is None else move.old
    if request.backup is None:
        manifest = store.newest(lake.catalog, warehouse)
        if manifest is None:
            others = len(store.ids())
            raise NotFoundError(
                where=f"backups at {store.where}",
                expected=f"one of the catalog {lake.catalog} with the warehouse {warehouse}",
                found=f"none, and {others} of other lakehouses or damaged" if others else "none",
                next_step="Correct the lakehouse's block or the place; strandline backup list "
                "shows what is there.",
            )
    else:
        manifest = store.manifest(request.backup)
    if not manifest.belongs_to(lake.catalog, warehouse):
        raise RestoreRefusedError(
            where=f"backup {manifest.id}",
            expected=f"the catalog {lake.catalog} with the warehouse {warehouse}",
            found=f"the catalog {manifest.catalog} with the warehouse {manifest.warehouse}",
            next_step="Restore it with the blocks of that lakehouse, or say --moved-from if its "
            "warehouse was moved here. Nothing was changed.",
        )
    if not request.tables:
        return manifest
    known = {each.name for each in (*manifest.tables, *manifest.views)}
    names = {each.removeprefix(f"{lake.catalog}.") for each in request.tables}
    if unknown := sorted(names - known):
        raise NotFoundError(
            where=f"backup {manifest.id}",
            expected=f"a table or view {unknown[0]}",
            found="none of this name",
            next_step="Choose a backup from when it was there: strandline backup list",
        )
    # What a history refers to comes back with it.
    return manifest.only(frozenset(names | {f"{each}{KEPT_EVENTS}" for each in names}))


def _refuse_absent_warehouse(settings: RunSettings) -> None:
    """Refuse before the check of the lakehouse would make an empty directory in its place."""
    directory = settings.lakehouse.local_warehouse
    if directory is not None and not directory.exists():
        raise RestoreRefusedError(
            where=f"warehouse {directory}",
            expected="the directory with the tables' files: a backup has none of them",
            found="no such directory",
            next_step="Bring it back, or mount or link it at this address if it was moved. Nothing "
            "was changed.",
        )


def _destroyed_keys(
    spark: SparkSession, settings: RunSettings, manifest: BackupManifest, request: RestoreRequest
) -> frozenset[str]:
    """The ids of keys that were destroyed, as the audit log says.

    Raises:
        RestoreRefusedError: The backup has a log, and the catalog has none: a key that was
            destroyed since could come back.
    """
    table = ledger_table(settings, AUDIT_LOG)
    with map_spark_errors(table, "restore"):
        if exists(spark, table):
            said = spark.table(table).where(F.col("action") == str(AuditAction.DESTROY_KEY))
            rows = said.select(F.explode("key_ids").alias("key_id")).distinct().collect()
            return frozenset(row.key_id for row in rows)
    name = table.partition(".")[2]
    if not request.dry_run and any(each.name == name for each in manifest.tables):
        raise RestoreRefusedError(
            where=f"the key ring, and {table}",
            expected="the audit log, which says which keys were destroyed since",
            found="no such table in the catalog",
            next_step="Restore the catalog first, or both at once: strandline restore --reason ...",
        )
    return frozenset()


def _record(
    spark: SparkSession,
    settings: RunSettings,
    request: RestoreRequest,
    report: RestoreReport,
    *,
    at: datetime,
) -> None:
    keys = report.keys
    entry = AuditEntry(
        action=AuditAction.RESTORE,
        subject=settings.lakehouse.catalog,
        actor=current_actor(),
        reason=request.reason,
        run_id=request.run_id,
        counts={
            "registered": report.count(Step.REGISTER),
            "repointed": report.count(Step.REPLACE),
            "unchanged": report.count(Step.UNCHANGED) + report.count(Step.NEWER),
            "refused": len(report.errors),
            "keys_restored": 0 if keys is None else keys.restored,
        },
        details={
            "backup": report.manifest.id,
            "sha256": report.manifest.digest(),
            "made_at": report.manifest.made_at.isoformat(),
            "roll_forward": str(request.roll_forward).lower(),
            "force": str(request.force).lower(),
            **({} if request.moved_from is None else {"moved_from": request.moved_from}),
        },
    )
    record_audit(spark, settings, [entry], at=at)
