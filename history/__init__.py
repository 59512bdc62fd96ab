"""SCD2 history of change events in an Apache Iceberg table; usable on its own.

`load_changes` takes a DataFrame of change events and a table name. The history it leaves is a
function of the set of accepted events alone: their order, their batches, repeats and crashes do
not change it.
"""

from __future__ import annotations

from history.backfill import events_of_versions
from history.batch import Batch
from history.loading import audit_changes, load_changes, publish_changes, write_changes
from history.reads import ClosingLimit, Read
from history.report import LoadReport
from history.settings import HistorySettings
from history.written import Written

__all__ = [
    "Batch",
    "ClosingLimit",
    "HistorySettings",
    "LoadReport",
    "Read",
    "Written",
    "audit_changes",
    "events_of_versions",
    "load_changes",
    "publish_changes",
    "write_changes",
]
