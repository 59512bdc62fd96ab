"""Lineage: one row per version that a batch opened (spec 3.1)."""

from __future__ import annotations

from pyspark.sql import functions as F

from contracts.model import Contract
from history.spark.column_quoting_and_comparison import named
from tasks.observability.ledger_tables import append
from tasks.run.run_context import Run


def applied(contract: Contract) -> str:
    """The transformations of the columns with lineage, as the lineage ledger words them."""
    told = [
        f"{column.name}={column.transformation.name}({', '.join(column.sources)})"
        for column in contract.columns
        if column.lineage
    ]
    return "; ".join(told)[:500]


def append_lineage(run: Run, batch_id: str) -> None:
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
