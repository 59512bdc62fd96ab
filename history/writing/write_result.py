"""A batch that lies on its audit branch, and what there is to check it by."""

from __future__ import annotations

from dataclasses import dataclass

from history.iceberg.branches import BranchChanges
from history.iceberg.current_state import CurrentState
from history.model.load_report import LoadReport
from history.planning.merge_plan import MergePlan


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """What a branch was meant to become, and what the table says it became.

    `state` is what will be published once main has moved to the branch's head. `is_newest_read`:
    the batch is a read of the source, and none that came later is known.
    """

    planned: MergePlan
    growth: BranchChanges
    state: CurrentState
    is_newest_read: bool = False


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What publishing a batch will have done, with the evidence an audit needs.

    Without evidence there was nothing to write, and the report is final.
    """

    report: LoadReport
    evidence: AuditEvidence | None = None
