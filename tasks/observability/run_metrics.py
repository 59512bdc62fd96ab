"""One row of metrics per run: what it read, published and cost, or why it failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts.errors import DataError, StrandlineError
from history.iceberg.current_snapshot import BATCH_ID, WATERMARK, CurrentState
from history.iceberg.history_table import find_state
from history.model.load_report import REPORT
from tasks.observability.audit_log.audit_of_tables import settle_newest
from tasks.observability.ledger_tables import append_row
from tasks.observability.lineage_rows import append_lineage
from tasks.observability.resource_usage import Usage, UsageWatch
from tasks.observability.spark_spill import spilled_bytes
from tasks.run.run_context import PIPELINE, Run

PUBLISHED, UNCHANGED, REFUSED, FAILED = "published", "unchanged", "refused", "failed"


def record_failure(
    run: Run, error: StrandlineError, watch: UsageWatch, step_seconds: Mapping[str, float]
) -> None:
    """Append the metrics of a run that published nothing; its steps are those that were done."""
    usage = watch.result()
    metrics = metrics_of(run, datetime.now(UTC), usage) | {
        "state": REFUSED if isinstance(error, DataError) else FAILED,
        "errors_count": 1,
        "error_kind": type(error).__name__,
        "step_milliseconds": milliseconds(step_seconds),
    }
    append_metrics(run, metrics)


def record_unrecorded(run: Run) -> None:
    """Record a run of this table that was stopped between publishing and recording."""
    state = find_state(run.spark, run.target)
    if state is None:
        return
    unrecorded = is_unrecorded(run.spark, state, run.ledger("run_metrics"))
    if unrecorded or PIPELINE not in state.properties:
        settle_newest(run.spark, run.settings, run.target, state, at=datetime.now(UTC))
    if not unrecorded:
        return
    batch_id = state.properties[BATCH_ID]
    append_lineage(run, batch_id)
    append_metrics(run, _from_summary(run, state, batch_id))


def is_unrecorded(spark: SparkSession, state: CurrentState, ledger: str) -> bool:
    """Whether the state is of a load that the ledger of runs lacks."""
    batch_id = state.properties.get(BATCH_ID)
    if batch_id is None or PIPELINE not in state.properties:
        return False
    recorded = (F.col("batch_id") == batch_id) & (F.col("state") == PUBLISHED)
    return not spark.table(ledger).where(recorded).limit(1).collect()


def _from_summary(run: Run, state: CurrentState, batch_id: str) -> dict[str, object]:
    pipeline = json.loads(state.properties[PIPELINE])
    counts = json.loads(state.properties[REPORT])
    watermark = state.properties.get(WATERMARK)
    return {
        "job_id": pipeline["run_id"],
        "batch_id": batch_id,
        "contract": run.name,
        "target_table": run.target,
        "start_time": datetime.fromisoformat(pipeline["started"]),
        "end_time": run.started,
        "state": PUBLISHED,
        "data_quality_score": pipeline["score"],
        "watermark": datetime.fromisoformat(watermark) if watermark else None,
        "errors_count": 0,
        "snapshot_id": state.snapshot_id,
        **history_counts(counts),
        **{name: value for name, value in pipeline.items() if name.startswith("rows_")},
    }


def metrics_of(run: Run, ended: datetime, usage: Usage) -> dict[str, object]:
    """The metrics of every run, however it ended."""
    return {
        "job_id": run.run_id,
        "batch_id": run.batch_id,
        "contract": run.name,
        "target_table": run.target,
        "start_time": run.started,
        "end_time": ended,
        "memory_usage_mb": usage.memory_mb,
        "cpu_usage_percent": usage.cpu_percent,
        "spilled_bytes": spilled_bytes(run.spark, run.batch_id),
        "errors_count": 0,
    }


def history_counts(counts: Mapping[str, object]) -> dict[str, object]:
    """The counts of a load's report under the names of the metrics."""
    return {
        "versions_opened": counts["opened"],
        "versions_closed": counts["closed"],
        **{name: counts[name] for name in ("late", "deleted", "unchanged")},
    }


def milliseconds(step_seconds: Mapping[str, float]) -> dict[str, int] | None:
    """The seconds of steps as whole milliseconds, which a ledger's maps hold; None without any."""
    return {step: round(1000 * seconds) for step, seconds in step_seconds.items()} or None


def append_metrics(run: Run, metrics: Mapping[str, object]) -> None:
    """One row, in the ledger's own columns; metrics that a run lacks are null."""
    append_row(run.spark, run.ledger("run_metrics"), metrics)
