"""Legal holds: persons whose data is to stay as it is, whatever erasure and retention would do.

Promise: while a hold is being placed or released, no erasure and no retention of the table runs, so
that one that begins later sees it. The audit log has a hold before it holds. No value is kept.

A hold outweighs the right to erasure (GDPR, article 17(3)(e)) and a retention that is over: data
that is evidence must not be destroyed. Pseudonyms can't be undone, so the ledger has two digests of
a person: of the values, for persons who are named, and of what is stored, for rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import LegalHoldError, NotFoundError, UsageError
from contracts.model import Contract
from history.iceberg.history_table import exists
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import named
from tasks.erasure.data_subjects import DataSubjects
from tasks.lifecycle.table_lock import table_lock
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.observability.ledger_tables import append, ensure_ledger
from tasks.run.run_context import ledger_table
from tasks.transforms.protection.column_protection import compile_protection
from tasks.transforms.stored_subject_digest import STORED_DIGEST, stored_as, with_stored_digest
from tasks.transforms.subject_digests import SUBJECT_DIGEST, names_literal

LEGAL_HOLDS = "legal_holds"

_SHOWN_HOLDS = 5
_HELD = "__held"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What somebody decides about holds.

    Attributes:
        by: Who.
        reason: Why.
        at: When; timezone-aware.
        run_id: Names the decision, and a hold that is placed.
    """

    by: str
    reason: str
    at: datetime
    run_id: str

    @property
    def hold_id(self) -> str:
        """The name of the hold that it places."""
        return f"HOLD_{self.at:%Y%m%d_%H%M%S}_{self.run_id.replace('-', '')[:8]}"


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A hold that was placed: on how many persons, and of how many of them the table has rows."""

    contract: str
    table: str
    hold_id: str
    persons: int
    in_table: int


@dataclass(frozen=True, slots=True)
class ReleasedHolds:
    """Holds that were released, and the persons who were under them.

    `still_held` are those of them who are under another hold.
    """

    contract: str
    table: str
    hold_ids: tuple[str, ...]
    persons: int
    still_held: int


def active_holds(spark: SparkSession, settings: RunSettings, target: str) -> DataFrame | None:
    """The ledger's rows of a table whose holds are not released; None: there is no ledger yet."""
    table = ledger_table(settings, LEGAL_HOLDS)
    if not exists(spark, table):
        return None
    is_active = (F.col("target_table") == target) & F.col("released_at").isNull()
    return spark.table(table).where(is_active)


def tables_under_hold(spark: SparkSession, settings: RunSettings) -> frozenset[str]:
    """The tables, with their catalog, that have a person under a hold that is not released."""
    table = ledger_table(settings, LEGAL_HOLDS)
    if not exists(spark, table):
        return frozenset()
    rows = spark.table(table).where(F.col("released_at").isNull()).select("target_table").distinct()
    return frozenset(row.target_table for row in rows.collect())


def refuse_held(spark: SparkSession, target: str, subjects: DataSubjects) -> None:
    """Refuse to go on where one of the persons is under hold; to be called under the table's lock.

    Args:
        spark: A session with the lakehouse's catalog.
        target: The history table, with its catalog.
        subjects: The persons whose rows are to be changed.

    Raises:
        LegalHoldError: One is, or may be: a hold names persons by other columns.
    """
    holds = active_holds(spark, subjects.settings, target)
    if holds is None or holds.isEmpty():
        return
    _refuse_other_naming(holds, subjects.contract, target)
    persons = subjects.frame.select(SUBJECT_DIGEST)
    held = persons.join(holds.select(SUBJECT_DIGEST, "hold_id"), SUBJECT_DIGEST)
    found = held.groupBy(SUBJECT_DIGEST).agg(F.collect_set("hold_id").alias("hold_ids")).collect()
    if not found:
        return
    names = sorted({each for row in found for each in row.hold_ids})
    more = f" and {len(names) - _SHOWN_HOLDS} more" if len(names) > _SHOWN_HOLDS else ""
    raise LegalHoldError(
        where=target,
        expected="persons of whom none is under legal hold",
        found=f"{len(found)} of {persons.count()} under hold: "
        f"{', '.join(names[:_SHOWN_HOLDS])}{more}",
        next_step="Nothing was changed. Leave them out, or release the hold when its matter has "
        f"ended: strandline hold list {subjects.contract.name}",
    )


def with_held(
    spark: SparkSession, settings: RunSettings, contract: Contract, rows: DataFrame, flag: str
) -> DataFrame:
    """The rows with a flag: whether a row is about a person who is under hold; never null.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledger and the key ring are.
        contract: The contract of the table.
        rows: Rows of the target, of its kept events or of a stage, in stored form.
        flag: The name of the flag.

    Raises:
        LegalHoldError: A hold names persons by other columns than the contract now does.
        KeyUnavailableError: The key ring lacks the table's keys, or one that made a token.
    """
    target = f"{settings.lakehouse.catalog}.{contract.target}"
    holds = active_holds(spark, settings, target)
    if holds is None or holds.isEmpty():
        return rows.withColumn(flag, F.lit(False))
    _refuse_other_naming(holds, contract, target)
    digested = _with_digest_of_stored(settings, contract, rows, opened=False)
    held = holds.select(F.col(STORED_DIGEST).alias(flag)).distinct()
    joined = digested.join(F.broadcast(held), F.col(STORED_DIGEST) == F.col(flag), "left")
    return joined.withColumn(flag, F.col(flag).isNotNull()).drop(STORED_DIGEST)


def refuse_held_rows(
    spark: SparkSession,
    settings: RunSettings,
    contract: Contract,
    leaving: DataFrame,
    *,
    expected: str,
    found: str,
) -> None:
    """Refuse a change by which rows about a person under hold leave the history.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the ledger and the key ring are.
        contract: The contract of the table.
        leaving: The rows that would leave, in stored form.
        expected: What is required, as the error says it.
        found: What the counted rows are, after their number.

    Raises:
        LegalHoldError: One of them is about such a person.
        KeyUnavailableError: As of `with_held`.
    """
    if not contract.subject_columns:
        return
    count = with_held(spark, settings, contract, leaving, _HELD).where(F.col(_HELD)).count()
    if count:
        raise LegalHoldError(
            where=f"{settings.lakehouse.catalog}.{contract.target}",
            expected=expected,
            found=f"{count} {found}",
            next_step="Nothing was changed. Release the hold when its matter has ended: "
            f"strandline hold list {contract.name}",
        )


def place_hold(
    spark: SparkSession, subjects: DataSubjects, request: HoldRequest, *, matter: str
) -> PlacedHold:
    """Put the persons under hold; who is in no row yet is held from the first row on.

    Args:
        spark: A session with the lakehouse's catalog, of this call's own.
        subjects: The persons.
        request: Who places it, when and why.
        matter: What for: a case, an inquiry.

    Raises:
        UsageError: The matter or the reason is blank.
        TableBusyError: A run holds the table.
    """
    settings, contract = subjects.settings, subjects.contract
    target = f"{settings.lakehouse.catalog}.{contract.target}"
    if not matter.strip():
        raise UsageError(
            where=f"a legal hold on {contract.name}",
            expected="a matter: the case or the inquiry that it is for",
            found="a blank one",
            next_step="Type it and run the command again. Nothing was changed.",
        )
    with table_lock(settings.state_directory, target, run_id=request.run_id):
        digested = _with_digest_of_stored(settings, contract, subjects.frame, opened=True)
        persons = checkpoint(
            digested.select(SUBJECT_DIGEST, STORED_DIGEST), {"persons": F.count(F.lit(1))}
        )
        count = int(persons.counts["persons"])
        in_table = _in_table(spark, target, subjects)
        entry = _entry(
            AuditAction.LEGAL_HOLD,
            contract,
            target,
            request,
            counts={"persons": count, "in_table": in_table},
            details={"hold": request.hold_id, "matter": matter},
        )
        record_audit(spark, settings, [entry], at=request.at)
        ensure_ledger(spark, settings, LEGAL_HOLDS)
        known: dict[str, Column] = {
            "target_table": F.lit(target),
            "subject_columns": names_literal(subjects.columns),
            "stored_as": names_literal(stored_as(subjects.columns, compile_protection(contract))),
            "hold_id": F.lit(request.hold_id),
            "matter": F.lit(matter),
            "placed_at": F.lit(request.at),
            "placed_by": F.lit(request.by),
            "placed_reason": F.lit(request.reason),
            "released_at": F.lit(None),
            "released_by": F.lit(None),
            "released_reason": F.lit(None),
        }
        append(persons.rows.withColumns(known), ledger_table(settings, LEGAL_HOLDS))
    return PlacedHold(contract.name, target, request.hold_id, count, in_table)


def release_holds(
    spark: SparkSession,
    settings: RunSettings,
    contract: Contract,
    request: HoldRequest,
    *,
    hold_id: str | None = None,
    subjects: DataSubjects | None = None,
) -> ReleasedHolds:
    """Release a hold, or the holds on persons; of both, that hold on those persons.

    Args:
        spark: A session with the lakehouse's catalog, of this call's own.
        settings: Where the ledger lies.
        contract: The contract of the table.
        request: Who releases it, when and why.
        hold_id: The hold; None: each on the persons.
        subjects: The persons; None: all who are under the hold.

    Raises:
        NotFoundError: There is no such hold, or it is released.
        TableBusyError: A run holds the table.
    """
    target = f"{settings.lakehouse.catalog}.{contract.target}"
    with table_lock(settings.state_directory, target, run_id=request.run_id):
        holds = active_holds(spark, settings, target)
        chosen = None if holds is None else _chosen(holds, hold_id, subjects)
        rows = [] if chosen is None else chosen.collect()
        if holds is None or chosen is None or not rows:
            raise NotFoundError(
                where=f"{target}, legal holds",
                expected="a hold that is not released" + (f", {hold_id}" if hold_id else ""),
                found="none" + (" on these persons" if subjects else ""),
                next_step=f"strandline hold list {contract.name}",
            )
        hold_ids = tuple(sorted({row.hold_id for row in rows}))
        digests = sorted({row.subject_digest for row in rows})
        entry = _entry(
            AuditAction.RELEASE_HOLD,
            contract,
            target,
            request,
            counts={"persons": len(digests), "holds": len(hold_ids)},
            details={"hold": ", ".join(hold_ids)},
        )
        record_audit(spark, settings, [entry], at=request.at)
        _mark_released(spark, settings, chosen, target, request)
        still = _still_held(spark, settings, target, digests)
    return ReleasedHolds(contract.name, target, hold_ids, len(digests), still)


def _still_held(
    spark: SparkSession, settings: RunSettings, target: str, digests: Sequence[str]
) -> int:
    """How many of the persons are under another hold."""
    left = active_holds(spark, settings, target)
    if left is None:
        return 0
    return (
        left.where(F.col(SUBJECT_DIGEST).isin(*digests)).select(SUBJECT_DIGEST).distinct().count()
    )


def _chosen(holds: DataFrame, hold_id: str | None, subjects: DataSubjects | None) -> DataFrame:
    if hold_id is not None:
        holds = holds.where(F.col("hold_id") == hold_id)
    if subjects is not None:
        holds = holds.where(F.col("subject_columns") == names_literal(subjects.columns))
        holds = holds.join(subjects.frame.select(SUBJECT_DIGEST), SUBJECT_DIGEST, "left_semi")
    # The persons' values are read once, here, and the digests alone are kept.
    return checkpoint(holds.select("hold_id", SUBJECT_DIGEST).distinct()).rows


def _mark_released(
    spark: SparkSession,
    settings: RunSettings,
    chosen: DataFrame,
    target: str,
    request: HoldRequest,
) -> None:
    view = f"strandline_holds_{request.run_id.replace('-', '')}"
    chosen.createOrReplaceTempView(view)
    try:
        spark.sql(
            f"MERGE INTO {ledger_table(settings, LEGAL_HOLDS)} t USING {view} s "
            "ON t.target_table = :target AND t.released_at IS NULL AND t.hold_id = s.hold_id "
            "AND t.subject_digest = s.subject_digest "
            "WHEN MATCHED THEN UPDATE SET released_at = :at, released_by = :by, "
            "released_reason = :reason",
            {"target": target, "at": request.at, "by": request.by, "reason": request.reason},
        )
    finally:
        spark.catalog.dropTempView(view)


def _in_table(spark: SparkSession, target: str, subjects: DataSubjects) -> int:
    """How many of the persons the table has versions about."""
    if not exists(spark, target):
        return 0
    rows = subjects.rows_about(spark.table(target).select(*map(named, subjects.columns)))
    return rows.select(SUBJECT_DIGEST).distinct().count()


def _with_digest_of_stored(
    settings: RunSettings, contract: Contract, frame: DataFrame, *, opened: bool
) -> DataFrame:
    """Rows, or persons whose values are `opened`, with `STORED_DIGEST`."""
    ring, columns = settings.key_ring, contract.subject_columns
    encrypted = {} if opened else compile_protection(contract).encrypted
    encrypted = {name: kind for name, kind in encrypted.items() if name in columns}
    return with_stored_digest(
        frame,
        columns,
        ring.keys_for(contract.target, create=False).fingerprint.material,
        table=contract.target,
        encrypted=encrypted,
        opening_keys=ring.decryption_keys(contract.target) if encrypted else {},
    )


def _refuse_other_naming(holds: DataFrame, contract: Contract, target: str) -> None:
    """Refuse where persons can't be compared with those under hold."""
    columns = contract.subject_columns
    now = (columns, stored_as(columns, compile_protection(contract)))
    placed = holds.groupBy("subject_columns", "stored_as").agg(F.min("hold_id").alias("hold_id"))
    others = [
        row for row in placed.collect() if (tuple(row.subject_columns), tuple(row.stored_as)) != now
    ]
    if others:
        raise LegalHoldError(
            where=target,
            expected=f"legal holds on persons by {', '.join(columns)}, as they are stored now",
            found=f"{others[0].hold_id}, by {', '.join(others[0].subject_columns)}, stored as "
            f"{', '.join(others[0].stored_as)}",
            next_step="Whether a row is about one of them can't be told: nothing was changed. "
            "Place the hold again, and release this one.",
        )


def _entry(
    action: AuditAction,
    contract: Contract,
    target: str,
    request: HoldRequest,
    *,
    counts: Mapping[str, int],
    details: Mapping[str, str],
) -> AuditEntry:
    return AuditEntry(
        action=action,
        subject=target,
        actor=request.by,
        reason=request.reason,
        contract=contract.name,
        contract_version=contract.version,
        run_id=request.run_id,
        counts=counts,
        details={"account": current_actor(), **details},
    )
