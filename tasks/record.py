"""Record: what the run did, for people and auditors: lineage, metrics, and the run's own page.

Promise: a batch is recorded once. A run that was stopped between publishing and recording is made
up for by the next one, from what the snapshot itself says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts.errors import DataError, StrandlineError
from history import LoadReport
from history.columns import named
from history.report import REPORT
from history.table import BATCH_ID, WATERMARK, Published, exists, published
from tasks.handoff import LoadSummary, StagedBatch, Verdict
from tasks.ledgers import append
from tasks.merge import PIPELINE
from tasks.run import Run
from tasks.source_rows import applied
from tasks.spill import spilled_bytes
from tasks.step import Figures, step
from tasks.usage import Usage, UsageWatch

_TOUCHED = ("files_read", "bytes_read", "files_written", "bytes_written")
PUBLISHED, UNCHANGED, REFUSED, FAILED = "published", "unchanged", "refused", "failed"


def _figures(summary: LoadSummary) -> Figures:
    return {"seconds": round(summary.elapsed_seconds, 1)}


@step("record", figures=_figures, publishes=True)
def record(
    run: Run, staged: StagedBatch, verdict: Verdict, report: LoadReport, watch: UsageWatch
) -> LoadSummary:
    """Append the batch's lineage and metrics; the summary is what the run hands back."""
    ended = datetime.now(UTC)
    usage = watch.result()
    if report.published:
        _append_lineage(run, run.batch_id)
    metrics = _metrics(run, ended, usage) | {
        "state": PUBLISHED if report.published else UNCHANGED,
        "rows_read": staged.rows_read,
        "rows_refused": staged.refused,
        "rows_ignored": staged.ignored,
        "rows_repeated": staged.repeated,
        "rows_staged": staged.staged,
        "data_quality_score": verdict.score,
        "watermark": staged.watermark,
        "snapshot_id": report.snapshot_id,
        "commit_retries": report.attempts - 1,
        **{name: getattr(report, name) for name in _TOUCHED},
        **_history_counts(report.counts()),
    }
    if not report.replayed:
        # Otherwise it was recorded when it was published, or when this run began.
        _append_metrics(run, metrics)
    return LoadSummary(
        contract=run.contract.name,
        target=run.target,
        batch_id=run.batch_id,
        run_id=run.run_id,
        started=run.started,
        ended=ended,
        staged=staged,
        verdict=verdict,
        report=report,
        memory_mb=usage.memory_mb,
        cpu_percent=usage.cpu_percent,
    )


def record_failure(run: Run, error: StrandlineError, watch: UsageWatch) -> None:
    """Append the metrics of a run that published nothing."""
    usage = watch.result()
    metrics = _metrics(run, datetime.now(UTC), usage) | {
        "state": REFUSED if isinstance(error, DataError) else FAILED,
        "errors_count": 1,
        "error_kind": type(error).__name__,
    }
    _append_metrics(run, metrics)


def record_unrecorded(run: Run) -> None:
    """Make up for a run of this table that was stopped between publishing and recording."""
    state = published(run.spark, run.target) if exists(run.spark, run.target) else None
    if state is None or not is_unrecorded(run.spark, state, run.ledger("run_metrics")):
        return
    batch_id = state.properties[BATCH_ID]
    _append_lineage(run, batch_id)
    _append_metrics(run, _from_summary(run, state, batch_id))


def is_unrecorded(spark: SparkSession, state: Published, ledger: str) -> bool:
    """Whether the state is that of a load which the ledger of runs does not know."""
    batch_id = state.properties.get(BATCH_ID)
    if batch_id is None or PIPELINE not in state.properties:
        return False
    done = (F.col("batch_id") == batch_id) & (F.col("state") == PUBLISHED)
    return not spark.table(ledger).where(done).limit(1).collect()


def _from_summary(run: Run, state: Published, batch_id: str) -> dict[str, object]:
    told = json.loads(state.properties[PIPELINE])
    counts = json.loads(state.properties[REPORT])
    mark = state.properties.get(WATERMARK)
    return {
        "job_id": told["run_id"],
        "batch_id": batch_id,
        "contract": run.contract.name,
        "target_table": run.target,
        "start_time": datetime.fromisoformat(told["started"]),
        "end_time": run.started,
        "state": PUBLISHED,
        "data_quality_score": told["score"],
        "watermark": datetime.fromisoformat(mark) if mark else None,
        "errors_count": 0,
        "snapshot_id": state.snapshot_id,
        **_history_counts(counts),
        **{name: value for name, value in told.items() if name.startswith("rows_")},
    }


def _metrics(run: Run, ended: datetime, usage: Usage) -> dict[str, object]:
    return {
        "job_id": run.run_id,
        "batch_id": run.batch_id,
        "contract": run.contract.name,
        "target_table": run.target,
        "start_time": run.started,
        "end_time": ended,
        "memory_usage_mb": usage.memory_mb,
        "cpu_usage_percent": usage.cpu_percent,
        "spilled_bytes": spilled_bytes(run.spark, run.batch_id),
        "errors_count": 0,
    }


def _history_counts(counts: Mapping[str, object]) -> dict[str, object]:
    return {
        "versions_opened": counts["opened"],
        "versions_closed": counts["closed"],
        **{name: counts[name] for name in ("late", "deleted", "unchanged")},
    }


def _append_metrics(run: Run, metrics: Mapping[str, object]) -> None:
    """One row, in the ledger's own columns; what is not known of a run is null."""
    table = run.ledger("run_metrics")
    names = run.spark.table(table).columns
    row = run.spark.sql(
        "SELECT " + ", ".join(f":{name} AS {name}" for name in names),
        {name: metrics.get(name) for name in names},
    )
    append(row, table)


def _append_lineage(run: Run, batch_id: str) -> None:
    """One row per version that the batch opened (spec 3.1), unless they are there already."""
    contract = run.contract
    surrogate, batch = contract.generated("surrogate_key"), contract.generated("batch_id")
    if surrogate is None or batch is None or not any(c.lineage for c in contract.columns):
        return
    table = run.ledger("data_lineage")
    held = run.spark.table(table).where(F.col("target_table") == run.target)
    if held.where(F.col("batch_id") == batch_id).limit(1).collect():
        return
    score = contract.generated("row_score")
    opened = run.spark.table(run.target).where(named(batch.name) == batch_id)
    record_id = named(surrogate.name)
    rows = opened.select(
        F.xxhash64(F.lit(run.target), record_id).alias("lineage_id"),
        F.lit(contract.source.relation).alias("source_table"),
        F.lit(run.target).alias("target_table"),
        record_id.alias("record_id"),
        F.lit(applied(contract)).alias("transformation_applied"),
        F.lit(run.started).alias("processed_timestamp"),
        named(batch.name).alias("batch_id"),
        (named(score.name) if score else F.lit(None)).alias("data_quality_score"),
    )
    append(rows, table)
