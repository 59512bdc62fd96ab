"""Bringing back what a backup has: pointers of the catalog, lost metadata files, the key ring.

Promise: before a name is pointed elsewhere, every file that its readers would open was looked for,
and a missing one is said by name. A table is locked meanwhile, as a load locks it. What is newer
than the backup stays: the catalog follows the metadata files of the warehouse to the newest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import (
    BackupDamagedError,
    NotFoundError,
    RestoreRefusedError,
    StrandlineError,
)
from history.iceberg.history_table import exists
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import (
    AUDIT_LOG,
    AuditAction,
    AuditEntry,
    current_actor,
    record_audit,
)
from tasks.recovery.backup_manifest import BackupManifest, SavedPointer
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.iceberg_catalog import IcebergCatalog, Pointer
from tasks.recovery.make_backup import backup_target
from tasks.recovery.plan_restore import Found, Refusal, Step, newest_of, step_for
from tasks.recovery.restore_key_ring import RestoredKeys, restore_key_ring
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

_SHOWN = 20
_KEPT = "__kept_events"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """What is to be brought back, and why.

    Attributes:
        reason: Why; the audit log keeps it.
        run_id: Names the restore.
        backup: The id of a backup; None: the newest of this lakehouse.
        location: The place of backups; None: the one of the settings.
        tables: `namespace.table` of tables and views; none for all that the backup has.
        catalog: Whether tables and views are brought back.
        key_ring: Whether the key ring is.
        roll_forward: Go on to the newest metadata file in the warehouse; else stay at the backup.
        force: Give up what is newer, other tables of the same names, missing files.
        dry_run: Only say what would be done.
    """

    reason: str
    run_id: str
    backup: str | None = None
    location: str | None = None
    tables: tuple[str, ...] = ()
    catalog: bool = True
    key_ring: bool = True
    roll_forward: bool = True
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """What was done about a table or a view.

    Attributes:
        name: `namespace.table`.
        step: What was done; None: `error` says why nothing.
        commits: How many commits later than the backup it is.
        certain: Whether nothing could have been committed after that.
        written_back: Its metadata file was written to the warehouse again.
        error: Why it was left as it is.
    """

    name: str
    step: Step | None = None
    commits: int = 0
    certain: bool = True
    written_back: bool = False
    error: StrandlineError | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was brought back.

    Attributes:
        manifest: The backup.
        tables: Each table and view, in the order in which it was done.
        keys: What became of the key ring; None: it was not asked for, or the backup has none.
        keys_error: Why the key ring was left as it is.
        record_error: Why the audit log has no record of it.
        seconds: How long it took.
        age_seconds: How old the backup was.
        dry_run: Nothing was changed.
    """

    manifest: BackupManifest
    tables: tuple[RestoredTable, ...]
    keys: RestoredKeys | None
    seconds: float
    age_seconds: float
    dry_run: bool = False
    keys_error: StrandlineError | None = None
    record_error: StrandlineError | None = None

    @property
    def errors(self) -> tuple[StrandlineError, ...]:
        """Why something was left as it is."""
        found = [each.error for each in self.tables if each.error is not None]
        others = (self.keys_error, self.record_error)
        return (*found, *(each for each in others if each is not None))

    def count(self, step: Step) -> int:
        """For how many tables and views that was done."""
        return sum(each.step is step for each in self.tables)


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
            tables = _Restore(catalog, store, settings, request).run(manifest)
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
    if request.backup is None:
        manifest = store.newest(lake.catalog, lake.warehouse_uri)
        if manifest is None:
            others = len(store.ids())
            raise NotFoundError(
                where=f"backups at {store.where}",
                expected=f"one of the catalog {lake.catalog} with the warehouse "
                f"{lake.warehouse_uri}",
                found=f"none, and {others} of other lakehouses or damaged" if others else "none",
                next_step="Correct the lakehouse's block or the place; strandline backup list "
                "shows what is there.",
            )
    else:
        manifest = store.manifest(request.backup)
    if not manifest.belongs_to(lake.catalog, lake.warehouse_uri):
        raise RestoreRefusedError(
            where=f"backup {manifest.id}",
            expected=f"the catalog {lake.catalog} with the warehouse {lake.warehouse_uri}",
            found=f"the catalog {manifest.catalog} with the warehouse {manifest.warehouse}",
            next_step="Restore it with the blocks of that lakehouse. Nothing was changed.",
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
    return manifest.only(frozenset(names | {f"{each}{_KEPT}" for each in names}))


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


@dataclass(frozen=True, slots=True)
class _Restore:
    """One restore of tables and views."""

    catalog: IcebergCatalog
    store: BackupStore
    settings: RunSettings
    request: RestoreRequest
    namespaces: set[str] = field(default_factory=set)

    def run(self, manifest: BackupManifest) -> tuple[RestoredTable, ...]:
        for name, properties in manifest.namespaces.items():
            needed = any(
                each.name.rpartition(".")[0] == name for each in (*manifest.tables, *manifest.views)
            )
            if not self.request.dry_run and (needed or not self.request.tables):
                self.catalog.create_namespace(name, properties)
        tables = [self._guarded(each, self._table) for each in _kept_first(manifest.tables)]
        return (*tables, *(self._guarded(each, self._view) for each in manifest.views))

    def _guarded(
        self, saved: SavedPointer, restored: Callable[[SavedPointer], RestoredTable]
    ) -> RestoredTable:
        """The outcome; an error of one table is an outcome, and stops no other."""
        try:
            with ExitStack() as held:
                if not self.request.dry_run:
                    target = f"{self.catalog.name}.{saved.name.removesuffix(_KEPT)}"
                    held.enter_context(
                        table_lock(
                            self.settings.state_directory, target, run_id=self.request.run_id
                        )
                    )
                with map_spark_errors(saved.name, "restore", publishes=True):
                    return restored(saved)
        except StrandlineError as error:
            return RestoredTable(saved.name, error=error)

    def _table(self, saved: SavedPointer) -> RestoredTable:
        there = self.catalog.metadata(saved.location)
        if there is None and self._is_stage(saved):
            # A batch that was published or discarded since has no stage any more.
            return RestoredTable(saved.name, Step.GONE)
        before = there or Pointer(saved.location, saved.uuid, saved.snapshot_id)
        target, certain = before, True
        if self.request.roll_forward:
            target, certain = newest_of(before, self.catalog.later_metadata(saved.location))
        found = _found(self.catalog.table, saved.name)
        go_back = not self.request.roll_forward
        step = step_for(saved, target, found, go_back=go_back, force=self.request.force)
        if isinstance(step, Refusal):
            raise _refused(saved, step)
        commits = len(target.previous) - len(before.previous) if target is not before else 0
        back = there is None and target is before
        outcome = RestoredTable(saved.name, step, max(commits, 0), certain, written_back=back)
        if step in (Step.UNCHANGED, Step.NEWER):
            return RestoredTable(saved.name, step)
        return self._pointed(saved, target, outcome)

    def _pointed(
        self, saved: SavedPointer, target: Pointer, outcome: RestoredTable
    ) -> RestoredTable:
        """Have the catalog point to the metadata, once all files of it are found."""
        content = self.store.get(saved.content) if outcome.written_back else None
        missing = self.catalog.missing_files(target.location, content)
        if missing and self._is_stage(saved):
            return RestoredTable(saved.name, Step.GONE)
        if missing and not self.request.force:
            raise _incomplete(saved, missing)
        if not self.request.dry_run:
            if content is not None:
                self.catalog.write(saved.location, content)
            instead = outcome.step is Step.REPLACE
            self.catalog.point_table_to(saved.name, target.location, instead=instead)
        return outcome

    def _view(self, saved: SavedPointer) -> RestoredTable:
        found = _found(self.catalog.view, saved.name)
        if found.pointer is not None:
            return RestoredTable(saved.name, Step.UNCHANGED)
        step = Step.REPLACE if found.unreadable else Step.REGISTER
        back = not self.catalog.has(saved.location)
        if not self.request.dry_run:
            if back:
                self.catalog.write(saved.location, self.store.get(saved.content))
            self.catalog.point_view_to(saved.name, saved.location, instead=found.unreadable)
        return RestoredTable(saved.name, step, written_back=back)

    def _is_stage(self, saved: SavedPointer) -> bool:
        return saved.name.rpartition(".")[0] == self.settings.stage_namespace


def _kept_first(tables: tuple[SavedPointer, ...]) -> Iterator[SavedPointer]:
    """What a history refers to before the history, so that no reader finds half of both."""
    yield from (each for each in tables if each.name.endswith(_KEPT))
    yield from (each for each in tables if not each.name.endswith(_KEPT))


def _found(pointer_of: Callable[[str], Pointer | None], name: str) -> Found:
    try:
        return Found(pointer_of(name))
    except Py4JJavaError:
        return Found(unreadable=True)


def _refused(saved: SavedPointer, refusal: Refusal) -> RestoreRefusedError:
    return RestoreRefusedError(
        where=saved.name,
        expected=refusal.expected,
        found=refusal.found,
        next_step="It was left as it is. --force gives up what is there.",
    )


def _incomplete(saved: SavedPointer, missing: list[str]) -> BackupDamagedError:
    more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return BackupDamagedError(
        where=saved.name,
        expected="all files that its readers open",
        found=f"that {len(missing)} are missing: {', '.join(missing[:_SHOWN])}{more}",
        next_step="Bring them back from the storage's own versions or replica, and run it again; "
        "or restore an older backup. It was left as it is.",
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
        },
    )
    record_audit(spark, settings, [entry], at=at)
