"""Decrypting for who may: the versions of a record, or a view that only one session has.

Promise: nothing is decrypted before its audit record is written, and nothing without one. Only the
columns that the contract grants the role are decrypted, and only in rows that the role sees. Keys
are in no plan and in no view of the catalog; errors carry no value.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import SettingsError, UsageError
from contracts.model import Contract
from contracts.model.encryption_keys import DataKey, deterministic_owner
from contracts.yaml_reading.problem_report import did_you_mean
from history.spark.column_quoting_and_comparison import named, quoted
from tasks.compiler.compile_role_rights import RoleRights
from tasks.erasure.subject_key_ledger import key_records
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.transforms.hashing.hash_input_encoding import framed_text
from tasks.transforms.protection.aes_siv_encryption import deterministic_decrypted, scope_of
from tasks.transforms.protection.subject_key_encryption import subject_decrypted
from tasks.transforms.subject_keys import KEY_OF_TOKENS, with_keys_of_tokens

_SUBJECT = "strandline subject 1\n"


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a session may decrypt: the columns of one role, for one reason.

    Attributes:
        contract: Whose target it is.
        rights: What the role sees.
        columns: The columns to decrypt, with the types of their clear values.
        keys: The data keys of the table, by id.
        reason: Why, as the audit log keeps it.
        deterministic: The keys of deterministic tokens, by column.
    """

    contract: Contract
    rights: RoleRights
    columns: Mapping[str, str]
    keys: Mapping[str, DataKey]
    reason: str
    deterministic: Mapping[str, DataKey] = field(default_factory=dict)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys, for the audit log."""
        return (*self.keys, *dict.fromkeys(key.id for key in self.deterministic.values()))


def decryption_keys(settings: RunSettings, table: str) -> Mapping[str, DataKey]:
    """The data keys that open the table's tokens, by id; `table` is `namespace.table`.

    Raises:
        KeyUnavailableError: The key ring has none of this table, or can't be opened.
    """
    found = settings.key_ring.decryption_keys(table)
    if not found:
        # It says what the ring lacks.
        settings.key_ring.keys_for(table, create=False)
    return found


def deterministic_keys(
    settings: RunSettings, contract: Contract, columns: Iterable[str]
) -> Mapping[str, DataKey]:
    """By column, the key of its deterministic tokens; columns that have none are left out.

    Raises:
        KeyUnavailableError: The key ring lacks one, or can't be opened.
    """
    found = {}
    for name in columns:
        how = contract.column(name).protection
        if how is not None and how.deterministic:
            owner = deterministic_owner(contract.target, how.join_domain)
            found[name] = settings.key_ring.deterministic_key(owner, create=False)
    return found


def key_grant(
    settings: RunSettings,
    contract: Contract,
    rights: RoleRights,
    *,
    columns: Sequence[str] = (),
    reason: str,
) -> KeyGrant:
    """The grant, if the role has it: of some columns, or without names of all that it may.

    Raises:
        UsageError: There is no reason.
        SettingsError: The contract grants the role none of the columns.
        KeyUnavailableError: The key ring has no key of the table, or can't be opened.
    """
    where = f"{contract.name}, role {rights.role}"
    if not reason.strip():
        raise UsageError(
            where=where,
            expected="a reason, which the audit log keeps",
            found="a blank one",
            next_step='Say why: --reason "..."',
        )
    if not rights.decrypt:
        raise SettingsError(
            where=where,
            expected="a role that may decrypt",
            found="one whose `decrypt` in the contract names no column",
            next_step="Ask for another role, or have the owner of the contract grant it.",
        )
    for name in columns:
        if name not in rights.decrypt:
            hint = did_you_mean(name, rights.decrypt)
            raise SettingsError(
                where=where,
                expected=f"columns that the role may decrypt: {', '.join(rights.decrypt)}",
                found=f"{name}" + (f"; {hint}" if hint.startswith("did") else ""),
                next_step="Correct the name, or have the owner of the contract grant it.",
            )
    granted = {name: rights.decrypt[name] for name in columns or rights.decrypt}
    keys = decryption_keys(settings, contract.target)
    deterministic = deterministic_keys(settings, contract, granted)
    return KeyGrant(contract, rights, granted, keys, reason, deterministic)


def rows_of_role(versions: DataFrame, rights: RoleRights) -> DataFrame:
    """The rows of the table that the role sees, with all their columns."""
    return versions.where(F.expr(rights.row_filter_sql)) if rights.row_filter_sql else versions


def seen_by_role(versions: DataFrame, rights: RoleRights) -> DataFrame:
    """Rows as the role sees them: its columns in the table's order, each as it sees it."""
    return versions.select(*_seen(versions, rights).values())


def decrypted_for(
    versions: DataFrame, grant: KeyGrant, subject_keys: DataFrame | None
) -> DataFrame:
    """Rows as the role sees them, with the granted columns in the clear.

    Args:
        versions: Versions that the role sees, with all their columns.
        grant: What may be decrypted.
        subject_keys: `SUBJECT_KEY` of the persons of the table; None: there are none.

    Lazy: write the audit record before any of it is evaluated. The query stops with a
    `KeyUnavailableError` or a `DataError` where a token can't be opened.
    """
    tokens = [named(name) for name in grant.columns if name not in grant.deterministic]
    shown = _seen(versions, grant.rights)
    versions = with_keys_of_tokens(versions, tokens, subject_keys)
    for name, kind in grant.columns.items():
        if name in shown:
            shown[name] = _clear(grant, name, kind).alias(name)
    return versions.select(*shown.values())


def _clear(grant: KeyGrant, name: str, kind: str) -> Column:
    table, how = grant.contract.target, grant.contract.column(name).protection
    if how is None or not how.deterministic:
        return subject_decrypted(
            named(name),
            F.col(KEY_OF_TOKENS),
            grant.keys,
            table=table,
            column_name=name,
            kind=kind,
        )
    key, scope = grant.deterministic[name], scope_of(table, name, how.join_domain)
    return deterministic_decrypted(named(name), {key.id: key}, scope=scope, kind=kind)


def open_decrypted_view(
    spark: SparkSession,
    settings: RunSettings,
    table: str,
    grant: KeyGrant,
    *,
    at: datetime,
) -> str:
    """A view of this session alone that shows what the role sees, granted columns in the clear.

    It is audited before it exists, and gone with the session; no other session has it. Each query
    of it decrypts what it reads.

    Args:
        spark: The session that gets the view.
        settings: Where the audit log lies.
        table: The history table, `catalog.namespace.table`.
        grant: What may be decrypted.
        at: When; timezone-aware.

    Returns:
        The view's name, `<table>__<role>__decrypted`, without a namespace.

    Raises:
        StrandlineError: The audit record can't be written; there is no view then.
    """
    view = f"{grant.contract.table}__{grant.rights.role}__decrypted"
    record_decryption(spark, settings, table, grant, at=at, details={"view": view})
    versions = rows_of_role(spark.table(table), grant.rights)
    subject_keys = key_records(spark, settings, table)
    decrypted_for(versions, grant, subject_keys).createOrReplaceTempView(quoted(view))
    return view


def record_decryption(
    spark: SparkSession,
    settings: RunSettings,
    table: str,
    grant: KeyGrant,
    *,
    at: datetime,
    details: Mapping[str, str],
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write the audit record of a decryption; call it before a value is decrypted."""
    entry = AuditEntry(
        action=AuditAction.DECRYPT,
        subject=table,
        actor=current_actor(),
        reason=grant.reason,
        contract=grant.contract.name,
        contract_version=grant.contract.version,
        key_ids=grant.key_ids,
        counts=counts or {},
        details={"role": grant.rights.role, "columns": ", ".join(grant.columns), **details},
    )
    record_audit(spark, settings, [entry], at=at)


def subject_digest(settings: RunSettings, contract: Contract, key: Mapping[str, object]) -> str:
    """A record's key as the audit log names it: HMAC-SHA-256 (RFC 2104) in hexadecimal.

    Keyed with the table's fingerprint key, so that nobody without it finds a key by trying. The
    message is the table's name and, by column in the contract's order, name and value as text,
    each behind its length. `key` are the clear values, moments with a time zone.

    Raises:
        KeyUnavailableError: The key ring has no key of the table.
    """
    secret = settings.key_ring.keys_for(contract.target, create=False).fingerprint.material
    parts = [contract.target]
    for name in contract.key:
        parts += [name, _as_text(key[name])]
    message = _SUBJECT + "".join(framed_text(part) for part in parts)
    return hmac.digest(secret, message.encode(), "sha256").hex()


def _as_text(value: object) -> str:
    """One text for equal values, however they were typed."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _seen(versions: DataFrame, rights: RoleRights) -> dict[str, Column]:
    return {
        name: F.expr(rights.expressions[name]).alias(name)
        for name in versions.columns
        if name in rights.expressions
    }
