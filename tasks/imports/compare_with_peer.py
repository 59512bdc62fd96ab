"""Is each version of the other tool's table on the branch, with its values, start and end?

Promise: nothing is published before every row was compared; values are compared by fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contracts.errors import AuditError
from contracts.model.reserved_column_names import OPERATION
from history.iceberg import branches
from history.iceberg.read_snapshot import rows_at
from history.planning.event_validation import DELETE, UPSERT
from history.spark.checkpoint import unpersist
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.imports.read_versions import PEER_END
from tasks.run.run_context import Run
from tasks.run.step_decorator import Figures, step
from tasks.run.step_results import MergedBatch, StagedBatch
from tasks.transforms import stage_plan

__all__ = ["Compared", "compare_with_peer"]


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared before publishing.

    Attributes:
        versions: The versions that were taken over, each equal to a row of the other table.
        open: Those of them that are open.
        joined: Rows that say what the version says that ends where they begin: they are one.
        repeated: Rows that are equal to another one in every column.
    """

    versions: int
    open: int
    joined: int
    repeated: int


def _figures(compared: Compared) -> Figures:
    return {"versions": compared.versions}


@step("compare", figures=_figures)
def compare_with_peer(
    run: Run, contract: CompiledContract, staged: StagedBatch, merged: MergedBatch, rows_read: int
) -> Compared:
    """Compare the branch with the rows that were read, one by one.

    `rows_read` is how many the other table has.

    Raises:
        AuditError: A version is missing, or is another one; the branch is dropped.
    """
    history = contract.history
    values = [history.fingerprint] if history.fingerprint else [*contract.stage.tracked]
    stage = run.spark.table(staged.table)
    peer = _of_peer(stage, contract, values)
    before = peer.count()
    peer = _without_repeats(peer, len(history.key) + len(values)).localCheckpoint()
    evidence = merged.written.evidence
    if evidence is None:
        return Compared(0, 0, 0, 0)
    rows = rows_at(run.spark, run.target, evidence.changes.head)
    end = named(history.valid_to)
    if history.open_end is not None:
        end = F.when(end != F.lit(history.open_end), end)
    ours = rows.select(
        *_numbered([named(name) for name in (*history.key, *values)]),
        named(history.valid_from).alias("start"),
        end.alias("end"),
    )
    missing, other = peer.exceptAll(ours).count(), ours.exceptAll(peer).count()
    if missing or other:
        branches.drop(run.spark, run.target, merged.batch.branch)
        unpersist(evidence.planned.rows)
        raise AuditError(
            where=f"{run.name}, batch {run.batch_id}",
            expected="every version as it is in the table that it comes from",
            found=f"{missing:,} that are not there, {other:,} that are not from there",
            next_step="Nothing was published. Report this, with the tool and its version.",
        )
    versions = peer.count()
    return Compared(
        versions=versions,
        open=peer.where("end IS NULL").count(),
        joined=before - versions,
        repeated=rows_read - _rows(stage, contract),
    )


def _of_peer(stage: DataFrame, contract: CompiledContract, values: list[str]) -> DataFrame:
    """The accepted versions: key, values, start and end, under names of their own."""
    sequence = contract.history.sequence
    versions = (F.col(stage_plan.KIND) == stage_plan.EVENT) & (F.col(OPERATION) == UPSERT)
    names = (*contract.history.key, *values)
    return stage.where(versions).select(
        *_numbered([named(name) for name in names]),
        named(sequence).alias("start"),
        F.col(PEER_END).alias("end"),
    )


def _rows(stage: DataFrame, contract: CompiledContract) -> int:
    """How many rows the staged events come from: an end that stands alone is one more event."""
    at_end = named(contract.history.sequence).eqNullSafe(F.col(PEER_END))
    return stage.where(~((F.col(OPERATION) == DELETE) & at_end)).count()


def _numbered(columns: list[Column]) -> list[Column]:
    return [column.alias(f"c{number}") for number, column in enumerate(columns)]


def _without_repeats(versions: DataFrame, width: int) -> DataFrame:
    """Versions that say the same and adjoin as one, as the history has them."""
    names = [f"c{number}" for number in range(width)]
    # Equal values of a key: where one begins as the last ended, it goes on.
    line = Window.partitionBy(*names).orderBy("start")
    begins = (
        ~F.lag("end").over(line).eqNullSafe(F.col("start")) | F.lag("start").over(line).isNull()
    )
    numbered = versions.withColumn("__begins", begins).withColumn(
        "__run", F.sum(F.col("__begins").cast("int")).over(line)
    )
    last = F.max_by("end", "start").alias("end")
    return (
        numbered.groupBy(*names, "__run")
        .agg(F.min("start").alias("start"), last)
        .select(*names, "start", "end")
    )
