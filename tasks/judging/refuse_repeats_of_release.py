"""Rows of a release that repeat what must be unique, refused again on its stage.

Promise: a release opens no version that agrees with the open version of another key. Of released
rows that agree with each other, none is kept and none is chosen, as in a load.
"""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model import Check
from contracts.model.reserved_column_names import OPERATION
from history.iceberg.history_table import exists
from history.planning.event_validation import UPSERT
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_contract import CompiledContract
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms import stage_plan
from tasks.transforms.checks.set_checks import repeated_of_release, value_of, without_later
from tasks.transforms.rows_from_quarantine import READ_AT, ROW_ID

_VIEW = "strandline_repeats"
_INSTANT, _BATCH, _VALUE, _FAILED = "__instant", "__batch", "__value", "__repeats"


def refuse_repeats_of_release(
    run: Run, contract: CompiledContract, staged: StagedBatch
) -> StagedBatch:
    """Refuse the staged rows that fail a `unique` check of severity error; the counts follow.

    A row that is refused leaves an earlier one of its key, or the version that it was to replace,
    to be open: so the others are compared again until none fails.
    """
    checks = contract.stage.set_checks
    unique = [
        (position, check)
        for position, check in enumerate(checks.checks)
        if check.rule == "unique" and check.id in checks.refusing
    ]
    refused = 0
    while unique and staged.staged > refused:
        found = [_repeats(run, contract, position, check) for position, check in unique]
        failed = found[0]
        for more in found[1:]:
            failed = failed.unionByName(more)
        by_row = failed.groupBy(ROW_ID).agg(F.bit_or(_FAILED).alias(_FAILED))
        # Held: Spark can't plan a MERGE whose source aggregates its own target.
        held = checkpoint(by_row, {"rows": F.count(F.lit(1))})
        if not held.counts["rows"]:
            break
        refused += int(held.counts["rows"])
        _mark(run, held.rows)
    return replace(
        staged,
        staged=staged.staged - refused,
        refused=staged.refused + refused,
        duplicates=refused,
    )


def _repeats(run: Run, contract: CompiledContract, position: int, check: Check) -> DataFrame:
    """`ROW_ID` of the events that fail the check, with its bit."""
    checks, settings = contract.stage.set_checks, contract.history
    columns = checks.held.get(check.id)
    # Events that the table holds in no form that can be compared have no digest.
    value = value_of(columns) if columns else F.col(stage_plan.set_digest(position))
    instant = READ_AT if contract.is_state else settings.sequence
    stage = run.spark.table(run.stage)
    key = [named(name) for name in settings.key]
    rows = stage.where(F.col(stage_plan.KIND) == stage_plan.EVENT).select(
        *key,
        named(instant).alias(_INSTANT),
        F.substring_index(ROW_ID, "/", 1).alias(_BATCH),
        F.when(F.col(OPERATION) == UPSERT, value).alias(_VALUE),
        ROW_ID,
    )
    newest = rows.groupBy(*key).agg(F.max(_INSTANT).alias(_INSTANT))
    last = rows.join(newest, [*settings.key, _INSTANT], "left_semi")
    opened = rows.limit(0).select(*key, _VALUE)
    if exists(run.spark, run.target):
        versions = run.spark.table(run.target)
        last = without_later(last, versions, settings, instant=_INSTANT)
        stored = checks.stored.get(check.id)
        if stored:
            current = versions.where(named(settings.is_current))
            opened = current.select(*key, value_of(stored).alias(_VALUE))
    found = repeated_of_release(
        rows,
        last,
        opened,
        settings.key,
        row=ROW_ID,
        batch=_BATCH,
        value=_VALUE,
    )
    return found.select(ROW_ID, F.lit(1 << position).cast("bigint").alias(_FAILED))


def _mark(run: Run, repeats: DataFrame) -> None:
    repeats.createOrReplaceTempView(_VIEW)
    run.spark.sql(
        f"MERGE INTO {run.stage} s USING {_VIEW} d ON s.{ROW_ID} = d.{ROW_ID} "
        f"WHEN MATCHED THEN UPDATE SET {stage_plan.KIND} = '{stage_plan.DUPLICATE}', "
        f"{stage_plan.FAILED} = array(d.{_FAILED})"
    )
    run.spark.catalog.dropTempView(_VIEW)
