"""Erasing persons from one table: its history, what is kept beside it, and all older states.

Promise: persons are listed as erased before the first row goes, so no load brings one back. An
erasure that was stopped is gone on with by the same command, until the proof holds; then the audit
log has the certificate. Values that name persons are in no parameter, log, event or plan.

GDPR, article 17 (erasure) and recital 26; article 5(2): the certificate shows that it was done.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import ErasureIncompleteError, NotFoundError, SettingsError
from contracts.loader import find_contract
from contracts.model import Contract
from history.iceberg.history_table import exists
from history.model.history_settings import HistorySettings
from history.release.release_record import refuse_during_release
from history.spark.checkpoint import checkpoint
from history.upkeep.erase_rows import ErasedRows, RowErasure, erase_rows, marked_rows
from history.upkeep.purge_states import (
    PurgedStates,
    foreign_refs,
    purge_history,
    purge_table,
)
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.erasure.data_subjects import DataSubjects, data_subjects
from tasks.erasure.erase_ledger_rows import erase_ledger_rows
from tasks.erasure.erased_subjects import (
    lift,
    record_erased,
    record_verified,
    unverified,
)
from tasks.erasure.erasure_certificate import ErasedSubject, ErasureCertificate, ErasureRequest
from tasks.erasure.legal_holds import refuse_held
from tasks.erasure.quarantined_subjects import keys_as_kept, quarantined_subjects
from tasks.erasure.subject_key_ledger import destroy_subject_keys
from tasks.erasure.verify_erasure import ErasureProof, verify_erasure
from tasks.lifecycle.leftover_cleanup import clear_all_stages
from tasks.lifecycle.open_run import contracts_folder
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.audit_log.audit_of_tables import settle_published
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tasks.run.progress_listeners import announce
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.transforms.rows_from_quarantine import ROW_ID
from tasks.transforms.subject_digests import SUBJECT_DIGEST

STEPS = ("find", "erase", "purge", "quarantine", "verify")
"""The steps of an erasure, in their order."""

_SAME_ROW = (
    f"t.target_table = s.target_table AND concat_ws('/', t.batch_id, t.row_digest) = s.{ROW_ID}"
)
_SAME_KEY = "t.target_table = s.target_table AND t.record_key = s.record_key"


def erase_from_table(
    contract: str,
    settings: str,
    subjects: Sequence[Mapping[str, str]],
    request: ErasureRequest,
    *,
    run_id: str,
    at: datetime,
) -> ErasureCertificate:
    """Erase persons from the table of a contract, and from all that lies beside it.

    Args:
        contract: The name of a contract.
        settings: The name of the run settings block.
        subjects: The text of each subject column, for each person.
        request: What is asked for.
        run_id: The run that holds the table's lock.
        at: When it begins; timezone-aware.

    Raises:
        UsageError: A person is not named as the contract names them.
        NotFoundError: The table was never loaded, or no row is about a person.
        SettingsError: Tags or branches of others keep older states.
        LegalHoldError: A person is under legal hold.
        TableBusyError: A load of the table runs.
        KeyUnavailableError: The key ring lacks a key of the table.
        AuditError: Other rows are not as they were; nothing was published.
        ErasureIncompleteError: Files of broken-off writes are left that may hold rows.
    """
    with _locked(contract, settings, run_id) as (spark, block, model, target):
        _refuse_no_table(spark, model, target)
        refuse_during_release(spark, target, "a person is erased")
        persons = data_subjects(spark, block, model, subjects)
        return _Erasure(spark, block, model, target, persons, request, run_id, at).run()


def lift_erasure(
    contract: str,
    settings: str,
    subjects: Sequence[Mapping[str, str]],
    *,
    reason: str,
    run_id: str,
    at: datetime,
) -> int:
    """Let loads keep rows about erased persons again; returns how many were listed as erased.

    Raises:
        UsageError: A person is not named as the contract names them.
        NotFoundError: None of them is listed.
    """
    with _locked(contract, settings, run_id) as (spark, block, model, target):
        persons = data_subjects(spark, block, model, subjects)
        lifted = lift(spark, block, target, persons.columns, persons.frame, at=at)
        if not lifted:
            raise NotFoundError(
                where=target,
                expected="persons who are listed as erased",
                found="none of those named",
                next_step="Nothing was changed. Check the values, and the table.",
            )
        entry = AuditEntry(
            action=AuditAction.LIFT_ERASURE,
            subject=target,
            actor=current_actor(),
            reason=reason,
            contract=model.name,
            contract_version=model.version,
            run_id=run_id,
            counts={"subjects": lifted},
        )
        record_audit(spark, block, [entry], at=datetime.now(UTC))
    return lifted


@contextmanager
def _locked(
    contract: str, settings: str, run_id: str
) -> Iterator[tuple[SparkSession, RunSettings, Contract, str]]:
    """A session, the settings, the contract and its table, which is locked meanwhile."""
    block = block_lookup.settings(settings)
    model = find_contract(contract, contracts_folder(block))
    target = f"{block.lakehouse.catalog}.{model.target}"
    with table_lock(block.state_directory, target, run_id=run_id):
        block.lakehouse.check()
        with map_spark_errors(model.name, "erase", publishes=True):
            yield block.spark.session(block.lakehouse, shared=False), block, model, target


def _refuse_no_table(spark: SparkSession, contract: Contract, target: str) -> None:
    if not exists(spark, target):
        raise NotFoundError(
            where=target,
            expected="a history that was loaded at least once",
            found="no such table",
            next_step=f"strandline run {contract.name} loads it.",
        )


@contextmanager
def _step(contract: str, name: str) -> Iterator[None]:
    announce(contract, name, "begun")
    yield
    announce(contract, name, "done")


def _incomplete(target: str, contract: str, proof: ErasureProof) -> ErasureIncompleteError:
    return ErasureIncompleteError(
        where=target,
        expected="no file that may have a row about the persons",
        found=f"{proof.rows_left:,} rows, and {len(proof.files_left):,} files of writes that were "
        "broken off",
        next_step="Readers see none of it, and loads bring nothing back. Files without a snapshot "
        f"go with `strandline upkeep {contract}` once they are three days old; then run the same "
        "command again, which completes the erasure.",
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What is about the persons before anything is erased."""

    rows: ErasedRows
    quarantined: Mapping[str, int]
    unfinished: frozenset[str]
    asked: int

    @property
    def digests(self) -> tuple[str, ...]:
        found = {*self.rows.versions, *self.rows.kept_events, *self.quarantined, *self.unfinished}
        return tuple(sorted(found))

    @property
    def subjects(self) -> tuple[ErasedSubject, ...]:
        return tuple(
            ErasedSubject(
                digest,
                self.rows.versions.get(digest, 0),
                self.rows.kept_events.get(digest, 0),
                self.quarantined.get(digest, 0),
            )
            for digest in self.digests
        )


@dataclass(frozen=True, slots=True)
class _Erasure:
    spark: SparkSession
    settings: RunSettings
    contract: Contract
    target: str
    persons: DataSubjects
    request: ErasureRequest
    run_id: str
    at: datetime

    def run(self) -> ErasureCertificate:
        refuse_held(self.spark, self.target, self.persons)
        announce(self.contract.name, "find", "begun")
        found = self._find()
        foreign = foreign_refs(self.spark, self.target)
        erasure_id = f"erasure-{uuid.uuid4().hex[:12]}"
        certificate = ErasureCertificate(
            erasure_id=erasure_id,
            contract=self.contract.name,
            table=self.target,
            columns=self.persons.columns,
            actor=current_actor(),
            reason=self.request.reason,
            began=self.at,
            ended=datetime.now(UTC),
            subjects=found.subjects,
            missing=found.asked - len(found.digests),
            foreign_refs=foreign,
            dry_run=self.request.dry_run,
        )
        self._refuse_missing(found)
        announce(self.contract.name, "find", "done", {"persons": len(found.digests)})
        if self.request.dry_run:
            return certificate
        self._refuse_foreign(foreign)
        change = TableChange(
            self.spark, self.settings, self.contract, self.run_id, "erase-subjects", "ERASURE"
        )
        with change_told_as_lineage(change):
            return self._erase(certificate, found)

    def _erase(self, certificate: ErasureCertificate, found: _Found) -> ErasureCertificate:
        spark, settings, name = self.spark, self.settings, self.contract.name
        digests = self._digests(found)
        record_erased(
            spark,
            settings,
            self.target,
            self.persons.columns,
            digests,
            erasure_id=certificate.erasure_id,
            at=self.at,
        )
        self._record_begun(certificate)
        with _step(name, "erase"):
            settle_published(spark, settings, self.target, at=datetime.now(UTC))
            erased = erase_rows(spark, self.target, self._history(), self._erasure())
        with _step(name, "purge"):
            stages = clear_all_stages(spark, settings, name, self.target)
            purged = purge_history(spark, self.target)
        with _step(name, "quarantine"):
            unusual, ledgers = self._erase_ledgers(erased, refused=bool(found.quarantined))
            # Last of all: what has to be found by decrypting was found.
            keys, of_keys = destroy_subject_keys(spark, settings, self.target, digests)
        with _step(name, "verify"):
            proof = verify_erasure(spark, self.persons, self.target, self._ledger("quarantine"))
            if not proof.holds:
                raise _incomplete(self.target, name, proof)
        record_verified(
            spark, settings, self.target, self.persons.columns, digests, at=datetime.now(UTC)
        )
        done = replace(
            certificate,
            ended=datetime.now(UTC),
            unusual_rows=unusual,
            stages=stages,
            subject_keys=keys,
            purged=purged + ledgers + of_keys,
            proof=proof,
        )
        self._record_done(done)
        return done

    def _find(self) -> _Found:
        rows = marked_rows(self.spark, self.target, self._erasure())
        quarantined: Mapping[str, int] = {}
        if exists(self.spark, self._ledger("quarantine")):
            refused = quarantined_subjects(
                self.spark, self.persons, self._ledger("quarantine"), self.target
            )
            counts = refused.groupBy(SUBJECT_DIGEST).count().collect()
            quarantined = {row[0]: int(row[1]) for row in counts}
        columns, digests = self.persons.columns, self.persons.frame
        unfinished = unverified(self.spark, self.settings, self.target, columns, digests)
        return _Found(rows, quarantined, unfinished, digests.count())

    def _erasure(self) -> RowErasure:
        return RowErasure(
            self.persons.marked,
            SUBJECT_DIGEST,
            whole_keys=set(self.persons.columns) <= set(self.contract.key),
        )

    def _history(self) -> HistorySettings:
        return history_settings(with_recorded_source_kind(self.spark, self.contract, self.target))

    def _ledger(self, name: str) -> str:
        return ledger_table(self.settings, name)

    def _digests(self, found: _Found) -> DataFrame:
        return self.spark.createDataFrame(
            [(digest,) for digest in found.digests], f"{SUBJECT_DIGEST} string"
        )

    def _erase_ledgers(self, erased: ErasedRows, *, refused: bool) -> tuple[int, PurgedStates]:
        """Refused rows and unusual rows; how many of the latter, and what went with both.

        `refused`: there are refused rows about the persons. None can come meanwhile.
        """
        spark, purged, unusual = self.spark, PurgedStates(), 0
        target = F.lit(self.target).alias("target_table")
        keys = None if erased.keys is None else keys_as_kept(erased.keys, self.contract.key)
        ledger = self._ledger("quarantine")
        if refused:
            # Finding them decrypts: once is enough.
            rows = checkpoint(quarantined_subjects(spark, self.persons, ledger, self.target)).rows
            by_key = rows.select("record_key")
            keys = by_key if keys is None else keys.unionByName(by_key)
            purged += erase_ledger_rows(spark, ledger, rows.select(ROW_ID, target), _SAME_ROW)
        elif exists(spark, ledger):
            # A row that was settled or corrected is as it was in the states before that.
            purged += purge_table(spark, ledger)
        ledger = self._ledger("unusual_rows")
        if keys is not None and exists(spark, ledger):
            mine = spark.table(ledger).where(F.col("target_table") == self.target)
            unusual = mine.join(keys, "record_key", "left_semi").count()
            if unusual:
                purged += erase_ledger_rows(
                    spark, ledger, keys.select("record_key", target), _SAME_KEY
                )
        return unusual, purged

    def _refuse_missing(self, found: _Found) -> None:
        missing = found.asked - len(found.digests)
        if missing and (not self.request.skip_missing or not found.digests):
            raise NotFoundError(
                where=self.target,
                expected=f"rows about each of the {found.asked:,} persons",
                found=f"none about {missing:,} of them",
                next_step="Nothing was changed. Check the values and the columns that name "
                "persons; --skip-missing erases the others.",
            )

    def _refuse_foreign(self, foreign: tuple[str, ...]) -> None:
        if foreign and not self.request.drop_tags:
            raise SettingsError(
                where=self.target,
                expected="no state that somebody keeps by a tag or a branch of their own",
                found=", ".join(foreign),
                next_step="Nothing was changed. Such a state still has the persons in it: "
                "--drop-tags lets it go.",
            )

    def _entry(self, certificate: ErasureCertificate, **more: object) -> AuditEntry:
        return AuditEntry(
            action=AuditAction.ERASE,
            subject=self.target,
            actor=certificate.actor,
            reason=self.request.reason,
            contract=self.contract.name,
            contract_version=self.contract.version,
            run_id=self.run_id,
            **more,  # type: ignore[arg-type]
        )

    def _record_begun(self, certificate: ErasureCertificate) -> None:
        """A record for each person, before the first row goes."""
        entries = [
            self._entry(
                certificate,
                counts={
                    "versions": each.versions,
                    "kept_events": each.kept_events,
                    "quarantined": each.quarantined,
                },
                details={
                    "erasure": certificate.erasure_id,
                    "state": "begun",
                    "subject": each.digest,
                    "columns": ", ".join(certificate.columns),
                },
            )
            for each in certificate.subjects
        ]
        record_audit(self.spark, self.settings, entries, at=datetime.now(UTC))

    def _record_done(self, certificate: ErasureCertificate) -> None:
        proof = certificate.proof
        entry = self._entry(
            certificate,
            counts={
                "subjects": len(certificate.subjects),
                "versions": certificate.total("versions"),
                "kept_events": certificate.total("kept_events"),
                "quarantined": certificate.total("quarantined"),
                "unusual_rows": certificate.unusual_rows,
                "subject_keys": certificate.subject_keys,
                "stages": certificate.stages,
                "snapshots_expired": certificate.purged.snapshots,
                "files_expired": certificate.purged.files,
                "refs_dropped": len(certificate.purged.refs),
                "rows_left": 0 if proof is None else proof.rows_left,
            },
            details={"erasure": certificate.erasure_id, "state": "verified"},
        )
        record_audit(self.spark, self.settings, [entry], at=datetime.now(UTC))
