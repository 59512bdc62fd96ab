"""Computing versions anew: from the stored events, or from a history that another tool kept."""

from __future__ import annotations

from history.restatement.import_existing_history import events_of_versions
from history.restatement.rebuild_from_events import RebuildReport, rebuild
from history.restatement.rebuild_scope import RebuildScope

__all__ = [
    "RebuildReport",
    "RebuildScope",
    "events_of_versions",
    "rebuild",
]
