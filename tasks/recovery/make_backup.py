"""Making a backup of the catalog's pointers, the metadata files they name, and the key ring.

Promise: no table is locked and no load waits. Each pointer is one published state; a history is
read before the tables that it refers to, and the key ring after all of them, so that the keys of
every token that a backup leads to are in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from uuid import uuid4

from prefect import task
from prefect.cache_policies import NO_CACHE
from py4j.protocol import Py4JJavaError

from blocks.backup_target import BackupTarget
from blocks.key_rings.key_ring_document import KeyRingDocument
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import LakehouseUnavailableError, SettingsError
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.recovery.backup_manifest import BackupManifest, SavedKeyRing, SavedPointer
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.iceberg_catalog import IcebergCatalog, Pointer, in_order_of_backup
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors

PointerOf = Callable[[str], Pointer | None]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A backup that was made, and what went with it.

    Attributes:
        manifest: The backup.
        where: The place.
        octets: Of all copies it needs, uncompressed.
        removed: The ids of backups whose time was up.
        seconds: How long it took.
    """

    manifest: BackupManifest
    where: str
    octets: int
    removed: tuple[str, ...]
    seconds: float


def backup_target(settings: RunSettings, location: str | None = None) -> BackupTarget:
    """The target of the settings, or that place with all else as the settings say.

    Raises:
        SettingsError: Neither is given.
    """
    if location is not None:
        return (settings.backups or BackupTarget(location=location)).model_copy(
            update={"location": location}
        )
    if settings.backups is None:
        raise SettingsError(
            where="run settings, field backups",
            expected="a backup target",
            found="none",
            next_step="Add a backup-target block (docs/recovery.md), and name it in the settings.",
        )
    return settings.backups


@task(name="make-backup", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("make-backup")
def make_backup_task(settings: str, *, run_id: str) -> BackupReport:
    """See `make_backup`, as a task of a flow.

    Args:
        settings: The name of the run settings block.
        run_id: The run that does it.
    """
    return make_backup(block_lookup.settings(settings), run_id=run_id)


def make_backup(
    settings: RunSettings, *, location: str | None = None, run_id: str | None = None
) -> BackupReport:
    """Make a backup, verify it, record it in the audit log, and remove those whose time is up.

    Raises:
        SettingsError: There is no target.
        LakehouseUnavailableError: A table can't be read: nothing was backed up.
        BackupDamagedError: What was written can't be read back.
    """
    started = time.monotonic()
    target = backup_target(settings, location)
    store = BackupStore.of(target)
    settings.lakehouse.check()
    made_at = datetime.now(UTC)
    with map_spark_errors(settings.lakehouse.catalog, "back up"):
        spark = settings.spark.session(settings.lakehouse, shared=False)
        catalog = IcebergCatalog.of(spark, settings.lakehouse)
        namespaces = catalog.namespaces()
        tables = [each for name in namespaces for each in catalog.tables(name)]
        pointers = [
            _saved(store, catalog, name, catalog.table)
            for name in in_order_of_backup(tables, settings.governance_namespace)
        ]
        views = [
            _saved(store, catalog, name, catalog.view)
            for each in namespaces
            for name in catalog.views(each)
        ]
    ring, octets = _saved_ring(store, settings)
    manifest = BackupManifest(
        id=f"{made_at:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}",
        made_at=made_at,
        release=version("strandline"),
        catalog=settings.lakehouse.catalog,
        kind=settings.lakehouse.kind,
        warehouse=settings.lakehouse.warehouse_uri,
        namespaces=namespaces,
        tables=tuple(each for each in pointers if each is not None),
        views=tuple(each for each in views if each is not None),
        key_ring=ring,
    )
    store.add(manifest)
    octets += sum(each.octets for each in (*manifest.tables, *manifest.views))
    entry = AuditEntry(
        action=AuditAction.BACK_UP,
        subject=settings.lakehouse.catalog,
        actor=current_actor(),
        reason="catalog and key ring are kept apart from the lakehouse",
        run_id=run_id,
        counts={
            "tables": len(manifest.tables),
            "views": len(manifest.views),
            "keys": 0 if ring is None else ring.keys,
        },
        details={"backup": manifest.id, "sha256": manifest.digest(), "place": store.where},
    )
    record_audit(spark, settings, [entry], at=datetime.now(UTC))
    removed = store.prune(manifest, keep_days=target.keep_days, keep_at_least=target.keep_at_least)
    return BackupReport(manifest, store.where, octets, tuple(removed), time.monotonic() - started)


def _saved(
    store: BackupStore, catalog: IcebergCatalog, name: str, pointer_of: PointerOf
) -> SavedPointer | None:
    """The pointer with its file kept; None: a stage or a view that was dropped meanwhile."""
    try:
        pointer = pointer_of(name)
        if pointer is None:
            return None
        content = catalog.read(pointer.location)
    except Py4JJavaError as error:
        kind = error.java_exception.getClass().getSimpleName()
        raise LakehouseUnavailableError(
            where=f"{catalog.name}.{name}",
            expected="metadata that can be read",
            found=kind,
            next_step=f"strandline restore --table {name} --reason ... brings it back. No backup "
            "was made.",
        ) from None
    return SavedPointer(
        name, pointer.location, pointer.uuid, pointer.snapshot_id, store.put(content), len(content)
    )


def _saved_ring(store: BackupStore, settings: RunSettings) -> tuple[SavedKeyRing | None, int]:
    """The list of wrapped keys, kept as it is; a list that can't be parsed is refused."""
    storage = settings.key_ring.storage()
    text = storage.read()
    if text is None:
        return None, 0
    document = KeyRingDocument.parse(text, where=storage.name)
    content = document.as_text().encode()
    return SavedKeyRing(store.put(content), len(content), len(document.keys)), len(content)
