"""The retention of one table applied: records that were kept long enough are let go.

Promise: under the table's lock, written on a branch, audited there and published by one move of
`main`. The ledger of retired records and the audit log have it before. A run that was stopped
before publishing has changed no row; stopped after, the next run finishes what is left. A dry run
changes nothing. An error of one table is an outcome, and never stops another's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from types import MappingProxyType

from prefect import task
from prefect.cache_policies import NO_CACHE
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import ContractError, NotFoundError, StrandlineError
from contracts.loader import find_contract, load_contracts
from contracts.model import Contract, RetentionAction, RetentionStart
from history.iceberg import branches
from history.iceberg.current_snapshot import CurrentState
from history.iceberg.history_table import find_state, kept_events
from history.iceberg.read_snapshot import rows_at
from history.model.history_settings import HistorySettings
from history.release.release_record import refuse_during_release
from history.schema_evolution.evolve_table import settings_of_table
from history.spark.checkpoint import unpersisting
from history.spark.column_quoting_and_comparison import named
from history.upkeep.forget_states import ForgottenStates, forget_states
from history.upkeep.replace_records import (
    RecordReplacement,
    ReplacedRows,
    new_key,
    replace_records,
)
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.erasure.legal_holds import active_holds, with_held
from tasks.lifecycle.open_run import contracts_folder
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.audit_log.audit_of_tables import settle_published
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tasks.retention.anonymise_records import anonymising, removing
from tasks.retention.expired_records import (
    IS_HELD,
    DueRecords,
    due_records,
    rule_of,
)
from tasks.retention.retired_records import Retirement, anonymised_records, list_retired
from tasks.retention.rows_beside import (
    RowsBeside,
    drop_stages,
    forget_rows_beside,
    old_rows_beside,
    remove_rows_beside,
    stages_with,
)
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.transforms.record_digests import RECORD_DIGEST, with_record_digest

APPLIED = "strandline.retention-applied-at"
"""The table property with when retention was last applied."""

_ONCE_OCTETS = 32
_NO_COUNTS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RetentionOutcome:
    """How the retention of one table ended, or what a dry run found.

    Attributes:
        contract: The contract's name.
        target: The table.
        seconds: How long it took.
        action: What becomes of records: anonymise or delete; empty after an error.
        counts: `records` (or would be), `versions`, `kept_events`; `held`, records that a legal
            hold keeps; `due_in_30_days`, `due_in_90_days`; rows beside: `refused_rows`,
            `unusual_rows`, `stages`; `snapshots`, older states that were let go, and
            `snapshots_pinned`, those that a tag or branch of somebody else keeps.
        snapshot_id: The snapshot that was published; None: no record was retired.
        beside_is_held: A legal hold keeps the rows beside.
        error: What stopped it.
    """

    contract: str
    target: str
    seconds: float
    action: str = ""
    counts: Mapping[str, int] = field(default_factory=lambda: _NO_COUNTS)
    snapshot_id: int | None = None
    beside_is_held: bool = False
    error: StrandlineError | None = None

    @property
    def state(self) -> str:
        """'applied', 'nothing to do', or the kind of error."""
        if self.error is not None:
            return type(self.error).__name__
        did = ("records", "refused_rows", "unusual_rows", "stages", "snapshots")
        return "applied" if any(self.counts.get(name) for name in did) else "nothing to do"


def contracts_with_retention(settings: str) -> tuple[str, ...]:
    """The names of the contracts of the settings that say what becomes of old records."""
    contracts = load_contracts(contracts_folder(block_lookup.settings(settings)))
    return tuple(name for name, each in contracts.items() if each.retention is not None)


@task(
    name="retain-table",
    task_run_name="retain-{contract}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
@without_unexpected_errors("retain-table")
def retain_table(
    contract: str, settings: str, *, run_id: str, now: datetime, dry_run: bool
) -> RetentionOutcome:
    """Apply the retention of a contract's table.

    Args:
        contract: The name of a contract.
        settings: The name of the run settings block.
        run_id: The run that holds the table's lock.
        now: The time from which ages are counted; timezone-aware.
        dry_run: Only say what would be done.
    """
    started = time.monotonic()
    block = block_lookup.settings(settings)
    model = find_contract(contract, contracts_folder(block))
    target = f"{block.lakehouse.catalog}.{model.target}"
    try:
        rule, _ = rule_of(model)
        block.lakehouse.check()
        with map_spark_errors(model.name, "retention", publishes=True), unpersisting():
            spark = block.spark.session(block.lakehouse, shared=False)
            run = RetentionRun(spark, block, model, Retirement(target, run_id, now))
            if dry_run:
                outcome = run.found()
            else:
                with table_lock(block.state_directory, target, run_id=run_id):
                    refuse_during_release(spark, target, "retention is applied")
                    change = TableChange(
                        spark, block, model, run_id, "apply-retention", "RETENTION"
                    )
                    with change_told_as_lineage(change):
                        outcome = run.apply()
    except StrandlineError as error:
        return RetentionOutcome(model.name, target, time.monotonic() - started, error=error)
    counts, snapshot_id, is_held = outcome
    return RetentionOutcome(
        model.name,
        target,
        time.monotonic() - started,
        str(rule.action),
        counts,
        snapshot_id,
        is_held,
    )


Found = tuple[Mapping[str, int], int | None, bool]


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """One run over one table.

    Attributes:
        spark: A session of its own.
        settings: Where things lie.
        contract: The contract, which has a retention.
        retirement: The table, the run and the time.
    """

    spark: SparkSession
    settings: RunSettings
    contract: Contract
    retirement: Retirement

    @property
    def target(self) -> str:
        """The table."""
        return self.retirement.target

    @property
    def before(self) -> datetime:
        """What is older than this was kept long enough: the start of a day, in UTC."""
        _, days = rule_of(self.contract)
        day = self.retirement.at.astimezone(UTC).date() - timedelta(days=days)
        return datetime.combine(day, time_of_day.min, UTC)

    def found(self) -> Found:
        """What there is to do; changes nothing."""
        state = self._state()
        due = self._due(state)
        beside, is_held = self._beside()
        forgotten = forget_states(self.spark, self.target, dry_run=True)
        return _counts(due, ReplacedRows(), beside, forgotten), None, is_held

    def apply(self) -> Found:
        """Do it; the caller holds the table's lock."""
        state = self._state()
        # Their snapshots are about to expire.
        settle_published(self.spark, self.settings, self.target, at=datetime.now(UTC))
        due = self._due(state)
        beside, is_held = self._beside()
        done, snapshot_id = ReplacedRows(), None
        if due.expired:
            done, beside, snapshot_id = self._retire(state, due, beside)
        elif beside.any:
            self._record(due, done, beside)
        forgotten = forget_states(self.spark, self.target)
        remove_rows_beside(self.spark, self.settings, self.target, beside, self.before)
        forget_rows_beside(self.spark, self.settings, self.retirement.at)
        branches.alter(
            self.spark,
            f"ALTER TABLE {self.target} SET TBLPROPERTIES "
            f"('{APPLIED}' = '{self.retirement.at.isoformat()}')",
        )
        return _counts(due, done, beside, forgotten), snapshot_id, is_held

    def _state(self) -> CurrentState:
        state = find_state(self.spark, self.target)
        if state is None:
            raise NotFoundError(
                where=self.target,
                expected="a table that was loaded at least once",
                found="no such table",
                next_step=f"strandline run {self.contract.name}",
            )
        return state

    def _history(self) -> HistorySettings:
        contract = with_recorded_source_kind(self.spark, self.contract, self.target)
        rule, _ = rule_of(contract)
        if contract.source.is_state and rule.start is RetentionStart.LOAD:
            raise ContractError(
                where=contract.name,
                expected="`from: record_end` of a source that is a state",
                found="`from: load`: what a state has is a record still, whenever it was loaded",
                next_step="Correct `privacy: retention` in the contract. Nothing was changed.",
            )
        return settings_of_table(self.spark, self.target, history_settings(contract))

    def _tables(self, state: CurrentState) -> tuple[DataFrame, DataFrame | None]:
        """The versions and the kept events that readers see."""
        kept = None
        if state.kept_snapshot is not None:
            kept = rows_at(self.spark, kept_events(self.target), state.kept_snapshot)
        return rows_at(self.spark, self.target, state.snapshot_id), kept

    def _due(self, state: CurrentState) -> DueRecords:
        versions, kept = self._tables(state)
        return due_records(
            self.contract,
            self._history(),
            self._judged(versions),
            None if kept is None else self._judged(kept),
            today=self.retirement.at.astimezone(UTC).date(),
        )

    def _judged(self, rows: DataFrame) -> DataFrame:
        """The rows with `IS_HELD`, without those of records that are anonymised already."""
        anonymised = anonymised_records(self.spark, self.settings, self.target)
        if anonymised is not None and not anonymised.isEmpty():
            rows = self._digested(rows).join(anonymised, RECORD_DIGEST, "left_anti")
        return with_held(self.spark, self.settings, self.contract, rows, IS_HELD)

    def _digested(self, rows: DataFrame) -> DataFrame:
        """Rows with the digests of their records."""
        keys = self.settings.key_ring.keys_for(self.contract.target, create=False)
        return with_record_digest(
            rows, self.contract.key, keys.fingerprint.material, table=self.contract.target
        )

    def _beside(self) -> tuple[RowsBeside, bool]:
        """What lies beside and is old, and whether a legal hold keeps it."""
        holds = active_holds(self.spark, self.settings, self.target)
        if holds is not None and not holds.isEmpty():
            return RowsBeside(), True
        return old_rows_beside(self.spark, self.settings, self.target, self.before), False

    def _retire(
        self, state: CurrentState, due: DueRecords, beside: RowsBeside
    ) -> tuple[ReplacedRows, RowsBeside, int]:
        """Retire the records; what was replaced, and what lies beside, with stages that go now."""
        rule, _ = rule_of(self.contract)
        versions, kept = self._tables(state)
        tables = [versions] if kept is None else [versions, kept]
        if rule.action is RetentionAction.ANONYMISE:
            once = secrets.token_bytes(_ONCE_OCTETS)
            replacement = anonymising(self.contract, due.records, tables, once)
        else:
            replacement = removing(self.contract, due.records)
        self._list(replacement, tables)
        keys = replacement.records.select(*map(named, replacement.key))
        stages = stages_with(self.spark, self.settings, self.target, keys)
        gone = replace(beside, stages=tuple(sorted({*beside.stages, *stages})))
        done = ReplacedRows()

        def before_publish(rows: ReplacedRows) -> None:
            nonlocal done
            done = rows
            self._record(due, rows, gone)
            # Published later, they would bring the records back.
            drop_stages(self.spark, stages)

        snapshot_id = replace_records(
            self.spark,
            self.target,
            replacement,
            state,
            run_id=self.retirement.run_id,
            before_publish=before_publish,
        )
        return done, gone, snapshot_id

    def _list(self, replacement: RecordReplacement, tables: list[DataFrame]) -> None:
        """List the records, so that no load brings them back, and those that take their place."""
        records = replacement.records
        until = self._until(replacement, tables)
        list_retired(
            self.spark, self.settings, self.retirement, self._digested(records), until=until
        )
        if replacement.new_keys:
            new = records.select(
                *[
                    named(new_key(name) if name in replacement.new_keys else name).alias(name)
                    for name in replacement.key
                ]
            )
            list_retired(
                self.spark, self.settings, self.retirement, self._digested(new), until=None
            )

    def _until(self, replacement: RecordReplacement, tables: list[DataFrame]) -> datetime:
        """Up to when no event of them is taken: one moment for all, not before their last one.

        Nor after now: a stamp from the future would keep the record away for as long.
        """
        stamp, epoch = self.contract.generated("sequence"), datetime.fromtimestamp(0, UTC)
        moments = [self.before]
        latest = (self.retirement.at - epoch) // timedelta(microseconds=1)
        if stamp is not None and stamp.type in ("date", "timestamp"):
            keys = replacement.records.select(*map(named, replacement.key))
            for rows in tables:
                last = rows.join(keys, list(replacement.key), "left_semi").agg(
                    F.unix_micros(F.max(named(stamp.name)).cast("timestamp")).alias("last")
                )
                micros = last.collect()[0]["last"]
                if micros is not None:
                    moments.append(epoch + timedelta(microseconds=min(micros, latest)))
        return max(moments)

    def _record(self, due: DueRecords, rows: ReplacedRows, beside: RowsBeside) -> None:
        rule, days = rule_of(self.contract)
        entry = AuditEntry(
            action=AuditAction.RETAIN,
            subject=self.target,
            actor=current_actor(),
            reason=f"kept for {days} days from {rule.start}, as its contract says",
            contract=self.contract.name,
            contract_version=self.contract.version,
            run_id=self.retirement.run_id,
            counts={
                "records": due.expired,
                "held": due.held,
                "versions": rows.versions,
                "kept_events": rows.kept_events,
                "refused_rows": beside.refused,
                "unusual_rows": beside.unusual,
                "stages": len(beside.stages),
            },
            details={"action": str(rule.action), "before": self.before.isoformat()},
        )
        record_audit(self.spark, self.settings, [entry], at=datetime.now(UTC))


def _counts(
    due: DueRecords, rows: ReplacedRows, beside: RowsBeside, forgotten: ForgottenStates
) -> Mapping[str, int]:
    return {
        "records": due.expired,
        "versions": rows.versions,
        "kept_events": rows.kept_events,
        "held": due.held,
        "due_in_30_days": due.soon,
        "due_in_90_days": due.later,
        "refused_rows": beside.refused,
        "unusual_rows": beside.unusual,
        "stages": len(beside.stages),
        "snapshots": forgotten.snapshots,
        "snapshots_pinned": forgotten.pinned,
    }
