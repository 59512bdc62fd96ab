"""What one load did to a history table, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

REPORT = "strandline.report"
"""The entry of the snapshot summary that holds the counts of the batch, as JSON."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Counts of one batch.

    Attributes:
        batch_id: The batch these counts belong to.
        snapshot_id: The table's snapshot after the load; None only if there never was one.
        published: Whether the load changed the table (False: an empty difference or a replay).
        events: Distinct accepted events that are new to the table.
        opened: Versions added to the table.
        closed: Versions that were open before the load and are closed after it.
        deleted: Delete events among the new ones.
        unchanged: New events that equal the version before them.
        late: New events before the latest known event of their key.
        repeated: Events that the table had already, or that occur twice in the batch.
        superseded: Events that lost their instant to one with a greater tie-breaker.
        withdrawn: Published versions that were taken back: another event of their instant
            contradicts the one they came from, and nothing decides between them.
        refused: Rows that were not accepted, by reason.
        surrogate_high_water: The greatest surrogate key in use after the load.
        replayed: The batch was published before, and these are its counts from then.
        attempts: How often the load was planned (more than 1: another writer published first).
        files_read: Data files with open versions that might contain a key of the batch.
        bytes_read: Their size: at most this was read, less the columns and row groups that were
            skipped.
        files_written: Data and delete files of the history that the load wrote.
        bytes_written: Their size.
    """

    batch_id: str
    snapshot_id: int | None
    published: bool
    events: int = 0
    opened: int = 0
    closed: int = 0
    deleted: int = 0
    unchanged: int = 0
    late: int = 0
    repeated: int = 0
    superseded: int = 0
    withdrawn: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    surrogate_high_water: int = 0
    replayed: bool = False
    attempts: int = 1
    files_read: int = 0
    bytes_read: int = 0
    files_written: int = 0
    bytes_written: int = 0

    def counts(self) -> dict[str, object]:
        """What the batch did, without what identifies it: the numbers worth keeping."""
        counts = asdict(self)
        for name in _NOT_COUNTS:
            del counts[name]
        return counts


_NOT_COUNTS = (
    *("batch_id", "snapshot_id", "published", "surrogate_high_water", "replayed", "attempts"),
    *("files_read", "bytes_read", "files_written", "bytes_written"),
)
