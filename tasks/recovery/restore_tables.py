"""Tables and views brought back: found, compared, looked through, and pointed to.

Promise: before a name is pointed elsewhere, every file that its readers would open was looked for,
and a missing one is said by name. A table is locked meanwhile, as a load locks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from py4j.protocol import Py4JJavaError

from blocks.run_settings import RunSettings
from contracts.errors import BackupDamagedError, RestoreRefusedError, StrandlineError
from tasks.lifecycle.table_lock import table_lock
from tasks.recovery.backup_manifest import BackupManifest, SavedPointer
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.iceberg_catalog import KEPT_EVENTS, IcebergCatalog, Pointer
from tasks.recovery.move_table import Move, MovedTable
from tasks.recovery.plan_restore import (
    Found,
    Refusal,
    Step,
    newest_of,
    step_for,
    step_for_moved,
)
from tasks.recovery.restore_request import RestoredTable, RestoreRequest
from tasks.run.spark_error_mapping import map_spark_errors

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TablesRestore:
    """One restore of tables and views."""

    catalog: IcebergCatalog
    store: BackupStore
    settings: RunSettings
    request: RestoreRequest
    move: Move | None = None

    def run(self, manifest: BackupManifest) -> tuple[RestoredTable, ...]:
        """Bring back what the manifest has; an error of one table is an outcome of it."""
        for name, properties in manifest.namespaces.items():
            needed = any(
                each.name.rpartition(".")[0] == name for each in (*manifest.tables, *manifest.views)
            )
            if not self.request.dry_run and (needed or not self.request.tables):
                given = (
                    properties if self.move is None else self.move.moved_within(dict(properties))
                )
                self.catalog.create_namespace(name, given)
        tables = map(self._where_it_is, _kept_first(manifest.tables))
        views = map(self._where_it_is, manifest.views)
        return (
            *(self._guarded(each, self._table) for each in tables),
            *(self._guarded(each, self._view) for each in views),
        )

    def _where_it_is(self, saved: SavedPointer) -> SavedPointer:
        """What was saved, with the address that its metadata file has now."""
        if self.move is None:
            return saved
        return replace(saved, location=self.move.moved(saved.location))

    def _guarded(
        self, saved: SavedPointer, restored: Callable[[SavedPointer], RestoredTable]
    ) -> RestoredTable:
        """The outcome; an error of one table is an outcome, and stops no other."""
        try:
            with ExitStack() as held:
                if not self.request.dry_run:
                    target = f"{self.catalog.name}.{saved.name.removesuffix(KEPT_EVENTS)}"
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
        if self._is_elsewhere(found):
            step = step_for_moved(step)
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
        location = target.location
        if self.move is not None:
            if self.request.dry_run:
                return outcome
            location = self._moved(self.move, location, content)
            content = None
        missing = self.catalog.missing_files(location, content)
        if missing and self._is_stage(saved):
            return RestoredTable(saved.name, Step.GONE)
        if missing and not self.request.force:
            raise _incomplete(saved, missing)
        if not self.request.dry_run:
            if content is not None:
                self.catalog.write(location, content)
            instead = outcome.step is Step.REPLACE
            self.catalog.point_table_to(saved.name, location, instead=instead)
        return outcome

    def _moved(self, move: Move, location: str, content: bytes | None) -> str:
        """New metadata with the addresses of now, which name those of before."""
        if content is not None:
            self.catalog.write(location, content)
        return MovedTable(self.catalog, move).written(location)

    def _is_elsewhere(self, found: Found) -> bool:
        """Whether the catalog still points to where the warehouse was."""
        now = found.pointer
        return self.move is not None and now is not None and self.move.is_old(now.location)

    def _view(self, saved: SavedPointer) -> RestoredTable:
        found = _found(self.catalog.view, saved.name)
        elsewhere = self._is_elsewhere(found)
        if found.pointer is not None and not elsewhere:
            return RestoredTable(saved.name, Step.UNCHANGED)
        instead = found.unreadable or elsewhere
        back = not self.catalog.has(saved.location)
        if not self.request.dry_run:
            location = saved.location
            if back:
                self.catalog.write(location, self.store.get(saved.content))
            if self.move is not None:
                location = MovedTable(self.catalog, self.move).written_view(location)
            self.catalog.point_view_to(saved.name, location, instead=instead)
        step = Step.REPLACE if instead else Step.REGISTER
        return RestoredTable(saved.name, step, written_back=back)

    def _is_stage(self, saved: SavedPointer) -> bool:
        return saved.name.rpartition(".")[0] == self.settings.stage_namespace


def _kept_first(tables: tuple[SavedPointer, ...]) -> Iterator[SavedPointer]:
    """What a history refers to before the history, so that no reader finds half of both."""
    yield from (each for each in tables if each.name.endswith(KEPT_EVENTS))
    yield from (each for each in tables if not each.name.endswith(KEPT_EVENTS))


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
