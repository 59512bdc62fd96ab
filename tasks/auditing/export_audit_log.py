"""Exporting the audit log to files outside of the lakehouse, which also anchor it.

Promise: an export goes on where the last one ended, so that running it again doubles nothing. A
line is the canonical JSON (RFC 8785) of a record with its hashes; the files of a destination are
one chain, and are verified without the lakehouse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import rfc8785
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import AuditLogTamperedError
from contracts.loader import LEDGERS, load_ledger
from history.iceberg.history_table import exists
from tasks.auditing.export_destinations import ExportDestination
from tasks.observability.audit_log import AUDIT_LOG
from tasks.observability.audit_log.audit_chain import GENESIS, ChainHead, hash_of
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

RECORDS_PER_FILE = 10_000
"""So many records are held in memory while a file is written."""

_NAME = re.compile(r"^audit-(\d{12})-(\d{12})\.jsonl$")


@dataclass(frozen=True, slots=True)
class AuditExport:
    """What an export wrote: files and records, and the head that is exported since."""

    destination: str
    files: int
    records: int
    head: ChainHead


@dataclass(frozen=True, slots=True)
class ExportedChain:
    """The files of a destination, verified: the end of each, and the number of the first record.

    That is 1, unless the oldest files are not there: nothing is said of what came before them.
    """

    anchors: tuple[ChainHead, ...]
    first: int

    @property
    def head(self) -> ChainHead:
        """The newest exported record; sequence 0 where there is none."""
        return self.anchors[-1] if self.anchors else ChainHead()

    @property
    def records(self) -> int:
        """How many records the files hold."""
        return self.head.sequence - self.first + 1 if self.anchors else 0


def export_audit_log(
    spark: SparkSession, settings: RunSettings, destination: ExportDestination, *, at: datetime
) -> AuditExport:
    """Export the records after the last exported one.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the log lies.
        destination: Where the files go; locked for as long as the log's contract keeps it.
        at: When it is exported; timezone-aware.

    Raises:
        AuditLogTamperedError: The records do not follow what was exported last.
    """
    table = ledger_table(settings, AUDIT_LOG)
    days = load_ledger(LEDGERS / f"{AUDIT_LOG}.yaml").retention_days or 0
    head = _last_exported(destination)
    files = records = 0
    with map_spark_errors(table, "export"):
        for part in _parts(spark, table, head.sequence):
            lines, head = _exported_lines(part, head, where=destination.where)
            name = f"audit-{part[0].sequence:012d}-{head.sequence:012d}.jsonl"
            destination.write(name, "".join(lines).encode(), retain_until=at + timedelta(days=days))
            files, records = files + 1, records + len(part)
    return AuditExport(destination.where, files, records, head)


def verify_export(destination: ExportDestination) -> ExportedChain:
    """Verify the files of a destination on their own, one line in memory at a time.

    Raises:
        AuditLogTamperedError: A line is not as it was exported, or a file is missing.
    """
    anchors: list[ChainHead] = []
    head: ChainHead | None = None
    beginning = 0
    for name in destination.names():
        first, last = _numbers(name, destination)
        where = f"{destination.where}, {name}"
        begun = False
        for line in destination.lines(name):
            head = _next(line, head, where=where)
            if not begun and head.sequence != first:
                raise _broken(where, "that it does not begin with its first record")
            begun = True
        if head is None or not begun or head.sequence != last:
            raise _broken(where, "that it does not end with its last record")
        beginning = beginning or first
        anchors.append(head)
    return ExportedChain(tuple(anchors), beginning)


def _last_exported(destination: ExportDestination) -> ChainHead:
    """The last record of the newest file."""
    names = destination.names()
    if not names:
        return ChainHead()
    _first, last = _numbers(names[-1], destination)
    newest = None
    for line in destination.lines(names[-1]):
        newest = line
    where = f"{destination.where}, {names[-1]}"
    if newest is None:
        raise _broken(where, "no record")
    head = _parsed(newest, where)[0]
    if head.sequence != last:
        raise _broken(where, "that it does not end with its last record")
    return head


def _numbers(name: str, destination: ExportDestination) -> tuple[int, int]:
    match = _NAME.match(name)
    if match is None:
        raise _broken(destination.where, f"the file {name}, which no export has written")
    return int(match[1]), int(match[2])


def _parts(spark: SparkSession, table: str, after: int) -> Iterator[Sequence[Row]]:
    if not exists(spark, table):
        return
    log = spark.table(table).where(F.col("sequence") > after)
    rows = log.select("sequence", "previous_hash", "record_hash", "record").orderBy("sequence")
    remaining = rows.toLocalIterator()
    while part := list(islice(remaining, RECORDS_PER_FILE)):
        yield part


def _exported_lines(
    part: Sequence[Row], head: ChainHead, *, where: str
) -> tuple[list[str], ChainHead]:
    lines = []
    previous: ChainHead | None = head if head.sequence else None
    for row in part:
        line = rfc8785.dumps(
            {
                "previous_hash": row.previous_hash,
                "record": row.record,
                "record_hash": row.record_hash,
            }
        ).decode("utf-8")
        previous = _next(line, previous, where=where)
        if previous.sequence != row.sequence:
            raise _broken(
                where, f"record {row.sequence} of the log with another number in its text"
            )
        lines.append(line + "\n")
    return lines, previous or head


def _next(line: str, before: ChainHead | None, *, where: str) -> ChainHead:
    """The head after a line, which has to follow the one before."""
    head, previous_hash = _parsed(line, where)
    if before is None:
        if head.sequence == 1 and previous_hash != GENESIS:
            raise _broken(where, "a first record that follows another")
        return head
    if head.sequence != before.sequence + 1:
        raise _broken(where, f"record {head.sequence} after record {before.sequence}")
    if previous_hash != before.record_hash:
        raise _broken(where, f"that record {head.sequence} does not follow the one before it")
    return head


def _parsed(line: str, where: str) -> tuple[ChainHead, str]:
    try:
        told = json.loads(line)
        record, previous_hash = told["record"], told["previous_hash"]
        head = ChainHead(int(json.loads(record)["sequence"]), told["record_hash"])
    except (ValueError, KeyError, TypeError):
        raise _broken(where, "a line that is no record") from None
    if hash_of(previous_hash, record) != head.record_hash:
        raise _broken(where, f"that record {head.sequence} is not what was hashed")
    return head, previous_hash


def _broken(where: str, found: str) -> AuditLogTamperedError:
    return AuditLogTamperedError(
        where=where,
        expected="the records of the audit log in an unbroken chain",
        found=found,
        next_step="Keep the files as they are and look who wrote to them; in a locked bucket the "
        "versions have what was exported.",
    )
