"""Lineage: one row per version that a batch opened (spec 3.1)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model import Contract
from history.spark.column_quoting_and_comparison import named
from tasks.observability.ledger_tables import append
from tasks.run.run_context import Lineage, Run

_MAX_CHARACTERS = 500
"""The length of the ledger's column of transformations."""


def lineage_of(contract: Contract) -> Lineage | None:
    """How the lineage of a contract's versions is recorded; None: it is not."""
    surrogate, batch = contract.generated("surrogate_key"), contract.generated("batch_id")
    columns = [column for column in contract.columns if column.lineage]
    if surrogate is None or batch is None or not columns:
        return None
    transformations = [
        f"{column.name}={column.transformation.name}({', '.join(column.sources)})"
        for column in columns
    ]
    score = contract.generated("row_score")
    return Lineage(
        surrogate_key=surrogate.name,
        batch_id=batch.name,
        row_score=None if score is None else score.name,
        transformations="; ".join(transformations)[:_MAX_CHARACTERS],
    )


def append_lineage(run: Run, batch_id: str) -> None:
    """Append one row per version that the batch opened, unless that was done already."""
    lineage = run.lineage
    if lineage is None:
        return
    table = run.ledger("data_lineage")
    recorded = run.spark.table(table).where(F.col("target_table") == run.target)
    if recorded.where(F.col("batch_id") == batch_id).limit(1).collect():
        return
    opened = run.spark.table(run.target).where(named(lineage.batch_id) == batch_id)
    append(_rows_of(run, lineage, opened), table)


def append_lineage_of_numbers(run: Run, *, after: int) -> None:
    """Append one row per version whose surrogate key is greater than `after`."""
    lineage = run.lineage
    if lineage is not None:
        opened = run.spark.table(run.target).where(named(lineage.surrogate_key) > after)
        append(_rows_of(run, lineage, opened), run.ledger("data_lineage"))


def _rows_of(run: Run, lineage: Lineage, versions: DataFrame) -> DataFrame:
    batch, record_id = named(lineage.batch_id), named(lineage.surrogate_key)
    score = F.lit(None) if lineage.row_score is None else named(lineage.row_score)
    return versions.select(
        F.xxhash64(F.lit(run.target), record_id).alias("lineage_id"),
        F.lit(run.relation).alias("source_table"),
        F.lit(run.target).alias("target_table"),
        record_id.alias("record_id"),
        F.lit(lineage.transformations).alias("transformation_applied"),
        F.lit(run.started).alias("processed_timestamp"),
        batch.alias("batch_id"),
        score.alias("data_quality_score"),
    )
