"""What one step hands to the next: names, snapshots and counts, never rows.

Frozen and picklable, so that Prefect may keep, show and resend them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.model import Contract
from history.reads import Read
from history.report import LoadReport


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one load has to read: bounds and slices, found without reading a row.

    Attributes:
        contract: What the table promises, and what the source is (`contracts.kind.settled`).
        taken_because: Why the source is taken for what it is; empty: the contract says it.
        query: Selects the rows.
        slices: Conditions that cut them into parts to be read side by side, each row in one.
        rows: How many there are, overlap included.
        first_load: Nothing was published yet.
        full: Every row of the source is read.
        after: The published watermark that the read begins at; None: at the first row.
        watermark: The published one, which never moves back; None: there is none to be believed.
        read_at: The instant of the read, by the source's clock, and its place after all before it.
        watermark_limit: How far a watermark is believed: the source's clock, or the start of its
            oldest open transaction.
        judged_until: The greatest watermark that an earlier batch has judged and counted.
        one_row_a_key: The source itself has no two rows of one key.
        read: Of a state: the read as its history keeps it.
    """

    contract: Contract
    taken_because: str
    query: str
    slices: tuple[str, ...]
    rows: int
    first_load: bool
    full: bool
    after: datetime | None
    watermark: datetime | None
    read_at: datetime
    watermark_limit: datetime
    judged_until: datetime | None
    one_row_a_key: bool
    read: Read | None


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check went over the whole batch."""

    check: str
    columns: tuple[str, ...]
    severity: str
    failed: int
    evaluated: int
    weight: float = 1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """The judged and protected rows of one batch, written once.

    `rows_read` counts what left the source; it equals refused + ignored + repeated + staged.
    `repeated` rows say exactly what an open version already says and were not written.
    `watermark` is the greatest of the rows that were not refused, within the source's own clock
    (None: there is none). `read` says which read of its source the batch is, where that is read as
    it is now; it is full where the contract closes keys that are absent from a full load.
    `judged_until` is the greatest watermark of all rows up to the read.
    """

    table: str
    rows_read: int
    staged: int
    refused: int
    ignored: int
    repeated: int
    watermark: datetime | None
    findings: tuple[Finding, ...] = ()
    read: Read | None = None
    judged_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement over a batch: score in [0, 1], None when there was nothing to judge."""

    score: float | None
    threshold: float
    passed: bool
    findings: tuple[Finding, ...] = ()
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """How one table's load ended: what the command line and the run's page show.

    `step_seconds` says how long each step took, those that were repeated in all. `source_kind` is
    what the source was taken for, `taken_because` why, where the contract does not say.
    """

    contract: str
    target: str
    batch_id: str
    run_id: str
    started: datetime
    ended: datetime
    staged: StagedBatch
    verdict: Verdict
    report: LoadReport
    memory_mb: float = 0.0
    cpu_percent: float = 0.0
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    source_kind: str = ""
    taken_because: str = ""

    @property
    def elapsed_seconds(self) -> float:
        """From taking the batch to having recorded it."""
        return (self.ended - self.started).total_seconds()
