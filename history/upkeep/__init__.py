"""Compaction, snapshot expiry and orphan files of one history table.

Maintenance changes no content. Computing versions anew belongs to `history.restatement`.
"""

from __future__ import annotations

from history.upkeep.compaction import CompactionLimits
from history.upkeep.snapshot_expiry import Retention
from history.upkeep.table_upkeep import UpkeepReport, UpkeepSettings, upkeep

__all__ = [
    "CompactionLimits",
    "Retention",
    "UpkeepReport",
    "UpkeepSettings",
    "upkeep",
]
