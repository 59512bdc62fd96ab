"""A batch of one contract's table taken back, on its branch, to be published or dropped.

Promise: what is not published is dropped, however the body ends, and readers see nothing of it. The
decision, with a person and a reason, is in the ledger and in the audit log before the history is
changed. No row about a person under legal hold leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from contracts.errors import SettingsError
from contracts.model import Contract
from history import Batch
from history.iceberg import branches
from history.iceberg.current_snapshot import CurrentState, current_state
from history.release.release_record import refuse_during_release
from history.restatement.undo_batch import (
    UndoResult,
    publish_undo,
    refuse_unknown,
    undo_batch_of,
    write_undo,
)
from history.write_audit_publish import audit_changes
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.erasure.legal_holds import refuse_held_rows
from tasks.lifecycle.open_run import run_of_batch
from tasks.observability.audit_log import current_actor
from tasks.observability.audit_log.audit_of_tables import batch_properties, record_published
from tasks.observability.decision_ledger import record_decision
from tasks.observability.ledger_tables import ensure_namespaces_and_ledgers
from tasks.observability.lineage_rows import append_lineage_of_numbers
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tasks.observability.run_metrics import record_unrecorded
from tasks.run.quarantine_decision import Decision
from tasks.run.run_context import Run, ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.undo.refused_rows_of_batch import RefusedRows, refused_rows_of, settle_undone
from tasks.undo.watermark_before_batch import WatermarkAfter, watermark_after


@dataclass(frozen=True, slots=True)
class DraftedUndo:
    """An undo on its branch, and what follows from publishing it.

    Attributes:
        run: What carries it out.
        contract: The contract of the table.
        batch: The undo, a batch of its own.
        result: What is on the branch.
        watermark: From where the next load reads.
        refused: What becomes of rows in the quarantine.
        high_water: The greatest surrogate key before it.
    """

    run: Run
    contract: Contract
    batch: Batch
    result: UndoResult
    watermark: WatermarkAfter
    refused: RefusedRows
    high_water: int


def undo_batch(contract: Contract, settings: RunSettings, *, now: datetime) -> Batch:
    """The batch of an undo in the contract's history, begun now.

    Raises:
        SettingsError: No column of the contract names the batch of an event.
    """
    _batch_column(contract)
    batch = undo_batch_of(
        f"{settings.lakehouse.catalog}.{contract.target}",
        history_settings(contract),
        time=now,
        quarantine=ledger_table(settings, "quarantine"),
    )
    return replace(batch, source=contract.source.relation)


@contextmanager
def drafted(
    spark: SparkSession,
    contract: Contract,
    settings: RunSettings,
    batch: Batch,
    undone: str,
    *,
    keep_watermark: bool,
) -> Iterator[DraftedUndo]:
    """Write the undo on its branch and audit it there; drop the branch after the body.

    The caller holds the table's lock meanwhile (`tasks.lifecycle.table_lock`).

    Args:
        spark: A session with the lakehouse's catalog, of this call's own.
        contract: The contract of the table.
        settings: The run settings.
        batch: The undo (`undo_batch`).
        undone: The batch that is taken back.
        keep_watermark: Leave the watermark where it is, so that the next load does not read again
            what the source has from the batch on.

    Raises:
        NotFoundError: The table has no such batch, or it was undone; or the watermark before it is
            not known any more.
        LegalHoldError: An event that would leave is about a person under hold.
        AuditError: The result broke a rule of the history.
    """
    try:
        with map_spark_errors(contract.name, "undo"):
            run = run_of_batch(spark, contract, settings, batch)
            ensure_namespaces_and_ledgers(spark, settings, contract.namespace)
            refuse_during_release(spark, batch.table, "a batch is taken back")
            # A load that was stopped before it was recorded: the undo's snapshot would hide it.
            record_unrecorded(run)
            state = current_state(spark, batch.table)
            _finish_stopped(run, state, undone, keep=keep_watermark)
            refuse_unknown(spark, batch, undone, _batch_column(contract))
            after = watermark_after(run, contract, state, undone, keep=keep_watermark)
            name = f"{contract.name} {contract.version}"
            properties = batch_properties(state, name, actor=current_actor())
            batch = replace(batch, properties=properties, watermark=after.watermark)
            result = write_undo(
                spark,
                batch,
                undone=undone,
                batch_column=_batch_column(contract),
                displaced=not _keys_made_since(contract, settings, after.published_before),
            )
            refuse_held_rows(
                spark,
                settings,
                contract,
                result.leaving,
                expected="a batch without a row about a person under legal hold",
                found="rows about such persons",
            )
            audit_changes(spark, batch, result.written)
            refused = refused_rows_of(run, undone, keep=keep_watermark)
        high_water = 0 if state is None else state.high_water
        yield DraftedUndo(run, contract, batch, result, after, refused, high_water)
    finally:
        with map_spark_errors(contract.name, "undo", publishes=True):
            branches.drop(spark, batch.table, batch.branch)


def publish(drafted: DraftedUndo, decision: Decision, *, keep_watermark: bool) -> int | None:
    """Record the decision, publish the undo, then bring quarantine and ledgers after it.

    Returns:
        The published snapshot.

    Raises:
        CommitConflictError: Another writer published first; draft the undo anew.
    """
    run, report = drafted.run, drafted.result.report
    change = TableChange(
        run.spark, run.settings, drafted.contract, drafted.batch.id, "undo-batch", "UNDO"
    )
    with map_spark_errors(run.name, "undo", publishes=True), change_told_as_lineage(change):
        record_decision(
            run,
            decision,
            contract_version=drafted.contract.version,
            selected_by=f"batch {report.undone}",
            rows_selected=report.events,
        )
        snapshot = publish_undo(run.spark, drafted.batch, drafted.result)
        settle_undone(run, report.undone, keep=keep_watermark)
        append_lineage_of_numbers(run, after=drafted.high_water)
        if snapshot is not None:
            record_published(
                run.spark,
                run.settings,
                run.target,
                snapshot,
                reason=f"versions computed anew without the events of batch {report.undone}",
                at=datetime.now(UTC),
                counts={"events_undone": report.events, "events_returned": report.returned},
            )
    return snapshot


def _finish_stopped(run: Run, state: CurrentState | None, undone: str, *, keep: bool) -> None:
    """Bring the quarantine after an undo that was published and then stopped."""
    if state is not None and undone in state.undone:
        settle_undone(run, undone, keep=keep)


def _batch_column(contract: Contract) -> str:
    column = contract.generated("batch_id")
    if column is None:
        raise SettingsError(
            where=contract.name,
            expected="a column that is filled by `batch_id`, which names the batch of each event",
            found="none",
            next_step="Without it nobody can tell which events a batch brought. `strandline "
            "diff` shows what each batch changed; `strandline verify --repair` loads what the "
            "source has.",
        )
    return column.name


def _keys_made_since(contract: Contract, settings: RunSettings, moment: datetime | None) -> bool:
    """Whether an older state may have tokens of a key that has been replaced since.

    Such a token must not come back: its key may be destroyed.
    """
    if moment is None or not any(column.protection for column in contract.columns):
        return False
    made = (each.made_at for each in settings.key_ring.status())
    return any(at is not None and at > moment for at in made)
