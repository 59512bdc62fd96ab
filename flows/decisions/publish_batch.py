"""Publish or refuse a batch that its contract's gate kept back: what a person decided.

Promise: exactly the rows that were judged are published, as the batch that they are. Of a state
that is refused where something was published since: a later read is the truth by then. Of a log the
batch is a late one, and changes nothing where its rows were loaded since.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from prefect import flow
from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import CommitConflictError, NotFoundError
from contracts.model import Contract
from flows.load_steps import (
    PUBLISH_ATTEMPTS,
    keep_access_current,
    publish_merged,
    tell_published,
)
from history.iceberg.current_snapshot import CurrentState, current_state
from history.iceberg.history_table import exists
from tasks.compiler.compile_contract import CompiledContract
from tasks.judge_again import compiled_contract
from tasks.lifecycle.hold_batch import HELD_BATCHES, HeldBatch, find_batch
from tasks.lifecycle.open_run import (
    OpenRun,
    contract_and_settings,
    open_run,
    run_of,
    session,
)
from tasks.lifecycle.settle_rows import settle_by_load
from tasks.merge import advanced, merge
from tasks.observability.decision_ledger import record_decision
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.resilience.source_reading import source_reading
from tasks.run.quarantine_decision import Decision
from tasks.run.run_context import Run, ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_results import LoadSummary, MergedBatch
from tasks.run.unexpected_errors import without_unexpected_errors


def publish_held_batch(
    contract: str, settings: str, batch_id: str, decision: Decision
) -> LoadSummary:
    """Publish a batch that is kept, in a flow run `publish-batch`.

    Raises:
        NotFoundError: No batch of that name is kept of the table, or it was published since.
        CommitConflictError: Of a state, a later read was published since.
        SchemaDriftError: The contract or the source has changed since.
        StrandlineError: As a load; the batch is kept then as it was.
    """

    @flow(name="publish-batch", flow_run_name="publish-{batch_id}", persist_result=False)
    @without_unexpected_errors("publish-batch")
    def publish_batch(contract: str, settings: str, batch_id: str) -> LoadSummary:
        return publish_stage(contract, settings, batch_id, decision)

    return publish_batch(contract, settings, batch_id)


def publish_stage(contract: str, settings: str, batch_id: str, decision: Decision) -> LoadSummary:
    """As `publish_held_batch`, within a flow run that goes on already."""
    kept = _kept_batch(contract, settings, batch_id, now=decision.at)
    with open_run(contract, settings, run_id=kept.run_id, started=kept.started) as opened:
        # The batch keeps its name; its versions are recorded now.
        run = replace(opened.run, started=decision.at)
        return _publish(replace(opened, run=run), kept, decision)


def refuse_stage(contract: str, settings: str, batch_id: str, decision: Decision) -> None:
    """Record that a person does not publish a batch; its rows stay kept until their time is up.

    Without the table's lock, which another load may have by now: only the ledgers are written.
    """
    model, block = contract_and_settings(contract, settings)
    source = block_lookup.source(model.source.connection)
    with map_spark_errors(model.name, "refuse batch"):
        spark = session(block, source)
        kept = _held_batch(spark, block, model, batch_id)
        if kept is None:
            raise _not_kept(model, batch_id, "none of that name")
        run = run_of(
            model,
            block,
            source,
            spark,
            batch_id=batch_id,
            run_id=kept.run_id,
            started=kept.started,
        )
        record_decision(
            run,
            decision,
            contract_version=kept.contract_version,
            selected_by="batch",
            rows_selected=kept.staged.staged,
            rows_refused_again=kept.staged.refused,
        )


def _held_batch(
    spark: SparkSession, settings: RunSettings, contract: Contract, batch_id: str
) -> HeldBatch | None:
    ledger = ledger_table(settings, HELD_BATCHES)
    if not exists(spark, ledger):
        return None
    target = f"{settings.lakehouse.catalog}.{contract.target}"
    return find_batch(spark.table(ledger), target, batch_id)


def _kept_batch(contract: str, settings: str, batch_id: str, *, now: datetime) -> HeldBatch:
    model, block = contract_and_settings(contract, settings)
    with map_spark_errors(model.name, "publish batch"):
        spark = block.spark.session(block.lakehouse, shared=False)
        kept = _held_batch(spark, block, model, batch_id)
        if kept is None or kept.until <= now or not exists(spark, kept.staged.table):
            raise _not_kept(model, batch_id, _why_not(kept, now))
    return kept


def _not_kept(contract: Contract, batch_id: str, found: str) -> NotFoundError:
    return NotFoundError(
        where=f"{contract.name}, batch {batch_id}",
        expected="a batch that was not published, and whose rows are kept",
        found=found,
        next_step=f"strandline quarantine show {contract.name}",
    )


def _why_not(kept: HeldBatch | None, now: datetime) -> str:
    if kept is None:
        return "none of that name"
    if kept.until <= now:
        return "that its time is up: its rows are removed"
    return "that its rows were removed: it was published, or its run was repeated"


def _publish(opened: OpenRun, kept: HeldBatch, decision: Decision) -> LoadSummary:
    run, staged = opened.run, kept.staged
    _refuse_other_version(opened.contract, kept)
    with source_reading(run, opened.contract) as reading:
        contract = compiled_contract(run, opened.contract, reading)
    with map_spark_errors(run.name, "publish batch"):
        state = current_state(run.spark, run.target) if exists(run.spark, run.target) else None
        _refuse_overtaken(run, contract, kept, state)
    record_decision(
        run,
        decision,
        contract_version=contract.version,
        selected_by="batch",
        rows_selected=staged.staged,
        rows_refused_again=staged.refused,
    )

    def merged(_attempt: int) -> MergedBatch:
        return merge(run, contract, advanced(run, staged), kept.verdict)

    attempts = 1 if contract.is_state else PUBLISH_ATTEMPTS
    report = publish_merged(run, merged, partial(publish, run), attempts=attempts)
    tell_published(run, contract, staged, report)
    with map_spark_errors(run.name, "settle", publishes=True):
        settled = settle_by_load(run, contract, staged)
    summary = record(
        run,
        advanced(run, staged),
        kept.verdict,
        report,
        opened.watch,
        settled=settled,
        reason="a batch that the gate had kept back, by decision",
    )
    keep_access_current(run, contract)
    return summary


def _refuse_other_version(contract: Contract, kept: HeldBatch) -> None:
    if contract.version != kept.contract_version:
        raise NotFoundError(
            where=f"{contract.name}, batch {kept.batch_id}",
            expected=f"version {kept.contract_version} of the contract, which judged the batch",
            found=f"version {contract.version}",
            next_step=f"strandline run {contract.name} reads and judges the rows anew.",
        )


def _refuse_overtaken(
    run: Run, contract: CompiledContract, kept: HeldBatch, state: CurrentState | None
) -> None:
    if state is not None and run.batch_id in state.batches:
        raise NotFoundError(
            where=f"{run.name}, batch {run.batch_id}",
            expected="a batch that was not published",
            found="that it was",
            next_step=f"strandline diff {run.name} --to {run.batch_id}",
        )
    if not contract.is_state:
        return
    snapshot = None if state is None else state.snapshot_id
    if snapshot != kept.snapshot_id or (
        state is not None and state.has_read_after(kept.staged.read)
    ):
        raise CommitConflictError(
            where=f"{run.name}, batch {run.batch_id}",
            expected="the table as it was when the gate closed",
            found="that a later read was published since, which is the truth now",
            next_step=f"strandline run {run.name} reads the source as it is.",
        )
