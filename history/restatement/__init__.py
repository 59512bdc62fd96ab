"""Computing versions anew: from the stored events, without a batch's, or from another tool's."""

from __future__ import annotations

from history.restatement.import_existing_history import events_of_versions
from history.restatement.rebuild_from_events import RebuildReport, rebuild
from history.restatement.rebuild_scope import RebuildScope
from history.restatement.undo_batch import UndoReport, undo

__all__ = [
    "RebuildReport",
    "RebuildScope",
    "UndoReport",
    "events_of_versions",
    "rebuild",
    "undo",
]
