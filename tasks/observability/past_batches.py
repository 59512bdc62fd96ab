"""The metrics of a table's earlier batches that passed, to compare a new one with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from tasks.observability.quality_ledger import BATCH
from tasks.transforms.anomalies.anomaly_model import AnomalyModel
from tasks.transforms.checks.batch_checks import (
    NULL_RULES,
    NULLS_PERCENT,
    REFUSED_PERCENT,
    ROWS,
    SCORE,
    null_rate,
)
from tasks.transforms.checks.quality_score import Outcome

BATCHES_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class PastBatches:
    """What is known of the newest batches that passed, each list oldest first.

    Attributes:
        metrics: The metrics of checks, by check and column.
        figures: Rows that counted, score, share of refused rows, and shares of nulls, by name and
            column, each with the moment it was judged.
        model: The newest model of unusual rows; None: there is none.
    """

    metrics: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    figures: Mapping[tuple[str, str], Sequence[tuple[datetime, float]]] = field(
        default_factory=dict
    )
    model: AnomalyModel | None = None


def past_batches(ledger: DataFrame, target: str, *, without: Collection[str]) -> PastBatches:
    """The newest batches of a table that passed.

    Args:
        ledger: The ledger `quality_findings`.
        target: The history table.
        without: Batches that are left out: the one that is judged, which a retry may find there,
            and those that were undone.
    """
    rows = ledger.where((F.col("target_table") == target) & ~F.col("batch_id").isin(*without))
    passed = (F.col("grain") == BATCH) & (F.col("outcome") == Outcome.PASSED.value)
    newest = rows.where(passed).select(
        "batch_id", F.row_number().over(Window.orderBy(F.col("judged_at").desc())).alias("__age")
    )
    recent = F.broadcast(newest.where(F.col("__age") <= BATCHES_LOOKED_AT))
    wanted = passed | F.col("metric").isNotNull() | F.col("model").isNotNull()
    wanted = wanted | F.col("rule").isin(*NULL_RULES)
    found = (
        rows.where(wanted)
        .join(recent, "batch_id")
        .select(
            "grain", "check", "rule", "columns", "failed", "evaluated", "metric", "model",
            F.unix_micros("judged_at").alias("judged_at"),
            F.col("rows_judged").alias(ROWS), F.col("score").cast("double").alias(SCORE),
            F.col("refused_percent").cast("double").alias(REFUSED_PERCENT),
        )
        .orderBy("judged_at")
        .collect()
    )  # fmt: skip
    metrics: dict[tuple[str, str], list[float]] = {}
    figures: dict[tuple[str, str], dict[datetime, float]] = {}
    model = None
    for row in found:
        if row.metric is not None:
            columns = ",".join(row["columns"])
            metrics.setdefault((row["check"], columns), []).append(float(row.metric))
        model = row.model or model
        at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=row.judged_at)
        for name, column, value in _figures_of(row):
            if value is not None:
                figures.setdefault((name, column), {}).setdefault(at, float(value))
    return PastBatches(
        metrics,
        {name: tuple(values.items()) for name, values in figures.items()},
        None if model is None else AnomalyModel.from_json(model),
    )


def _figures_of(row: Row) -> Iterator[tuple[str, str, float | None]]:
    """What a row of the ledger adds to the figures: name, column, value."""
    if row.grain == BATCH:
        for name in (ROWS, SCORE, REFUSED_PERCENT):
            yield name, "", row[name]
    elif row.columns:
        rate = null_rate(row.check, row.rule, row.columns, row.failed, row.evaluated)
        yield NULLS_PERCENT, row.columns[0], rate
