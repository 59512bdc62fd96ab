"""Refused rows become settled: claimed by a release, released, discarded, mended or gone.

Promise: a row is released exactly once. The rows of a release are marked with its batch before that
is published, and settled when it is. If a run was stopped between the two, the next one settles
them where the history has the batch, and takes the mark away where it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from history import WriteResult
from history.iceberg.current_snapshot import current_state
from history.iceberg.history_table import exists, kept_events
from history.planning.event_validation import CONFLICT, CONTESTED
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import (
    DISCARDED,
    EVENT_FORM,
    GONE,
    MENDED,
    RELEASED,
    REPLACED,
    event_position,
    record_key,
)
from tasks.compiler.compile_contract import CompiledContract
from tasks.observability.decision_ledger import record_decision
from tasks.run.quarantine_decision import (
    Action,
    Decision,
    has_unsettled_rows,
    unsettled_rows,
)
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms import stage_plan
from tasks.transforms.checks.row_checks import reasons, stored_mask
from tasks.transforms.checks.set_checks import set_reasons
from tasks.transforms.rows_from_quarantine import READ_AT, ROW_ID, row_id

_PASSES, _FAILS, _CONTESTED = "passes", "fails", "contested"

_SETTLE = (
    "WHEN MATCHED THEN UPDATE SET settled_at = :at, settled_how = s.__how, decision_id = :batch"
)


@dataclass(frozen=True, slots=True)
class SettledByLoad:
    """Refused rows that a load settled: their source rows were mended, or are gone."""

    mended: int = 0
    gone: int = 0


NOTHING_SETTLED = SettledByLoad()


def claim_rows(run: Run, contract: CompiledContract, staged: StagedBatch) -> None:
    """Mark the quarantined rows of a release that pass; the others get their new reasons.

    The stage has their `ROW_ID`.
    """
    _merge_fates(run, _fates(contract, run.spark.table(staged.table)))


def claim_published_rows(
    run: Run, contract: CompiledContract, staged: StagedBatch, written: WriteResult
) -> int:
    """As `claim_rows`, for a release that the history has planned; returns how many it refused.

    The history refuses what contradicts other events of its instant, and keeps it in its own form:
    that row takes the place of the source's.
    """
    stage = run.spark.table(staged.table)
    fates, refused = _fates(contract, stage), 0
    if written.report.refused:
        contested = checkpoint(
            _contested_rows(run, contract, stage, written), {"rows": F.count(F.lit(1))}
        )
        refused = int(contested.counts["rows"])
        is_contested = F.col("__contested").isNotNull()
        fates = fates.join(
            contested.rows.withColumn("__contested", F.lit(True)), ROW_ID, "left"
        ).withColumn("__fate", F.when(is_contested, _CONTESTED).otherwise(F.col("__fate")))
    _merge_fates(run, fates.select(ROW_ID, "__fate", "__reasons"))
    return refused


def settle_claimed_rows(run: Run, *, at: datetime) -> None:
    """Settle the rows that the run has claimed: its batch is published, or all of it was known."""
    _settle_released(run, run.batch_id, at)


def repair_claims(run: Run) -> None:
    """Complete, or take back, what a release left half done that was stopped."""
    claims = unsettled_rows(run).where(F.col("decision_id").isNotNull())
    batches = [row.decision_id for row in claims.select("decision_id").distinct().collect()]
    if not batches:
        return
    state = current_state(run.spark, run.target) if exists(run.spark, run.target) else None
    for batch_id in batches:
        if state is not None and batch_id in state.batches:
            _settle_released(run, batch_id, run.started)
        else:
            _update(run, "decision_id = NULL", "decision_id = :batch", batch=batch_id)


def settle_discarded(run: Run, rows: DataFrame, *, at: datetime) -> None:
    """Settle rows of the quarantine that a person gives up."""
    ids = checkpoint(rows.select(row_id().alias(ROW_ID)))
    _merge(
        run,
        ids.rows.withColumn("__how", F.lit(DISCARDED)),
        _SETTLE,
        at=at,
    )


def replace_values(run: Run, rows: DataFrame) -> None:
    """Give rows of the quarantine another content: `ROW_ID` and `__row`, written nowhere before."""
    corrected = checkpoint(rows.select(ROW_ID, "__row"))
    _merge(run, corrected.rows, "WHEN MATCHED THEN UPDATE SET row = s.__row")


def settle_by_load(run: Run, contract: CompiledContract, staged: StagedBatch) -> SettledByLoad:
    """Settle the refused rows whose source rows were mended, or are gone, as this load found.

    Of a state, a row was mended when its key's row passes in a later read; it is gone when a later
    full read lacks its key. Of a log, an event was mended when one of the same key, sequence and
    tie-breakers passes, and it was not refused in the same batch again.

    Called when the batch is published. Costs one look at the ledger where nothing is kept.
    """
    if not has_unsettled_rows(run):
        return SettledByLoad()
    repair_claims(run)
    stage = run.spark.table(staged.table)
    fates = _fates_by_load(run, contract, staged, stage)
    found = checkpoint(
        fates,
        {
            "mended": F.count_if(F.col("__how") == MENDED),
            "gone": F.count_if(F.col("__how") == GONE),
        },
    )
    settled = SettledByLoad(int(found.counts["mended"]), int(found.counts["gone"]))
    for action, rows, why in (
        (Action.MENDED, settled.mended, "a later read found the source rows mended"),
        (Action.GONE, settled.gone, "a later read of everything found the source rows gone"),
    ):
        if rows:
            decision = Decision(action, f"run {run.run_id}", why, run.started)
            record_decision(
                run,
                decision,
                contract_version=contract.version,
                selected_by="keys of the read",
                rows_selected=rows,
            )
    if settled.mended or settled.gone:
        _merge(run, found.rows, _SETTLE, at=run.started)
    return settled


def _fates_by_load(
    run: Run, contract: CompiledContract, staged: StagedBatch, stage: DataFrame
) -> DataFrame:
    """`ROW_ID` and `__how` of the kept rows that the staged batch settles."""
    kept = unsettled_rows(run)
    kind = F.col(stage_plan.KIND)
    key = record_key(contract.key).alias("record_key")
    how = F.lit(MENDED).alias("__how")
    if staged.read is None:
        position = event_position(contract.history).alias("event_position")
        events = stage.where(kind == stage_plan.EVENT).select(key, position).distinct()
        again = stage.where(kind == stage_plan.REFUSED)
        again = again.select(F.col(stage_plan.DIGEST).alias("row_digest"))
        # What the history could not decide is read again with the overlap, and refused again.
        undecided = F.exists("reasons", lambda reason: reason["check"] == CONFLICT)
        kept = kept.where(~F.coalesce(undecided, F.lit(False)))
        mended = kept.join(events, ["record_key", "event_position"], "left_semi")
        mended = mended.join(again, "row_digest", "left_anti")
        return mended.select(row_id().alias(ROW_ID), how)
    earlier = F.coalesce(F.col("read_at") < F.lit(staged.read.at), F.lit(True))
    kept = kept.where(earlier)
    passing = stage.where(kind.isin(stage_plan.EVENT, stage_plan.SEEN)).select(key).distinct()
    settled = kept.join(passing, "record_key", "left_semi").select(row_id().alias(ROW_ID), how)
    if staged.read.full:
        absent = kept.join(stage.select(key).distinct(), "record_key", "left_anti")
        gone = absent.select(row_id().alias(ROW_ID), F.lit(GONE).alias("__how"))
        settled = settled.unionByName(gone)
    return settled


def _fates(contract: CompiledContract, stage: DataFrame) -> DataFrame:
    """`ROW_ID`, `__fate` and `__reasons` of the rows of a release."""
    # What the contract ignores by now passes, and changes nothing.
    passes = F.col(stage_plan.KIND).isin(stage_plan.EVENT, stage_plan.IGNORED)
    checks = contract.stage.checks
    failed = F.col(stage_plan.FAILED)
    of_row = reasons(checks, stored_mask(failed, checks), F.col(stage_plan.UNFIT_COLUMNS))
    repeats = F.col(stage_plan.KIND) == stage_plan.DUPLICATE
    told = F.when(repeats, set_reasons(contract.stage.set_checks, failed[0])).otherwise(of_row)
    return stage.select(
        ROW_ID,
        F.when(passes, _PASSES).otherwise(_FAILS).alias("__fate"),
        told.alias("__reasons"),
    )


def _contested_rows(
    run: Run, contract: CompiledContract, stage: DataFrame, written: WriteResult
) -> DataFrame:
    """`ROW_ID` of the staged events whose instants are contested in what was written."""
    state = current_state(run.spark, run.target)
    snapshot = None if state is None else state.kept_snapshot
    if written.evidence is not None:
        snapshot = written.evidence.state.kept_snapshot
    if snapshot is None:
        return stage.select(ROW_ID).where(F.lit(False))
    kept = run.spark.read.option("versionAsOf", snapshot).table(kept_events(run.target))
    sequence = contract.history.sequence
    keys = [named(name).alias(f"k{at}") for at, name in enumerate(contract.key)]
    marks = kept.where(F.col("__op") == CONTESTED).select(*keys, named(sequence).alias("at"))
    instant = F.col(READ_AT) if contract.is_state else named(sequence)
    events = stage.where(F.col(stage_plan.KIND) == stage_plan.EVENT)
    rows = events.select(ROW_ID, *keys, instant.alias("at"))
    return rows.join(marks.distinct(), [*(f"k{at}" for at, _ in enumerate(keys)), "at"]).select(
        ROW_ID
    )


def _merge_fates(run: Run, fates: DataFrame) -> None:
    _merge(
        run,
        checkpoint(fates).rows,
        f"WHEN MATCHED AND s.__fate = '{_PASSES}' THEN UPDATE SET decision_id = :batch "  # noqa: S608
        f"WHEN MATCHED AND s.__fate = '{_FAILS}' THEN UPDATE SET reasons = s.__reasons, "
        "decision_id = NULL "
        f"WHEN MATCHED AND t.form = '{EVENT_FORM}' THEN UPDATE SET decision_id = NULL "
        f"WHEN MATCHED THEN UPDATE SET settled_how = '{REPLACED}', settled_at = :at, "
        "decision_id = :batch",
        at=run.started,
    )


def _settle_released(run: Run, batch_id: str, at: datetime) -> None:
    _update(
        run,
        f"settled_at = :at, released_at = :at, settled_how = '{RELEASED}'",
        "decision_id = :batch",
        batch=batch_id,
        at=at,
    )


def _update(run: Run, values: str, condition: str, **arguments: object) -> None:
    table = run.ledger("quarantine")
    run.spark.sql(
        f"UPDATE {table} SET {values} WHERE target_table = :target AND settled_at IS NULL "  # noqa: S608
        f"AND released_at IS NULL AND {condition}",
        {"target": run.target, **arguments},
    )


def _merge(run: Run, rows: DataFrame, actions: str, **arguments: object) -> None:
    """Change the unsettled rows of the table that `ROW_ID` of the given ones names."""
    table, view = run.ledger("quarantine"), f"strandline_settle_{run.batch_id}"
    rows.createOrReplaceTempView(view)
    try:
        run.spark.sql(
            f"MERGE INTO {table} t USING {view} s ON t.target_table = :target "
            "AND t.settled_at IS NULL AND t.released_at IS NULL "
            f"AND concat_ws('/', t.batch_id, t.row_digest) = s.{ROW_ID} {actions}",
            {"target": run.target, "batch": run.batch_id, **arguments},
        )
    finally:
        run.spark.catalog.dropTempView(view)
