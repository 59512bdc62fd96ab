"""The records of the audit log, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from strandline.queries.dates_beyond_python_range import FarMoment, moment_at


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record, as the log has it."""

    sequence: int
    recorded_at: datetime | FarMoment | None
    action: str
    subject: str
    actor: str
    reason: str
    contract: str | None
    contract_version: str | None
    batch_id: str | None
    run_id: str | None
    snapshot_id: int | None
    counts: Mapping[str, int]
    key_ids: tuple[str, ...]
    details: Mapping[str, str]
    record_hash: str


def read_audit_records(
    log: DataFrame,
    *,
    subjects: tuple[str, ...] = (),
    action: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[AuditRecord]:
    """The newest records first.

    Args:
        log: The ledger `audit_log`.
        subjects: Of one of these; none for all.
        action: Of this action.
        since: Recorded at or after this; timezone-aware.
        limit: The most to read.
    """
    if subjects:
        log = log.where(F.col("subject").isin(*subjects))
    if action is not None:
        log = log.where(F.col("action") == action)
    if since is not None:
        log = log.where(F.col("recorded_at") >= F.lit(since).cast("timestamp"))
    recorded = F.unix_micros("recorded_at").alias("recorded_at")
    others = [
        name for name in log.columns if name not in ("recorded_at", "previous_hash", "record")
    ]
    rows = log.select(recorded, *others).orderBy(F.col("sequence").desc()).limit(limit).collect()
    return [
        AuditRecord(
            **{
                **row.asDict(),
                "recorded_at": moment_at(row.recorded_at),
                "counts": row.counts or {},
                "key_ids": tuple(row.key_ids or ()),
                "details": row.details or {},
            }
        )
        for row in rows
    ]
