"""What is to be brought back, and what was: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import StrandlineError
from tasks.recovery.backup_manifest import BackupManifest
from tasks.recovery.move_table import Move
from tasks.recovery.plan_restore import Step
from tasks.recovery.restore_key_ring import RestoredKeys


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
        moved_from: The address of the warehouse when the backup was made, if it was moved since.
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
    moved_from: str | None = None
    force: bool = False
    dry_run: bool = False

    def move_to(self, warehouse: str) -> Move | None:
        """The move of the warehouse to where it is now; None: it was not moved."""
        return None if self.moved_from is None else Move.between(self.moved_from, warehouse)


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
