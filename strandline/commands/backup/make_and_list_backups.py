"""The answers to `strandline backup`: made, listed, verified."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import BackupDamagedError, NotFoundError
from flows.recovery.back_up import backup_line
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import age_text, count, duration, many, minute, size
from strandline.terminal.text_table import Cell, Heading, facts, text_table
from tasks.recovery.backup_manifest import BackupManifest
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.make_backup import backup_target, make_backup
from tasks.run.unexpected_errors import map_unexpected_errors

_BACKUPS = (
    Heading("made (UTC)"),
    Heading("backup"),
    Heading("age", number=True),
    Heading("tables", number=True),
    Heading("views", number=True),
    Heading("keys", number=True),
    Heading("of"),
)


def make(screen: CommandOutput, place: str | None, *, settings: str) -> None:
    """Make a backup, and print what is in it."""
    run_settings = block_lookup.settings(settings)
    with screen.waiting("Backing up"), map_unexpected_errors("backup"):
        report = make_backup(run_settings, location=place)
    manifest = report.manifest
    pairs = [
        ("place", report.where),
        ("tables", f"{count(len(manifest.tables))} and {many(len(manifest.views), 'view')}"),
        ("keys", _keys(manifest)),
        ("copies", f"{size(report.octets)}, read back and compared"),
        ("removed", many(len(report.removed), "older backup")),
        ("took", duration(report.seconds)),
    ]
    title = Text.assemble((manifest.id, "bold"), "  backed up")
    screen.answer(backup_line(report), title, facts(pairs))


def list_backups(screen: CommandOutput, place: str | None, *, settings: str) -> None:
    """The backups of a place, newest first; one that is damaged is named as such."""
    store = BackupStore.of(backup_target(block_lookup.settings(settings), place))
    now, data = datetime.now(UTC), []
    rows: list[tuple[Cell, ...]] = []
    for backup_id in reversed(store.ids()):
        try:
            each = store.manifest(backup_id)
        except BackupDamagedError:
            rows.append(("-", backup_id, "-", "-", "-", "-", Text("damaged", "red")))
            data.append({"backup": backup_id, "damaged": True})
            continue
        age = (now - each.made_at).total_seconds()
        rows.append(
            (
                minute(each.made_at), each.id, age_text(age), count(len(each.tables)),
                count(len(each.views)), _keys(each), f"{each.catalog} at {each.warehouse}",
            )
        )  # fmt: skip
        data.append(
            {
                "backup": each.id,
                "made_at": each.made_at,
                "catalog": each.catalog,
                "warehouse": each.warehouse,
                "tables": [table.name for table in each.tables],
                "views": [view.name for view in each.views],
                "keys": 0 if each.key_ring is None else each.key_ring.keys,
            }
        )
    empty = Text(f"no backups at {store.where}; strandline backup makes one")
    page = text_table(_BACKUPS, rows, width=screen.out.width) if rows else empty
    screen.answer({"place": store.where, "backups": data}, page)


def verify(screen: CommandOutput, backup: str | None, place: str | None, *, settings: str) -> None:
    """Read every copy of a backup."""
    run_settings = block_lookup.settings(settings)
    store = BackupStore.of(backup_target(run_settings, place))
    lake = run_settings.lakehouse
    manifest = (
        store.newest(lake.catalog, lake.warehouse_uri) if backup is None else store.manifest(backup)
    )
    if manifest is None:
        raise NotFoundError(
            where=f"backups at {store.where}",
            expected=f"one of the catalog {lake.catalog}",
            found="none",
            next_step="strandline backup",
        )
    octets = store.verify(manifest)
    data = {"backup": manifest.id, "copies": len(manifest.contents), "bytes": octets}
    said = f"  verified: {many(len(manifest.contents), 'copy')}, {size(octets)}".replace(
        "copys", "copies"
    )
    screen.answer(data, Text.assemble((manifest.id, "bold"), said))


def _keys(manifest: BackupManifest) -> str:
    return count(0 if manifest.key_ring is None else manifest.key_ring.keys)
