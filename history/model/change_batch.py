"""One batch of one history table, described once for every step of the load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from history.model.control_totals import ControlTotals
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import ClosingLimit, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is loaded, into which table and how.

    Attributes:
        table: `catalog.namespace.name` of the history.
        settings: How its versions are kept.
        id: Names the batch; a batch that was published before changes nothing.
        time: When it was taken, for the time stamps; timezone-aware.
        quarantine: The table that refused rows are appended to.
        source: The source's name, for the quarantine.
        read: Of a state source: the read that returned the batch.
        opened: What must be open once a full read is loaded; None: not checked.
        watermark: How far the source has been read, as text. A load that moves it is published
            even if no version changes, so that the next one need not read the same again.
        closing: How many keys a full read may close; None: any number.
        properties: Further entries for the snapshot summary.
        released: The rows come from the quarantine. Those of a state source carry the instants of
            their own reads in the sequence column, and `read` is None: their keys were read since,
            and refused again or not read, so that nothing follows from the reads in between.
    """

    table: str
    settings: HistorySettings
    id: str
    time: datetime
    quarantine: str
    source: str = ""
    read: Read | None = None
    closing: ClosingLimit | None = None
    opened: ControlTotals | None = None
    watermark: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    released: bool = False

    @property
    def branch(self) -> str:
        """The branch that the batch is written on before it is published."""
        return audit_branch_name(self.id)


_PREFIX = "audit_"


def audit_branch_name(batch_id: str) -> str:
    """The audit branch of a batch: letters, digits and underscores of ASCII, one for each id."""
    plain = re.sub(r"\W", "_", batch_id, flags=re.ASCII)
    suffix = "" if plain == batch_id else f"_{sha256(batch_id.encode()).hexdigest()[:16]}"
    return f"{_PREFIX}{plain}{suffix}"
