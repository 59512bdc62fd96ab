"""SCD2 history of change events in an Apache Iceberg table; usable on its own.

`load_changes` takes a DataFrame of change events and a table name. The resulting history
is a function of the set of accepted events alone: their order, their batches, repeats and crashes
do not change it.
"""

from __future__ import annotations

from history.model.change_batch import Batch
from history.model.history_settings import HistorySettings
from history.model.load_report import LoadReport
from history.model.recorded_source_reads import ClosingLimit, Read
from history.restatement.import_existing_history import events_of_versions
from history.write_audit_publish import audit_changes, load_changes, publish_changes, write_changes
from history.writing.write_result import WriteResult

__all__ = [
    "Batch",
    "ClosingLimit",
    "HistorySettings",
    "LoadReport",
    "Read",
    "WriteResult",
    "audit_changes",
    "events_of_versions",
    "load_changes",
    "publish_changes",
    "write_changes",
]
