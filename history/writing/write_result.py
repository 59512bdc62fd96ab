"""A batch on its audit branch, with the evidence to audit it."""

from __future__ import annotations

from dataclasses import dataclass

from history.iceberg.branches import BranchChanges
from history.iceberg.current_snapshot import CurrentState
from history.model.load_report import LoadReport
from history.planning.merge_plan import MergePlan
from history.writing.surrogate_keys import NewNumbers


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """The plan of a branch, and the changes on it by the table's own counts.

    `state` is the published state once main has moved to the branch's head, `numbers` are the
    surrogate keys of the new versions. `is_newest_read`: the batch is a read of the source, and the
    table has recorded no later one. `one_version_a_key`: nothing was stored before, and by the plan
    each event has a key of its own, of which it opens the one version.
    """

    planned: MergePlan
    changes: BranchChanges
    state: CurrentState
    numbers: NewNumbers
    is_newest_read: bool = False
    one_version_a_key: bool = False


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The report of a batch that is ready to publish, with the evidence that an audit needs.

    Without evidence there was nothing to write, and the report is final.
    """

    report: LoadReport
    evidence: AuditEvidence | None = None
