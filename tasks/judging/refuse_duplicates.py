"""Rows that share what must be unique, found in the stage and in the table, and refused there.

Promise: whatever is refused is marked in the stage and stands in the counts of the batch, so that
the steps after this one see one truth. Marking again, as a retry does, changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.model import Check
from contracts.model.reserved_column_names import OPERATION
from history.audit.reconcile_control_totals import value_digest
from history.iceberg.history_table import exists
from history.planning.event_validation import REASONS, UPSERT
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import EVENT_FORM, refused_rows
from tasks.compiler.compile_contract import CompiledContract
from tasks.run.quarantine_decision import has_unsettled_rows, unsettled_rows
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms import stage_plan
from tasks.transforms.checks.quality_score import Finding, Judged
from tasks.transforms.checks.set_checks import (
    DIGEST,
    digests_of_open_versions,
    repeated_digests,
    repeats,
    set_finding,
    set_reasons,
    without_later,
)
from tasks.transforms.rows_from_quarantine import READ_AT, events

_COMPARED = (stage_plan.EVENT, stage_plan.SEEN, stage_plan.DUPLICATE)
_VIEW = "strandline_duplicates"


def refuse_duplicates(
    run: Run, contract: CompiledContract, staged: StagedBatch
) -> tuple[StagedBatch, tuple[Finding, ...]]:
    """Refuse the rows that a `unique` check of severity error refuses; count those of the others.

    Returns:
        The batch with its counts as they are then, and the findings of all set checks.
    """
    checks = contract.stage.set_checks
    if not checks.checks:
        return staged, ()
    rows = run.spark.table(staged.table).where(F.col(stage_plan.KIND).isin(*_COMPARED))
    digests = [_digest(check, position) for position, check in enumerate(checks.checks)]
    counted = rows.agg(*[repeats(digest) for digest in digests]).collect()[0]
    found = []
    any_open = exists(run.spark, run.target)
    # A read of everything has the rivals itself, those that are gone from the source excepted.
    in_part = staged.read is None or not staged.read.full
    may_meet_kept = in_part and checks.refusing & checks.stored.keys()
    any_kept = bool(may_meet_kept) and has_unsettled_rows(run)
    for position, check in enumerate(checks.checks):
        compared, surplus = counted[position]
        with_open = check.id in checks.stored and any_open
        with_kept = check.id in checks.stored and check.id in checks.refusing and any_kept
        failed = int(surplus)
        if check.rule == "unique" and (surplus or with_open or with_kept):
            others = [_open_values(run, contract, check)] if with_open else []
            others += [_kept_values(run, contract, check, any_open=any_open)] if with_kept else []
            failed = _refuse(run, contract, staged, position, others)
        finding = set_finding(
            checks,
            check,
            failed=failed,
            rows=int(compared),
            compared_with_open=with_open,
            compared_with_kept=with_kept,
        )
        found.append(finding)
    if any(finding.failed and finding.check in checks.refusing for finding in found):
        staged = _recounted(run, contract, staged)
    return staged, tuple(found)


def duplicate_rows(run: Run, contract: CompiledContract, staged: StagedBatch) -> DataFrame:
    """The refused duplicates of the stage in the quarantine's columns."""
    settings, names = contract.history, contract.events.fieldNames()
    marked = run.spark.table(staged.table).where(F.col(stage_plan.KIND) == stage_plan.DUPLICATE)
    events = marked.select(
        *[named(name) for name in names],
        F.col(OPERATION).alias("__op"),
        set_reasons(contract.stage.set_checks, F.col(stage_plan.FAILED)[0]).alias(REASONS),
    )
    if settings.stamp is not None and staged.read is not None:
        events = events.withColumn(settings.sequence, F.lit(staged.read.at).cast("timestamp"))
        names = [*dict.fromkeys((*names, settings.sequence))]
    return refused_rows(
        events,
        settings,
        tuple(names),
        table=run.target,
        batch_id=run.batch_id,
        source=run.relation,
        refused_at=run.started,
    )


def _digest(check: Check, position: int) -> Column:
    """What a row must not share; null where it shares nothing.

    A row that ends its record gives up what it had, so that another one may have it.
    """
    digest = F.col(stage_plan.set_digest(position))
    return F.when(F.col(OPERATION) == UPSERT, digest) if check.rule == "unique" else digest


def _open_values(run: Run, contract: CompiledContract, check: Check) -> DataFrame:
    """Key and compared columns of the open versions."""
    current = run.spark.table(run.target).where(named(contract.history.is_current))
    return current.select(*_compared_columns(contract, check))


def _kept_values(
    run: Run, contract: CompiledContract, check: Check, *, any_open: bool
) -> DataFrame:
    """The same of rows that earlier batches refused for the check, and that are not settled.

    Without them a row would pass whose rival is not read again, though nobody has decided which
    of the two is right. Where another key has the value by now, that was decided.
    """
    failed = F.exists("reasons", lambda reason: reason["check"] == check.id)
    rows = unsettled_rows(run).where(failed & (F.col("form") == EVENT_FORM))
    kept = events(rows, contract.events)
    if any_open:
        versions = run.spark.table(run.target)
        sequence = READ_AT if contract.is_state else contract.history.sequence
        kept = without_later(kept, versions, contract.history, instant=sequence)
        values = list(contract.stage.set_checks.stored[check.id])
        kept = kept.join(_open_values(run, contract, check), values, "left_anti")
    return kept.select(*_compared_columns(contract, check))


def _compared_columns(contract: CompiledContract, check: Check) -> list[Column]:
    checks = contract.stage.set_checks
    return [named(name) for name in dict.fromkeys((*checks.key, *checks.stored[check.id]))]


def _refuse(
    run: Run,
    contract: CompiledContract,
    staged: StagedBatch,
    position: int,
    others: list[DataFrame],
) -> int:
    """How many rows fail the check; they are marked if it refuses.

    `others` have the key's and the compared columns of what the batch is compared with.
    """
    checks = contract.stage.set_checks
    check = checks.checks[position]
    rows = run.spark.table(staged.table).where(F.col(stage_plan.KIND).isin(*_COMPARED))
    digest = _digest(check, position)
    shared = repeated_digests(rows, digest)
    if others:
        events_of_batch = rows.where(
            F.col(stage_plan.KIND).isin(stage_plan.EVENT, stage_plan.DUPLICATE)
        )
        columns = checks.stored[check.id]
        elsewhere = reduce(DataFrame.unionByName, others)
        found = digests_of_open_versions(events_of_batch, elsewhere, columns, checks.key, digest)
        shared = shared.union(found).distinct()
    # Held: Spark can't plan a MERGE whose source aggregates its own target.
    held = checkpoint(shared, {"rows": F.count(F.lit(1))}).rows
    failed = rows.join(held, digest == F.col(DIGEST), "left_semi").count()
    if failed and check.id in checks.refusing:
        _mark(run, staged, position, held)
    return failed


def _mark(run: Run, staged: StagedBatch, position: int, shared: DataFrame) -> None:
    shared.createOrReplaceTempView(_VIEW)
    kind, failed = stage_plan.KIND, stage_plan.FAILED
    bit = f"CAST({1 << position} AS BIGINT)"
    run.spark.sql(
        f"MERGE INTO {staged.table} s USING {_VIEW} d "
        f"ON s.{stage_plan.set_digest(position)} = d.{DIGEST} "
        f"AND s.{kind} IN ('{stage_plan.EVENT}', '{stage_plan.DUPLICATE}') "
        f"AND s.{OPERATION} = '{UPSERT}' "
        f"WHEN MATCHED THEN UPDATE SET {kind} = '{stage_plan.DUPLICATE}', "
        f"{failed} = array(coalesce(s.{failed}[0], CAST(0 AS BIGINT)) | {bit})"
    )
    run.spark.catalog.dropTempView(_VIEW)


def _recounted(run: Run, contract: CompiledContract, staged: StagedBatch) -> StagedBatch:
    """The batch with the marked rows among the refused ones, and not among the open ones."""
    marked = run.spark.table(staged.table).where(F.col(stage_plan.KIND) == stage_plan.DUPLICATE)
    is_open = F.col(OPERATION) == UPSERT
    digest = F.lit(0)
    if contract.stage.fingerprint is not None:
        digest = value_digest(named(contract.stage.fingerprint))
    rows, open_rows, open_digest = marked.agg(
        F.count(F.lit(1)),
        F.count_if(is_open),
        F.coalesce(F.sum(F.when(is_open, digest)), F.lit(0)),
    ).collect()[0]
    judged = staged.judged
    refused = min(rows, judged.rows - judged.refused)
    return replace(
        staged,
        staged=staged.staged - rows,
        refused=staged.refused + rows,
        duplicates=rows,
        open_rows=None if staged.open_rows is None else staged.open_rows - open_rows,
        open_rows_digest=staged.open_rows_digest - int(open_digest),
        judged=Judged(
            judged.rows, judged.refused + refused, min(judged.lost + refused, float(judged.rows))
        ),
    )
