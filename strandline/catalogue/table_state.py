"""What became of a contract's table: how its last load ended, and how fresh its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class TableState:
    """The state of one table when the catalogue was made; None where there is nothing to say.

    `last_state` is how the last load ended, `loaded_at` when. `newest_row` is how far the source
    was read; None also where its rows are not dated by a moment.
    """

    exists: bool
    last_state: str | None = None
    loaded_at: datetime | None = None
    published_at: datetime | None = None
    newest_row: datetime | None = None
    versions: int | None = None
    open_versions: int | None = None
    score: float | None = None

    def age_hours(self, now: datetime) -> float | None:
        """How old the newest row is."""
        if self.newest_row is None:
            return None
        return (now - self.newest_row).total_seconds() / _HOUR
