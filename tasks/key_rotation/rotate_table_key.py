"""The encryption key of one table rotated, and on request its tokens encrypted again.

Promise: a new key is kept before a value is encrypted with it, and its uses are counted before
they happen. A rewrite that was stopped goes on with the same key. Readers see the table as it was,
or all of it under the new key; older snapshots keep their tokens, which the retired keys open.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.loader import find_contract
from contracts.model import Contract
from contracts.model.encryption_keys import DataKey, KeyState, KeyStatus
from history.iceberg.history_table import exists
from history.release.release_record import refuse_during_release
from history.spark.column_quoting_and_comparison import named
from history.upkeep.rewrite_values import (
    PendingValues,
    ValueRewrite,
    pending_values,
    rewrite_values,
)
from tasks.erasure.subject_key_ledger import rewrap_subject_keys
from tasks.key_rotation.quarantine_tokens import (
    QuarantinedTable,
    quarantined_rows,
    reencrypt_quarantine,
)
from tasks.lifecycle.open_run import contracts_folder
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.transforms.protection.column_protection import compile_protection
from tasks.transforms.protection.key_transport import provide_transport_key
from tasks.transforms.protection.token_reencryption import (
    Reencryption,
    is_of_other_key,
    meaning,
    reencrypted,
    reencryption,
)

_DIGEST_KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class RotationOutcome:
    """How the rotation of one table ended.

    Attributes:
        contract: The contract's name.
        target: The table.
        key: The key that encrypts from now on.
        rewritten: Whether older values were to be encrypted again; the counts say how many were.
        versions: Values of versions.
        kept_events: Values of kept events.
        quarantined: Refused rows.
        subject_keys: Keys of persons, wrapped by the new key; what they encrypted stays as it is.
        seconds: How long it took.
    """

    contract: str
    target: str
    key: KeyStatus
    seconds: float
    rewritten: bool = False
    versions: int = 0
    kept_events: int = 0
    quarantined: int = 0
    subject_keys: int = 0


@task(
    name="rotate-table-key",
    task_run_name="rotate-key-of-{contract}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
@without_unexpected_errors("rotate-table-key")
def rotate_table_key(
    contract: str, settings: str, *, run_id: str, at: datetime, rewrite: bool
) -> RotationOutcome:
    """Make a new encryption key for the table of a contract; with `rewrite`, use it for all values.

    Args:
        contract: The name of a contract.
        settings: The name of the run settings block, which has the key ring.
        run_id: The run that holds the table's lock.
        at: When the key is made; timezone-aware.
        rewrite: Encrypt again what older keys encrypted.

    Raises:
        KeyUnavailableError: The table has no keys, one is missing, or a value is of no known key.
        TableBusyError: A load of the table runs, and `rewrite` has to wait for it.
        AuditError: What was rewritten does not mean the same; nothing was published.
        CommitConflictError: Another writer published meanwhile; run it again.
    """
    started = time.monotonic()
    block = block_lookup.settings(settings)
    model = find_contract(contract, contracts_folder(block))
    target = f"{block.lakehouse.catalog}.{model.target}"
    if not rewrite:
        block.lakehouse.check()
        with map_spark_errors(model.name, "rotate keys"):
            spark = block.spark.session(block.lakehouse, shared=False)
        key = block.key_ring.rotate(model.target, at=at)
        outcome = RotationOutcome(model.name, target, key, time.monotonic() - started)
        _record(spark, block, model, outcome, run_id)
        return outcome
    with table_lock(block.state_directory, target, run_id=run_id):
        block.lakehouse.check()
        with map_spark_errors(model.name, "rotate keys", publishes=True):
            spark = block.spark.session(block.lakehouse, shared=False)
            refuse_during_release(spark, target, "values are encrypted again")
            key = block.key_ring.begin_rewrite(model.target, at=at)
            erased = _erased_keys(block, model.target)
            values = _Rewrite(spark, block, model, target, run_id, at, erased)
            change = TableChange(spark, block, model, run_id, "rotate-keys", "KEY_ROTATION")
            with change_told_as_lineage(change):
                done, quarantined = values.run(key)
                wrapped = values.rewrap_subject_keys()
        outcome = RotationOutcome(
            model.name,
            target,
            key,
            time.monotonic() - started,
            rewritten=True,
            versions=done.versions,
            kept_events=done.kept_events,
            quarantined=quarantined,
            subject_keys=wrapped,
        )
        # Before the rewrite counts as finished: stopped in between, it is recorded by the next.
        _record(spark, block, model, outcome, run_id)
        block.key_ring.finish_rewrite(model.target)
    return outcome


def _record(
    spark: SparkSession,
    settings: RunSettings,
    contract: Contract,
    outcome: RotationOutcome,
    run_id: str,
) -> None:
    done = "the values of older keys are encrypted with it too"
    entry = AuditEntry(
        action=AuditAction.ROTATE_KEY,
        subject=outcome.target,
        actor=current_actor(),
        reason=f"a new key; {done}" if outcome.rewritten else "a new key from now on",
        contract=contract.name,
        contract_version=contract.version,
        run_id=run_id,
        counts={
            "versions": outcome.versions,
            "kept_events": outcome.kept_events,
            "quarantined": outcome.quarantined,
            "subject_keys": outcome.subject_keys,
        },
        key_ids=(outcome.key.id,),
    )
    record_audit(spark, settings, [entry], at=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Rewrite:
    spark: SparkSession
    settings: RunSettings
    contract: Contract
    target: str
    run_id: str
    at: datetime
    erased: frozenset[str]
    """The ids of keys of the table that were destroyed."""

    def run(self, key: KeyStatus) -> tuple[PendingValues, int]:
        """What was pending in the history, and how many refused rows changed.

        `key` is the active one when it begins.
        """
        protection = compile_protection(self.contract)
        quarantine = QuarantinedTable(
            ledger_table(self.settings, "quarantine"), self.target, protection
        )
        pending = PendingValues()
        if exists(self.spark, self.target):
            pending = pending_values(self.spark, self.target, self._rewrite(key.id, None))
        refused = quarantined_rows(self.spark, quarantine)
        values = pending.values + refused * protection.tokens_per_row
        if not values:
            return pending, 0
        active, how = self._keys(values)
        provide_transport_key(self.spark)
        if pending.values:
            rewrite_values(self.spark, self.target, self._rewrite(active.id, how), pending)
        changed = 0
        if refused:
            changed = reencrypt_quarantine(self.spark, quarantine, how, run_id=self.run_id)
        return pending, changed

    def rewrap_subject_keys(self) -> int:
        """How many keys of persons the new key wraps in place of an older one."""
        key = self.settings.key_ring.keys_for(self.contract.target, create=False).encryption
        return rewrap_subject_keys(self.spark, self.settings, self.contract, self.target, key)

    def _keys(self, values: int) -> tuple[DataKey, Reencryption]:
        """The key to encrypt with, which is another than before if that is used up, and all."""
        ring, table = self.settings.key_ring, self.contract.target
        active = ring.keys_for_encryption(table, values=values, create=False, at=self.at).encryption
        return active, reencryption(
            table,
            ring.decryption_keys(table),
            active,
            erased=self.erased,
            digests=secrets.token_bytes(_DIGEST_KEY_OCTETS),
        )

    def _rewrite(self, active: str, how: Reencryption | None) -> ValueRewrite:
        """How the history's tokens are rewritten; without keys they can only be counted."""
        encrypted = compile_protection(self.contract).encrypted

        def tokens(frame: DataFrame) -> list[str]:
            fields = {field.name: field.dataType for field in frame.schema.fields}
            return [name for name in encrypted if isinstance(fields.get(name), T.BinaryType)]

        def pending(frame: DataFrame) -> Column:
            others = [is_of_other_key(named(name), active, self.erased) for name in tokens(frame)]
            return sum((each.cast("long") for each in others), start=F.lit(0))

        def rewritten(frame: DataFrame) -> DataFrame:
            names = tokens(frame) if how is not None else []
            return frame.withColumns(
                {name: reencrypted(named(name), how, column=name) for name in names if how}
            )

        def meant(frame: DataFrame) -> DataFrame:
            names = tokens(frame) if how is not None else []
            return frame.withColumns(
                {name: meaning(named(name), how, column=name) for name in names if how}
            )

        return ValueRewrite(pending, rewritten, meant)


def _erased_keys(settings: RunSettings, table: str) -> frozenset[str]:
    return frozenset(
        each.id
        for each in settings.key_ring.status()
        if each.table == table and each.state is KeyState.DESTROYED
    )
