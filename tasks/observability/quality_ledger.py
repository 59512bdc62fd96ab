"""How every batch was judged, in two ledgers: the verdict with its checks, and the unusual rows.

Promise: a judged batch is in the ledger once, whether or not it was published, however often its
run is retried; the last judgement counts. A batch costs one commit of each ledger that it is in.
"""

from __future__ import annotations

import json
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.java_table import schema_of_table
from tasks.observability.ledger_tables import append
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.implicit_checks import ANOMALY
from tasks.transforms.checks.quality_score import Outcome
from tasks.transforms.checks.verdict import Verdict

QUALITY_FINDINGS, UNUSUAL_ROWS = "quality_findings", "unusual_rows"
BATCH, CHECK = "batch", "check"
"""What a row of `quality_findings` is about: its column `grain`."""

EXAMPLES_PER_FEATURE = 100
"""So many unusual rows of a feature are kept: those that lie farthest."""


def record_quality(
    run: Run,
    staged: StagedBatch,
    verdict: Verdict,
    *,
    contract_version: str,
    judged_at: datetime,
) -> None:
    """Append the verdict on a batch and how each check went, in one commit.

    Called for each judged batch, also for one that is not published.
    """
    table = run.ledger(QUALITY_FINDINGS)
    schema = schema_of_table(run.spark, table)
    common = {
        "contract": run.name,
        "contract_version": contract_version,
        "target_table": run.target,
        "batch_id": run.batch_id,
        "job_id": run.run_id,
        "judged_at": judged_at,
    }
    own = T.StructType([field for field in schema.fields if field.name not in common])
    figures = _rows_from(
        run.spark, [_batch_row(staged, verdict), *_check_rows(staged, verdict)], own
    )
    rows = figures.select(*[F.lit(value).alias(name) for name, value in common.items()], "*")
    _record_once(run, table, rows)


def record_unusual_rows(run: Run, unusual: DataFrame, *, judged_at: datetime) -> None:
    """Append the unusual rows of a batch: the farthest of each feature, and the feature's count.

    Args:
        run: The run that judged the batch.
        unusual: One row per unusual row with `record_key` (the key as JSON, protected as in the
            target), `feature` (the one that contributes most) and `distance` (multiples of the
            threshold).
        judged_at: When the batch was judged.
    """
    of_feature = Window.partitionBy("feature")
    farthest = of_feature.orderBy(F.col("distance").desc(), F.col("record_key"))
    ranked = unusual.select(
        F.lit(run.target).alias("target_table"),
        F.lit(run.batch_id).alias("batch_id"),
        F.lit(judged_at).alias("judged_at"),
        "record_key",
        "feature",
        "distance",
        F.count(F.lit(1)).over(of_feature).alias("feature_rows"),
        F.row_number().over(farthest).alias("rank"),
    )
    kept = ranked.where(F.col("rank") <= EXAMPLES_PER_FEATURE).drop("rank").coalesce(1)
    _record_once(run, run.ledger(UNUSUAL_ROWS), kept)


def _record_once(run: Run, table: str, rows: DataFrame) -> None:
    # A retry may judge otherwise: a state source is then read anew. Its last judgement counts.
    if run.spark.table(table).where(_of_batch(run)).limit(1).collect():
        run.spark.sql(
            f"DELETE FROM {table} WHERE target_table = :target AND batch_id = :batch",  # noqa: S608
            {"target": run.target, "batch": run.batch_id},
        )
    append(rows, table)


def _of_batch(run: Run) -> Column:
    return (F.col("target_table") == run.target) & (F.col("batch_id") == run.batch_id)


def _batch_row(staged: StagedBatch, verdict: Verdict) -> dict[str, object]:
    evaluated = Outcome.NOT_EVALUATED if verdict.score is None else Outcome.PASSED
    return {
        "grain": BATCH,
        "outcome": evaluated if verdict.passed else Outcome.FAILED,
        "rows_read": staged.rows_read,
        "rows_judged": verdict.rows,
        "rows_quarantined": verdict.quarantined,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "refused_percent": verdict.refused_percent,
        "refused_limit": verdict.refused_limit,
        "reasons": verdict.reasons,
    }


def _check_rows(staged: StagedBatch, verdict: Verdict) -> list[dict[str, object]]:
    return [
        {
            "grain": CHECK,
            "outcome": finding.outcome,
            "check": finding.check,
            "rule": finding.rule,
            "columns": finding.columns,
            "dimension": finding.dimension,
            "severity": finding.severity,
            "failed": finding.failed,
            "evaluated": finding.evaluated,
            "weight": finding.weight,
            "metric": finding.metric,
            "limit": finding.limit,
            "note": finding.note,
            "model": staged.anomalies if finding.rule == ANOMALY and staged.anomalies else None,
        }
        for finding in verdict.findings
    ]


def _rows_from(
    spark: SparkSession, values: list[dict[str, object]], schema: T.StructType
) -> DataFrame:
    """Rows of plain values as one literal: one partition, so one file, and no Python worker."""
    text = F.lit(json.dumps(values))
    parsed = F.from_json(text, T.ArrayType(schema), {"mode": "FAILFAST"})
    return spark.range(1, numPartitions=1).select(F.inline(parsed))
