"""What one step hands to the next: names, snapshots and counts, never rows.

Frozen and picklable, so that Prefect may keep, show and resend them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from history.report import LoadReport


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
    refused_by_reason: Mapping[str, int] = field(default_factory=dict)


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
    """How one table's load ended: what the command line and the run's page show."""

    contract: str
    target: str
    batch_id: str
    run_id: str
    started: datetime
    ended: datetime
    staged: StagedBatch
    verdict: Verdict
    report: LoadReport
    seconds: Mapping[str, float] = field(default_factory=dict)
