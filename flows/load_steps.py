"""The steps of one load in their order: read, validate, merge, audit, publish, record.

Every flow that loads a table uses them: for one table, for several, or to repair one after verify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from contracts.errors import CommitConflictError
from contracts.model import Contract
from history import LoadReport
from tasks.audit import audit
from tasks.compiler.compile_contract import CompiledContract
from tasks.create_views import create_target_views, keep_access
from tasks.extract import extract
from tasks.lifecycle.open_run import OpenRun
from tasks.lifecycle.settle_rows import settle_by_load
from tasks.merge import merge
from tasks.observability.emit_prefect_events import emit_loaded
from tasks.observability.prefect_assets import published_asset
from tasks.observability.service_level import report_missed_service_levels
from tasks.protect import protect
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.resilience.source_reading import source_reading
from tasks.run.retries import with_retries
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_results import (
    LoadSummary,
    MergedBatch,
    SourceRead,
    StagedBatch,
    ValidBatch,
)
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.validate import validate

PUBLISH_ATTEMPTS = 5


def load(opened: OpenRun) -> LoadSummary:
    """Load what is new in the source."""
    return publish_and_record(opened, read_and_validate(opened.run, opened.contract))


def read_and_validate(run: Run, contract: Contract) -> ValidBatch:
    """Read the source once, and validate the staged batch."""
    source_read = read_source(run, contract)
    return validate(run, source_read.contract, source_read.staged)


def read_source(run: Run, contract: Contract) -> SourceRead:
    """One read of the source, retried as often as the contract allows."""
    return with_retries(read, contract.source.retry_attempts, seconds=run.seconds_left())(
        run, contract
    )


@task(name="read", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("read")
def read(run: Run, contract: Contract) -> SourceRead:
    """Extract and protect, in one read of the source.

    The bounds, the rows and the references they are compared with are of one state of the source.
    A retry repeats the whole read: half of one and half of another would mix two states.

    Raises:
        StrandlineError: As the two steps, and as `tasks.resilience.source_reading`.
    """
    with source_reading(run, contract) as reading:
        extraction = extract(run, contract, reading)
        return SourceRead(extraction, protect(run, extraction, reading))


def publish_and_record(opened: OpenRun, valid: ValidBatch, *, reason: str = "load") -> LoadSummary:
    """Publish a valid batch, and record it, with the reason in the audit log."""
    run = opened.run
    valid, report = merge_and_publish(opened, valid)
    contract, staged = valid.contract, valid.staged
    tell_published(run, contract, staged, report)
    with map_spark_errors(run.name, "settle", publishes=True):
        settled = settle_by_load(run, contract, staged)
    summary = record(
        run,
        staged,
        valid.verdict,
        report,
        opened.watch,
        settled=settled,
        reason=reason,
        step_seconds=opened.times.seconds,
    )
    report_missed_service_levels(run, opened.contract, summary.elapsed_seconds)
    keep_access_current(run, contract)
    return replace(
        summary,
        step_seconds=opened.times.seconds,
        mended=settled.mended,
        gone=settled.gone,
        source_kind=str(contract.kind),
        taken_because=contract.kind_reason,
    )


def merge_and_publish(opened: OpenRun, valid: ValidBatch) -> tuple[ValidBatch, LoadReport]:
    """Merge, audit, publish; again on the new state when another writer was faster.

    An events source has the same rows whenever it is read. A state source is read again, since the
    other writer's read may have been the later one.
    """
    run = opened.run

    def merged(attempt: int) -> MergedBatch:
        nonlocal valid
        if attempt > 1 and valid.contract.is_state:
            again = read_and_validate(run, opened.contract)
            valid = replace(again, contract=_with_first_reason(again.contract, valid.contract))
        return merge(run, valid.contract, valid.staged, valid.verdict)

    def published(batch: MergedBatch) -> LoadReport:
        return published_asset(run, valid.contract, publish, batch.written)(run, batch)

    report = publish_merged(run, merged, published)
    return valid, report


def publish_merged(
    run: Run,
    merged: Callable[[int], MergedBatch],
    published: Callable[[MergedBatch], LoadReport],
    *,
    attempts: int = PUBLISH_ATTEMPTS,
) -> LoadReport:
    """Audit and publish what `merged` gives for an attempt; anew where another writer was faster.

    Raises:
        CommitConflictError: Other writers were faster each time.
        AuditError: The result breaks a rule of the history.
    """
    for attempt in range(1, attempts + 1):
        batch = merged(attempt)
        audit(run, batch)
        try:
            return replace(published(batch), attempts=attempt)
        except CommitConflictError:
            if attempt == attempts:
                raise
    message = "the last attempt returns or raises"
    raise AssertionError(message)


def tell_published(
    run: Run, contract: CompiledContract, staged: StagedBatch, report: LoadReport
) -> None:
    """Emit what was published, and give the view the columns that the table may have gained."""
    emit_loaded(run, staged, report)
    if report.published:
        create_target_views(run, contract.history)


def keep_access_current(run: Run, contract: CompiledContract) -> None:
    """Bring the roles' views and the tags in step with the contract and the table.

    Last, so that a failure leaves nothing else undone; also where nothing was published, since the
    contract may have changed what a role sees.
    """
    with map_spark_errors(run.name, "access", publishes=True):
        keep_access(run, contract)


def _with_first_reason(again: CompiledContract, first: CompiledContract) -> CompiledContract:
    """Keep the first read's reason for the kind of the source."""
    return replace(again, kind_reason=first.kind_reason)
