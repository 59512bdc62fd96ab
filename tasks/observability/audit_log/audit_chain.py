"""The records of the audit log as a chain: their canonical text, and the hash that links them.

A record's text is canonical JSON (RFC 8785), its hash SHA-256 (FIPS 180-4) over a domain prefix,
the hash of the record before and the text. The hash of one record thereby depends on all before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_type_hints

import rfc8785
from pyspark.sql import Column
from pyspark.sql import functions as F

from tasks.observability.audit_log.audit_entry import AuditAction, AuditEntry

DOMAIN = "strandline-audit-log-v1"
"""Begins what is hashed, so that no hash of another purpose can pass for one of these."""

GENESIS = "0" * 64
"""The hash before the first record."""

FORMAT = 1
"""The version of the record's text."""

_SPARK_TYPES = {
    AuditAction: "string",
    str: "string",
    str | None: "string",
    int | None: "string",
    tuple[str, ...]: "array<string>",
    Mapping[str, int]: "map<string,bigint>",
    Mapping[str, str]: "map<string,string>",
}
"""What an attribute of an entry is in a record's text; a great integer is text, see there."""

_ENTRY_TYPES = {name: _SPARK_TYPES[kind] for name, kind in get_type_hints(AuditEntry).items()}

RECORD_TYPE = "struct<version:int,sequence:bigint,recorded_at:string,{}>".format(
    ",".join(f"{name}:{kind}" for name, kind in _ENTRY_TYPES.items())
)
"""The Spark type of a record's text."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest record of a chain: its sequence number and its hash (64 hex digits)."""

    sequence: int = 0
    record_hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """One record in its place: the entry, and what links it."""

    entry: AuditEntry
    sequence: int
    recorded_at: datetime
    previous_hash: str
    record: str
    record_hash: str


def chained(
    entries: Sequence[AuditEntry], head: ChainHead, *, at: datetime
) -> Iterator[ChainRecord]:
    """The records of the entries, which follow the head in their order.

    Args:
        entries: What is recorded.
        head: The newest record so far.
        at: When it is recorded; timezone-aware.
    """
    previous = head.record_hash
    for sequence, entry in enumerate(entries, head.sequence + 1):
        record = canonical_text(entry, sequence, at)
        record_hash = hash_of(previous, record)
        yield ChainRecord(entry, sequence, at, previous, record, record_hash)
        previous = record_hash


def canonical_text(entry: AuditEntry, sequence: int, at: datetime) -> str:
    """The record's text. A snapshot's id is text in it: it exceeds what JSON carries exactly."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    record = {
        **entry.values(),
        "version": FORMAT,
        "sequence": sequence,
        "recorded_at": moment,
        "snapshot_id": None if entry.snapshot_id is None else str(entry.snapshot_id),
    }
    return rfc8785.dumps(record).decode("utf-8")


def hash_of(previous_hash: str, record: str) -> str:
    """The hash of a record (64 hex digits), given its text and the hash before it."""
    return hashlib.sha256(f"{DOMAIN}\n{previous_hash}\n{record}".encode()).hexdigest()


def hash_column() -> Column:
    """`hash_of` over the columns `previous_hash` and `record`."""
    return F.sha2(F.concat_ws("\n", F.lit(DOMAIN), "previous_hash", "record"), 256)


def columns_agree() -> Column:
    """Whether a row's columns say what its text says; never null."""
    # Within the lambda the text is parsed once, not once for each field that is compared.
    return F.exists(F.array(F.from_json("record", RECORD_TYPE)), _agree_with)


def _agree_with(told: Column) -> Column:
    agree = F.coalesce(told["version"] == FORMAT, F.lit(False))
    agree &= F.col("sequence").eqNullSafe(told["sequence"])
    agree &= F.col("recorded_at").eqNullSafe(told["recorded_at"].try_cast("timestamp"))
    for name, kind in _ENTRY_TYPES.items():
        column, text = F.col(name), told[name]
        if kind.startswith("map"):
            # Maps can't be compared; their entries in order can.
            column, text = (F.array_sort(F.map_entries(each)) for each in (column, text))
        elif name == "snapshot_id":
            text = text.try_cast("bigint")
        agree &= column.eqNullSafe(text)
    return agree
