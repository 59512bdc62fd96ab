"""Verifying the audit log: whether it is as it was written, and what is not.

Promise: each record's columns are compared with its text, its text with its hash, each hash with
the one before it, and the chain with every anchor: the summaries of the log's snapshots, and what
was exported. The log is read in ranges of 65,536 records, so memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from blocks.run_settings import RunSettings
from contracts.errors import AuditLogTamperedError, NotFoundError
from history.iceberg.history_table import exists
from tasks.observability.audit_log.append_audit_records import (
    AUDIT_LOG,
    HEAD_HASH,
    HEAD_SEQUENCE,
)
from tasks.observability.audit_log.audit_chain import GENESIS, ChainHead, columns_agree, hash_column
from tasks.observability.audit_log.audit_entry import AuditAction
from tasks.run.run_context import ledger_table
from tasks.run.spark_error_mapping import map_spark_errors

RANGE = 65_536
"""So many records are compared with each other in one task; the ends of ranges, on the driver."""

MOST_FINDINGS = 1_000
BEGINS_AT, BEGINS_AFTER = "begins_at", "begins_after_hash"
"""In the details of the record that lets old ones go: where the log begins, and after what."""


class FindingKind(StrEnum):
    """What is wrong with a record or a range of them."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    BROKEN = "chain broken"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"


_MEANING = {
    FindingKind.CHANGED: "a column or the text is not what was hashed",
    FindingKind.MISSING: "removed",
    FindingKind.INSERTED: "there is more than one record of this number",
    FindingKind.BROKEN: "it does not follow the record before it: of another chain, or recomputed",
    FindingKind.TRUNCATED: "an anchor has it, and the log ends before it",
    FindingKind.REWRITTEN: "an anchor has another hash of it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the records from `first` to `last`."""

    kind: FindingKind
    first: int
    last: int

    @property
    def words(self) -> str:
        """The finding as a line of text."""
        many = self.last > self.first
        records = f"records {self.first} to {self.last}" if many else f"record {self.first}"
        return f"{records}: {self.kind}; {_MEANING[self.kind]}"


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """The result: what the log holds, and what is wrong with it.

    Attributes:
        records: How many records were read.
        first: The number of the first; 0 without records.
        head: The newest.
        anchors: With how many anchors the chain was compared.
        findings: What is wrong, by number; at most 1,000.
    """

    records: int
    first: int
    head: ChainHead
    anchors: int
    findings: tuple[Finding, ...]


def verify_audit_log(
    spark: SparkSession, settings: RunSettings, anchors: Sequence[ChainHead] = ()
) -> AuditVerification:
    """Verify the whole log.

    Args:
        spark: A session with the lakehouse's catalog.
        settings: Where the log lies.
        anchors: Heads of the chain that were kept outside, such as the ends of exported files.

    Raises:
        NotFoundError: There is no log.
    """
    table = ledger_table(settings, AUDIT_LOG)
    with map_spark_errors(table, "verify"):
        if not exists(spark, table):
            raise NotFoundError(
                where=table,
                expected="an audit log",
                found="none",
                next_step="strandline run CONTRACT: the first change of a table begins it.",
            )
        return _verified(spark, table, anchors)


def refuse_tampered(verification: AuditVerification, where: str) -> None:
    """Raise if something was found.

    Raises:
        AuditLogTamperedError: It was; the first finding is named.
    """
    findings = verification.findings
    if not findings:
        return
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    raise AuditLogTamperedError(
        where=where,
        expected="each record as it was written, in an unbroken chain that fits its anchors",
        found=f"{findings[0].words}{more}",
        next_step="Keep the table as it is and look who wrote to it; `strandline audit verify "
        "--json` lists all findings, and exported files have the records as they were.",
    )


def _verified(spark: SparkSession, table: str, anchors: Sequence[ChainHead]) -> AuditVerification:
    links = _links(spark.table(table))
    ends = links.groupBy("range").agg(
        F.count(F.lit(1)).alias("records"),
        F.min("sequence").alias("first"),
        F.max("sequence").alias("last"),
        F.min_by("previous_hash", "sequence").alias("previous_hash"),
        F.max_by("record_hash", "sequence").alias("record_hash"),
    )
    ranges = sorted(ends.collect(), key=lambda row: (row["range"] is not None, row["range"]))
    numbered = [each for each in ranges if each["range"] is not None]
    records = sum(each.records for each in ranges)
    findings = [Finding(FindingKind.CHANGED, 0, 0)] if len(ranges) > len(numbered) else []
    findings += _within_ranges(links)
    findings += _between_ranges(numbered)
    first = numbered[0]["first"] if numbered else 0
    head = ChainHead(numbered[-1]["last"], numbered[-1].record_hash) if numbered else ChainHead()
    if numbered:
        findings += _beginning(spark.table(table), numbered[0])
    held = _anchors(spark, table, anchors)
    findings += _against_anchors(links, held, first, head.sequence)
    unique = sorted(set(findings), key=lambda each: (each.first, each.last, each.kind))
    return AuditVerification(records, first, head, held.count(), tuple(unique[:MOST_FINDINGS]))


def _links(log: DataFrame) -> DataFrame:
    """Number, hashes and range of each record, and whether it is as it was hashed."""
    intact = columns_agree() & hash_column().eqNullSafe(F.col("record_hash"))
    return log.select(
        "sequence",
        "previous_hash",
        "record_hash",
        F.floor(F.col("sequence") / RANGE).alias("range"),
        (~intact).alias("changed"),
    )


def _within_ranges(links: DataFrame) -> Iterator[Finding]:
    order = Window.partitionBy("range").orderBy("sequence", "record_hash")
    before = F.lag("sequence").over(order)
    hash_before = F.lag("record_hash").over(order)
    compared = links.select(
        "sequence",
        "changed",
        before.alias("before"),
        (~F.col("previous_hash").eqNullSafe(hash_before)).alias("unlinked"),
    )
    step = F.col("sequence") - F.col("before")
    wrong = compared.where(
        F.col("changed")
        | F.coalesce((step != 1) | F.col("unlinked"), F.lit(False)) & F.col("before").isNotNull()
    )
    for row in wrong.orderBy("sequence").limit(MOST_FINDINGS).collect():
        if row.sequence is None:
            continue
        if row.changed:
            yield Finding(FindingKind.CHANGED, row.sequence, row.sequence)
        if row.before is not None:
            yield from _link(row.before, row.sequence, unlinked=row.unlinked)


def _between_ranges(ranges: Sequence[Row]) -> Iterator[Finding]:
    for before, after in pairwise(ranges):
        unlinked = before.record_hash != after.previous_hash
        yield from _link(before["last"], after["first"], unlinked=unlinked)


def _link(before: int, sequence: int, *, unlinked: bool) -> Iterator[Finding]:
    if sequence == before:
        yield Finding(FindingKind.INSERTED, sequence, sequence)
    elif sequence > before + 1:
        yield Finding(FindingKind.MISSING, before + 1, sequence - 1)
    elif unlinked:
        yield Finding(FindingKind.BROKEN, sequence, sequence)


def _beginning(log: DataFrame, start: Row) -> Iterator[Finding]:
    """A log begins with record 1, or where a record in it says that older ones were let go."""
    first, previous = start["first"], start.previous_hash
    if first == 1:
        if previous != GENESIS:
            yield Finding(FindingKind.BROKEN, 1, 1)
        return
    said = log.where(
        (F.col("action") == str(AuditAction.EXPIRE_LEDGER))
        & (F.col("details")[BEGINS_AT] == str(first))
        & (F.col("details")[BEGINS_AFTER] == previous)
    )
    if not said.limit(1).collect():
        yield Finding(FindingKind.MISSING, 1, first - 1)


def _anchors(spark: SparkSession, table: str, given: Sequence[ChainHead]) -> DataFrame:
    """`sequence` and `anchor_hash` of every anchor: the snapshots' summaries, and those given."""
    summary = F.col("summary")
    of_snapshots = spark.table(f"{table}.snapshots").select(
        summary[HEAD_SEQUENCE].try_cast("bigint").alias("sequence"),
        summary[HEAD_HASH].alias("anchor_hash"),
    )
    rows = [(each.sequence, each.record_hash) for each in given if each.sequence > 0]
    outside = spark.createDataFrame(rows, "sequence bigint, anchor_hash string")
    return of_snapshots.where(F.col("sequence") > 0).unionByName(outside).distinct()


def _against_anchors(
    links: DataFrame, anchors: DataFrame, first: int, last: int
) -> Iterator[Finding]:
    """Anchors whose record is not there with that hash. Before the first, nothing can be said."""
    found = anchors.join(
        links.select("sequence", F.col("record_hash").alias("hash")), "sequence", "left"
    ).where((F.col("sequence") >= first) & ~F.col("hash").eqNullSafe(F.col("anchor_hash")))
    rows = found.orderBy("sequence").limit(MOST_FINDINGS).collect()
    beyond = [row.sequence for row in rows if row.sequence > last]
    if beyond:
        newest = anchors.agg(F.max("sequence").alias("newest")).collect()[0].newest
        yield Finding(FindingKind.TRUNCATED, last + 1, newest)
    for row in rows:
        if row.sequence <= last and row.hash is not None:
            yield Finding(FindingKind.REWRITTEN, row.sequence, row.sequence)
