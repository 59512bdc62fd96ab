"""Upkeep of one contract's history, while no load of it runs.

Promise: the table is locked as a load locks it; a dry run locks and changes nothing. An error in
one table is an outcome, and never stops the upkeep of another.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import StrandlineError
from contracts.loader import find_contract, load_contracts
from contracts.model import Contract
from history.iceberg.history_table import exists
from history.reading.sql_views import create_views
from history.release.routed_views import current_view_query
from history.upkeep.snapshot_expiry import Retention
from history.upkeep.table_upkeep import STEPS, UpkeepReport, UpkeepSettings, upkeep
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.lifecycle.leftover_cleanup import clear_expired_stages
from tasks.lifecycle.open_run import contracts_folder
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.audit_log.audit_of_tables import settle_published
from tasks.run.progress_listeners import announce
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors


@dataclass(frozen=True, slots=True)
class UpkeepOutcome:
    """How the upkeep of one table ended.

    `report` is None where the table was never loaded, or where `error` stopped it. `views` is
    whether the catalog keeps views (None: not checked).
    """

    contract: str
    target: str
    seconds: float
    report: UpkeepReport | None = None
    views: bool | None = None
    error: StrandlineError | None = None

    @property
    def state(self) -> str:
        """'done', 'nothing to do', 'never loaded', or the kind of error."""
        if self.error is not None:
            return type(self.error).__name__
        if self.report is None:
            return "never loaded"
        return "done" if self.report.did_something else "nothing to do"


def all_contracts(settings: str) -> tuple[str, ...]:
    """The names of all contracts of the settings."""
    return tuple(load_contracts(contracts_folder(block_lookup.settings(settings))))


@task(
    name="keep-up", task_run_name="keep-up-{contract}", cache_policy=NO_CACHE, persist_result=False
)
@without_unexpected_errors("keep-up")
def keep_up(
    contract: str, settings: str, *, run_id: str, now: datetime, dry_run: bool
) -> UpkeepOutcome:
    """Do the upkeep of the history of one contract.

    Args:
        contract: The name of a contract.
        settings: The name of the run settings block, which says how long states are kept.
        run_id: The run that holds the table's lock.
        now: The time from which ages are counted.
        dry_run: Only say what would be done.
    """
    started = time.monotonic()
    block = block_lookup.settings(settings)
    model = find_contract(contract, contracts_folder(block))
    target = f"{block.lakehouse.catalog}.{model.target}"
    try:
        if dry_run:
            report, views = _run_upkeep(model, block, target, now, dry_run=True), None
        else:
            with table_lock(block.state_directory, target, run_id=run_id):
                _record_published(model, block, target)
                report = _run_upkeep(model, block, target, now, dry_run=False)
                if report is not None and report.did_something:
                    _record_upkeep(model, block, report, run_id=run_id)
                _clear_expired_stages(model, block, target, now)
                views = None if report is None else _create_views(model, block, target)
    except StrandlineError as error:
        return UpkeepOutcome(model.name, target, time.monotonic() - started, error=error)
    return UpkeepOutcome(model.name, target, time.monotonic() - started, report, views)


def _run_upkeep(
    contract: Contract, settings: RunSettings, target: str, now: datetime, *, dry_run: bool
) -> UpkeepReport | None:
    settings.lakehouse.check()
    steps = iter((*STEPS, ""))

    def step_done(step: str) -> None:
        announce(contract.name, step, "done")
        if following := next(steps):
            announce(contract.name, following, "begun")

    with map_spark_errors(contract.name, "upkeep"):
        spark = settings.spark.session(settings.lakehouse, shared=False)
        if not exists(spark, target):
            return None
        announce(contract.name, next(steps), "begun")
        return upkeep(
            spark,
            target,
            history_settings(with_recorded_source_kind(spark, contract, target)),
            now=now,
            care=UpkeepSettings(
                retention=Retention(
                    keep_days=settings.keep_days, keep_at_least=settings.keep_at_least
                )
            ),
            dry_run=dry_run,
            announce=step_done,
        )


def _record_published(contract: Contract, settings: RunSettings, target: str) -> None:
    """Record batches that lack a record in the audit log, before their snapshots expire."""
    settings.lakehouse.check()
    with map_spark_errors(contract.name, "audit log"):
        spark = settings.spark.session(settings.lakehouse, shared=False)
        if exists(spark, target):
            settle_published(spark, settings, target, at=datetime.now(UTC))


def _record_upkeep(
    contract: Contract, settings: RunSettings, report: UpkeepReport, *, run_id: str
) -> None:
    entry = AuditEntry(
        action=AuditAction.UPKEEP,
        subject=report.table,
        actor=current_actor(),
        reason=f"files are joined, and states older than {settings.keep_days} days let go",
        contract=contract.name,
        contract_version=contract.version,
        run_id=run_id,
        counts={
            "files_rewritten": report.rewritten,
            "branches_dropped": report.branches_dropped,
            "tags_dropped": report.tags_dropped,
            "snapshots_expired": report.snapshots_expired,
            "files_expired": report.files_expired,
            "orphans_removed": report.orphans,
        },
    )
    with map_spark_errors(contract.name, "audit log", publishes=True):
        spark = settings.spark.session(settings.lakehouse, shared=False)
        record_audit(spark, settings, [entry], at=datetime.now(UTC))


def _clear_expired_stages(
    contract: Contract, settings: RunSettings, target: str, now: datetime
) -> None:
    """Remove the stages of batches that were not published, and whose time is up."""
    with map_spark_errors(contract.name, "upkeep"):
        spark = settings.spark.session(settings.lakehouse)
        clear_expired_stages(spark, settings, contract.name, target, now=now)


def _create_views(contract: Contract, settings: RunSettings, target: str) -> bool:
    with map_spark_errors(contract.name, "views", publishes=True):
        spark = settings.spark.session(settings.lakehouse)
        kept = history_settings(with_recorded_source_kind(spark, contract, target))
        return create_views(spark, target, kept, query=current_view_query(spark, target, kept))
