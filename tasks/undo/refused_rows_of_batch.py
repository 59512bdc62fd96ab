"""What becomes of the quarantine when a batch is taken back.

What the batch refused is settled as undone: the next load reads it again, and refuses it again if
it is still wrong. What the batch had settled is held again.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from history.iceberg.history_table import exists
from history.writing.quarantine_table import (
    GONE,
    MENDED,
    RELEASED,
    REPLACED,
    UNDONE,
    is_unsettled,
)
from tasks.run.run_context import Run

_BY_BATCHES = (MENDED, GONE, RELEASED, REPLACED)


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Rows of the quarantine: those that the batch refused, and those that it had settled.

    `settled`: the first are settled as undone; otherwise they stay as they are.
    """

    refused: int = 0
    held_again: int = 0
    settled: bool = True


def refused_rows_of(run: Run, undone: str, *, keep: bool) -> RefusedRows:
    """How many rows there are; nothing is changed. `keep`: the watermark stays where it is."""
    name = run.ledger("quarantine")
    if not exists(run.spark, name):
        return RefusedRows(settled=not keep)
    ledger = run.spark.table(name).where(F.col("target_table") == run.target)
    refused = (F.col("batch_id") == undone) & is_unsettled(ledger)
    counts = ledger.agg(
        F.count_if(refused).alias("refused"), F.count_if(_settled_by(undone)).alias("held_again")
    ).collect()[0]
    return RefusedRows(int(counts.refused), int(counts.held_again), settled=not keep)


def settle_undone(run: Run, undone: str, *, keep: bool) -> None:
    """Bring the quarantine after an undo that is published; doing it again changes nothing."""
    found = refused_rows_of(run, undone, keep=keep)
    table, arguments = run.ledger("quarantine"), {"target": run.target, "undone": undone}
    if found.refused and not keep:
        run.spark.sql(
            f"UPDATE {table} SET settled_at = :at, settled_how = '{UNDONE}', "  # noqa: S608
            "decision_id = :batch WHERE target_table = :target AND batch_id = :undone "
            "AND settled_at IS NULL AND released_at IS NULL",
            {**arguments, "at": run.started, "batch": run.batch_id},
        )
    if found.held_again:
        hows = ", ".join(f"'{each}'" for each in _BY_BATCHES)
        run.spark.sql(
            f"UPDATE {table} SET settled_at = NULL, released_at = NULL, settled_how = NULL, "  # noqa: S608
            "decision_id = NULL WHERE target_table = :target AND decision_id = :undone "
            f"AND settled_how IN ({hows})",
            arguments,
        )


def _settled_by(undone: str) -> Column:
    by_batch = F.col("settled_how").isin(*_BY_BATCHES)
    return F.coalesce((F.col("decision_id") == undone) & by_batch, F.lit(False))
