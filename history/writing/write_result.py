"""A batch on its audit branch, with the evidence to audit it."""

from __future__ import annotations

from dataclasses import dataclass

from history.iceberg.branches import BranchChanges
from history.iceberg.current_snapshot import CurrentState
from history.model.load_report import LoadReport
from history.planning.merge_plan import MergePlan


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """The plan of a branch, and the changes on it by the table's own counts.

    `state` is the published state once main has moved to the branch's head. `is_newest_read`:
    the batch is a read of the source, and the table has recorded no later one.
    """

    planned: MergePlan
    changes: BranchChanges
    state: CurrentState
    is_newest_read: bool = False


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The report of a batch that is ready to publish, with the evidence that an audit needs.

    Without evidence there was nothing to write, and the report is final.
    """

    report: LoadReport
    evidence: AuditEvidence | None = None
