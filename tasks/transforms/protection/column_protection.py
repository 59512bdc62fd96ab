"""Target columns from clear to stored form, and whole source rows for the quarantine.

Promise: nothing a contract calls sensitive leaves here in the clear, neither in the target's
columns nor in the copy of a refused row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.model import Column as TargetColumn
from contracts.model import Contract, Period, Protection, ProtectionKind
from contracts.model.encryption_keys import ProtectionKeys
from contracts.model.reserved_column_names import UNFIT
from contracts.model.sensitivity import derived_sources, sensitive_sources
from history.spark.column_quoting_and_comparison import as_json, named
from tasks.transforms.hashing.hmac_sha256 import HashKey
from tasks.transforms.protection.aes_gcm_encryption import token
from tasks.transforms.protection.aes_siv_encryption import deterministic_token, scope_of
from tasks.transforms.protection.generalisation import band, first_day
from tasks.transforms.protection.key_transport import provide_transport_key
from tasks.transforms.protection.masking import masked
from tasks.transforms.protection.pseudonymisation import pseudonymised
from tasks.transforms.protection.redaction import redacted
from tasks.transforms.protection.subject_key_encryption import SubjectKeyring, subject_token

_TEXT = frozenset({"string", "boolean"})
_SEALED_TEXT = r"^AQ[E-HM-P][A-Za-z0-9_-]{44,}$"
"""Octets 1 and 1 or 3 (version and algorithm), and as many as a token of one letter has."""

SUBJECT, KNOWN_KEY = "__subject", "__known_key"
"""The columns with the digest of the person whom a row is about, and with the record of their key;
null where nobody is named, or the person has none yet."""


@dataclass(frozen=True, slots=True)
class Deterministic:
    """A column of deterministic tokens: the type of its clear value, and its join domain if any."""

    kind: str
    join_domain: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnProtection:
    """Which columns of a contract are protected, and how.

    Attributes:
        encrypted: Target columns with the types of their clear values; no two tokens are equal.
        deterministic: Target columns whose equal values have equal tokens.
        pseudonymised: Target columns.
        masked: Target columns with the leading characters that stay readable.
        generalised: Target columns with the types of their values, and to what.
        redacted: Target columns.
        sources: The source columns with their types, in the contract's order.
        sensitive: Those of them that may not be stored anywhere in the clear.
        derived: Those of these that are so only by what they are made of.
        subject: The target columns that name the person with whose key a row is encrypted, but for
            these columns themselves; empty: no person has one.
    """

    encrypted: Mapping[str, str]
    deterministic: Mapping[str, Deterministic]
    pseudonymised: tuple[str, ...]
    masked: Mapping[str, int]
    generalised: Mapping[str, tuple[str, Protection]]
    redacted: tuple[str, ...]
    sources: Mapping[str, str]
    sensitive: frozenset[str]
    derived: frozenset[str]
    subject: tuple[str, ...] = ()

    @property
    def protected(self) -> frozenset[str]:
        """The target columns that are stored in another form."""
        return frozenset(
            (
                *self.encrypted,
                *self.deterministic,
                *self.pseudonymised,
                *self.masked,
                *self.generalised,
                *self.redacted,
            )
        )

    @property
    def tokens_of_source_rows(self) -> Mapping[str, str]:
        """The fields of `source_row` that are tokens, with the columns they are bound to."""
        fields = {name: f"source:{name}" for name in self.sources if name in self.sensitive}
        return {**fields, SEALED: f"source:{UNFIT}"}

    @property
    def tokens_per_row(self) -> int:
        """How many values of a row are encrypted at most: it may be refused, with unfit values."""
        return len(self.encrypted) + len(self.sensitive) + seals_unfit_values(self)


def compile_protection(contract: Contract) -> ColumnProtection:
    """The protection of a contract's columns."""
    protections = [(each, each.protection) for each in contract.columns if each.protection]

    def by(kind: ProtectionKind) -> list[tuple[TargetColumn, Protection]]:
        return [(column, how) for column, how in protections if how.kind is kind]

    encrypted = by(ProtectionKind.ENCRYPT)
    return ColumnProtection(
        encrypted={column.name: column.type for column, how in encrypted if not how.deterministic},
        deterministic={
            column.name: Deterministic(column.type, how.join_domain)
            for column, how in encrypted
            if how.deterministic
        },
        pseudonymised=tuple(column.name for column, _ in by(ProtectionKind.PSEUDONYMISE)),
        masked={column.name: how.keep for column, how in by(ProtectionKind.MASK)},
        generalised={
            column.name: (column.type, how) for column, how in by(ProtectionKind.GENERALISE)
        },
        redacted=tuple(column.name for column, _ in by(ProtectionKind.REDACT)),
        sources={column.name: column.type for column in contract.source.columns},
        sensitive=sensitive_sources(contract),
        derived=derived_sources(contract),
        subject=contract.subject_columns if contract.subject_keys else (),
    )


def protected(
    frame: DataFrame,
    protection: ColumnProtection,
    keys: ProtectionKeys,
    *,
    table: str,
    rows: Mapping[str, Column] | None = None,
    persons: SubjectKeyring | None = None,
    pseudonym_key: HashKey | None = None,
) -> DataFrame:
    """The frame with every protected target column in its stored form, the others as they are.

    The stored types are those of `contracts.schemas.contract_to_spark_types.stored_type`. `table`
    is what tokens and pseudonyms are bound to; it must be the same on every run. All encrypted
    columns cross to Python in the same Arrow batches. Not deterministic: write the result once and
    read that.

    `rows` are columns of `source_row` to add or replace, whose tokens cross with the others': a
    crossing of its own would cost more than encrypting a value or two of each row.

    `persons` are needed where each person has a key: the frame has `SUBJECT` and `KNOWN_KEY` then.
    `pseudonym_key` is that of `keys`, where it enters the plan together with others.

    Raises:
        KeyError: `keys` lacks the key of a column's deterministic tokens.
    """
    provide_transport_key(frame.sparkSession)
    replaced = {name: masked(named(name), keep) for name, keep in protection.masked.items()}
    replaced |= {name: redacted(named(name)) for name in protection.redacted}
    for name, (kind, how) in protection.generalised.items():
        replaced[name] = _generalised(named(name), kind, how)
    for name, kind in protection.encrypted.items():
        # What a person is found by must open without their key.
        key = None if name in protection.subject else persons
        replaced[name] = _token(named(name), kind, keys, table=table, column=name, persons=key)
    for name, each in protection.deterministic.items():
        replaced[name] = deterministic_token(
            named(name),
            kind=each.kind,
            key=keys.deterministic[each.join_domain],
            scope=scope_of(table, name, each.join_domain),
        )
    replaced |= rows or {}
    names = protection.pseudonymised
    if names:
        hash_key = pseudonym_key or keys.pseudonym.material
        frame = pseudonymised(frame, {name: named(name) for name in names}, hash_key, table=table)
    return frame.withColumns(replaced) if replaced else frame


def _token(
    value: Column,
    kind: str,
    keys: ProtectionKeys,
    *,
    table: str,
    column: str,
    persons: SubjectKeyring | None,
) -> Column:
    if persons is None:
        return token(value, kind=kind, key=keys.encryption, table=table, column=column)
    return subject_token(
        value,
        named(SUBJECT),
        named(KNOWN_KEY),
        persons,
        kind=kind,
        key=keys.encryption,
        table=table,
        column=column,
    )


def _generalised(value: Column, kind: str, how: Protection) -> Column:
    if how.width is not None:
        return band(value, kind, how.width)
    return first_day(value, kind, how.period or Period.YEAR)


SEALED = "__unfit_protected"
"""The field of a source row with its sensitive values that could not be carried, encrypted."""


def source_row(
    protection: ColumnProtection,
    keys: ProtectionKeys,
    *,
    table: str,
    refused: Column,
    unfit: Column | None = None,
    within: Column | None = None,
    persons: SubjectKeyring | None = None,
) -> Column:
    """The source row as a JSON object of its source columns, for refused rows; null for others.

    An expression over source columns, or over those fields of the struct `within`. Each sensitive
    value is replaced by its encryption token in base64url without padding, bound to the column name
    `source:<name>`; the values of rows that are not refused do not cross to Python at all.
    Timestamps are in UTC, in microseconds.

    `persons`: as `protected` takes them.

    `unfit` is null or a JSON object: the text, by column, of values that no column could carry.
    A row that has some gets them as an object under `__unfit`; those of sensitive columns as one
    token of such an object under `__unfit_protected`, bound to `source:__unfit`.
    """
    parts = []
    for name, kind in protection.sources.items():
        value = named(name) if within is None else within.getField(name)
        if name in protection.sensitive:
            value = _as_text(
                _token(
                    F.when(refused, value),
                    kind,
                    keys,
                    table=table,
                    column=f"source:{name}",
                    persons=persons,
                )
            )
        parts.append(value.alias(name))
    row = as_json(parts)
    if unfit is None:
        return F.when(refused, row)
    unfit_fields = as_json(
        _unfit_parts(protection, keys, table=table, texts=F.when(refused, unfit), persons=persons)
    )
    # Joined as text: if it were mentioned twice, the row's tokens would be made twice.
    ending = F.when(unfit.isNotNull(), F.regexp_replace(unfit_fields, r"^\{", ",")).otherwise("}")
    return F.when(refused, F.concat(F.regexp_replace(row, r"\}$", ""), ending))


def _unfit_parts(
    protection: ColumnProtection,
    keys: ProtectionKeys,
    *,
    table: str,
    texts: Column,
    persons: SubjectKeyring | None,
) -> list[Column]:
    values = F.from_json(texts, "map<string,string>")
    sensitive = protection.sensitive
    clear = F.map_filter(values, lambda name, _: ~name.isin(*sensitive))
    if not seals_unfit_values(protection):
        return [clear.alias(UNFIT)]
    secret = F.map_filter(values, lambda name, _: name.isin(*sensitive))
    text = F.when(F.size(secret) > 0, F.to_json(secret))
    sealed = _token(text, "string", keys, table=table, column=f"source:{UNFIT}", persons=persons)
    return [clear.alias(UNFIT), _as_text(sealed).alias(SEALED)]


def seals_unfit_values(protection: ColumnProtection) -> bool:
    """Whether a value that could not be carried may be sensitive.

    Text is always carried: where no other column is sensitive, nothing has to cross to Python.
    """
    kinds = protection.sources
    return any(kinds[name] not in _TEXT for name in protection.sensitive if name in kinds)


def _as_text(sealed: Column) -> Column:
    """Base64url without padding (RFC 4648, section 5)."""
    return F.translate(F.base64(sealed), "+/=\r\n", "-_")


def from_text(text: Column) -> Column:
    """The token from its base64url text."""
    standard = F.translate(text, "-_", "+/")
    padding = F.repeat(F.lit("="), (F.lit(4) - F.char_length(text) % 4) % 4)
    return F.unbase64(F.concat(standard, padding))


def is_sealed(text: Column) -> Column:
    """Whether the text is one that `source_row` writes for a token of version 1; null for null."""
    return text.rlike(_SEALED_TEXT)
