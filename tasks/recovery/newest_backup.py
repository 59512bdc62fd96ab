"""How old the newest backup is, beside how old it may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blocks.run_settings import RunSettings
from contracts.errors import StrandlineError
from tasks.recovery.backup_store import BackupStore


@dataclass(frozen=True, slots=True)
class BackupState:
    """The newest backup of a lakehouse.

    Attributes:
        state: `in time`, `too old`, `none yet`, `not configured`, or the kind of error.
        backup: Its id.
        made_at: When it was made.
        age_seconds: How long ago that is.
        place: Where it is.
    """

    state: str
    backup: str | None = None
    made_at: datetime | None = None
    age_seconds: float | None = None
    place: str | None = None

    @property
    def is_in_order(self) -> bool:
        """Whether no more can be lost than the recovery point allows."""
        return self.state == "in time"


def newest_backup(settings: RunSettings, *, now: datetime) -> BackupState:
    """The newest backup; a place that does not answer is a state, no error.

    Args:
        settings: They name the backup target.
        now: The time from which ages are counted; timezone-aware.
    """
    target, lake = settings.backups, settings.lakehouse
    if target is None:
        return BackupState("not configured")
    try:
        newest = BackupStore.of(target).newest(lake.catalog, lake.warehouse_uri)
    except StrandlineError as error:
        return BackupState(type(error).__name__, place=target.location)
    if newest is None:
        return BackupState("none yet", place=target.location)
    age = (now - newest.made_at).total_seconds()
    state = "in time" if age <= target.recovery_point_minutes * 60 else "too old"
    return BackupState(state, newest.id, newest.made_at, age, target.location)
