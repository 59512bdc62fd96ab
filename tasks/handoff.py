"""What one step hands to the next: names, snapshots and counts, never rows.

Frozen and picklable, so that Prefect may keep, show and resend them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from history.report import LoadReport


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one load has to read: bounds and slices, found without reading a row.

    `query` selects the rows, `slices` are conditions that cut them into parts to be read side by
    side, each row in one of them. `after` is the published watermark (None: the first load or a
    full one), `until` the greatest watermark at the moment of asking, `rows` how many there are
    in between, overlap included.
    """

    query: str
    slices: tuple[str, ...]
    after: datetime | None
    until: datetime | None
    rows: int
    first_load: bool


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
    `watermark` is the greatest watermark value read (None: no row, or a full load).
    """

    table: str
    rows_read: int
    staged: int
    refused: int
    ignored: int
    repeated: int
    watermark: datetime | None
    findings: tuple[Finding, ...] = ()


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

    `step_seconds` says how long each step took, those that were repeated in all.
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

    @property
    def elapsed_seconds(self) -> float:
        """From taking the batch to having recorded it."""
        return (self.ended - self.started).total_seconds()
