"""The table that a release is about, held while a step of it is done, and the step's audit record.

Promise: each step is in the audit log, with a person and a reason, before it changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import NotFoundError, UsageError
from contracts.loader import find_contract
from contracts.model import Contract
from history import HistorySettings
from history.release.release_record import Release, release_of
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.lifecycle.open_run import contracts_folder
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.ledger_tables import ensure_namespaces_and_ledgers
from tasks.run.spark_error_mapping import map_spark_errors


@dataclass(frozen=True, slots=True)
class Decided:
    """Who decides about a step of a release, why, and when (timezone-aware)."""

    by: str
    reason: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class ReleasePlace:
    """The table of a release, whose lock is held.

    Attributes:
        spark: A session of its own.
        settings: Where things live.
        contract: The contract in the folder of contracts.
        table: The published history, `catalog.namespace.name`.
    """

    spark: SparkSession = field(repr=False)
    settings: RunSettings
    contract: Contract
    table: str

    @property
    def history(self) -> HistorySettings:
        """How the published history is kept."""
        return history_settings(self.contract)

    @property
    def release(self) -> Release:
        """The release as it stands now.

        Raises:
            NotFoundError: There is none.
        """
        found = release_of(self.spark, self.table)
        if found is None:
            name = self.contract.name
            raise NotFoundError(
                where=self.table,
                expected="a release of this table",
                found="none",
                next_step=f"strandline release start {name} --contract FILE --reason ...",
            )
        return found

    def record(
        self,
        action: AuditAction,
        decided: Decided,
        release: Release,
        *,
        counts: Mapping[str, int] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Record a step in the audit log.

        Raises:
            UsageError: The person or the reason is blank.
        """
        if not decided.by.strip() or not decided.reason.strip():
            raise UsageError(
                where=f"a release of {self.contract.name}",
                expected="who decides, and why",
                found="a blank name or reason",
                next_step="Type both, and run the command again. Nothing was changed.",
            )
        entry = AuditEntry(
            action=action,
            subject=self.table,
            actor=decided.by,
            reason=decided.reason,
            contract=release.contract,
            contract_version=release.version,
            counts=counts or {},
            details={"release": release.id, "account": current_actor(), **(details or {})},
        )
        record_audit(self.spark, self.settings, [entry], at=datetime.now(UTC))


@contextmanager
def release_place(contract: str, settings: str, *, run_id: str) -> Iterator[ReleasePlace]:
    """The table of a contract, locked while the body runs.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        run_id: Names the holder of the lock.

    Raises:
        TableBusyError: A load, or another step of a release, holds the table.
    """
    block = block_lookup.settings(settings)
    model = find_contract(contract, contracts_folder(block))
    table = f"{block.lakehouse.catalog}.{model.target}"
    with table_lock(block.state_directory, table, run_id=run_id):
        block.lakehouse.check()
        with map_spark_errors(model.name, "release", publishes=True):
            spark = block.spark.session(block.lakehouse, shared=False)
            ensure_namespaces_and_ledgers(spark, block, model.namespace)
            model = with_recorded_source_kind(spark, model, table)
            yield ReleasePlace(spark, block, model, table)
