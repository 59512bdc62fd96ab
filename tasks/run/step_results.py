"""What one step passes to the next: names, snapshots and counts, never rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from history import Batch, WriteResult
from history.model.load_report import LoadReport
from history.model.recorded_source_reads import Read
from tasks.compiler.compile_contract import CompiledContract
from tasks.transforms.checks.batch_checks import BatchFacts
from tasks.transforms.checks.quality_score import Finding, Judged
from tasks.transforms.checks.verdict import Verdict

_NOTHING_JUDGED = Judged()


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one load has to read: bounds and slices, determined without reading a row.

    Attributes:
        contract: What the table promises, compiled.
        query: Selects the rows.
        slices: Conditions that cut them into parts to be read side by side, each row in one.
        rows: How many there are, overlap included.
        first_load: Nothing was published yet.
        full: Every row of the source is read.
        after: The published watermark that the read begins at; None: at the first row.
        watermark: The published one, which never moves back; None: none can be trusted.
        read_at: The instant of the read, by the source's clock, and after every earlier read's.
        watermark_limit: Up to when a watermark is accepted: the source's clock, or the start of its
            oldest open transaction.
        judged_until: The greatest watermark that an earlier batch has checked and counted.
        read: Of a state: the read as its history keeps it.
    """

    contract: CompiledContract
    query: str
    slices: tuple[str, ...]
    rows: int
    first_load: bool
    full: bool
    after: datetime | None
    watermark: datetime | None
    read_at: datetime
    watermark_limit: datetime
    judged_until: datetime | None
    read: Read | None


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """The checked and protected rows of one batch, written once.

    `rows_read` counts what left the source; it equals refused + ignored + repeated + erased +
    staged. `repeated` rows equal an open version, `erased` ones are about a person who was erased;
    neither was written.
    `watermark` is the greatest of the rows that were not refused, within the source's own clock
    (None: there is none). `judged` are the rows that were counted, `facts` what checks of the whole
    batch need, `duplicates` those of the refused rows that a set check refused, `anomalies` the
    model of its rows as JSON. `read` is the
    batch's read of a state source; it is full where the contract closes keys that are absent from a
    full load. `judged_until` is the greatest watermark of all rows up to the read. `open_rows`
    counts the rows that must be open versions once a full read is loaded (None: not a full read),
    and `open_rows_digest` is the digest of their fingerprints. `key_ids` name the keys that the
    rows were protected with.
    """

    table: str
    rows_read: int
    staged: int
    refused: int
    ignored: int
    repeated: int
    watermark: datetime | None
    findings: tuple[Finding, ...] = ()
    judged: Judged = _NOTHING_JUDGED
    facts: BatchFacts | None = None
    duplicates: int = 0
    anomalies: str = ""
    read: Read | None = None
    judged_until: datetime | None = None
    open_rows: int | None = None
    open_rows_digest: int = 0
    erased: int = 0
    key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One read of a source: what was to be read, and the batch that was staged of it."""

    extraction: Extraction
    staged: StagedBatch

    @property
    def contract(self) -> CompiledContract:
        """The contract that it was read by."""
        return self.extraction.contract


@dataclass(frozen=True, slots=True)
class ValidBatch:
    """A batch that was read and staged and let through, with the contract it was read by."""

    contract: CompiledContract
    staged: StagedBatch
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class MergedBatch:
    """A batch on its branch: what the history engine was given, and what it wrote."""

    batch: Batch
    written: WriteResult


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """How one table's load ended: what the command line and the run's page show.

    `step_seconds` says how long each step took, all its repetitions together. `source_kind` is
    what the source was read as, `taken_because` why, where the contract does not say.
    `mended` and `gone` are the rows refused by earlier loads whose source rows this one found so.
    """

    contract: str
    target: str
    batch_id: str
    run_id: str
    started: datetime
    ended: datetime
    staged: StagedBatch
    verdict: Verdict
    report: LoadReport
    memory_mb: float = 0.0
    cpu_percent: float = 0.0
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    source_kind: str = ""
    taken_because: str = ""
    mended: int = 0
    gone: int = 0

    @property
    def elapsed_seconds(self) -> float:
        """From taking the batch to having recorded it."""
        return (self.ended - self.started).total_seconds()


@dataclass(frozen=True, slots=True)
class DifferingKey:
    """A key whose open version differs from the source.

    `found` is 'only in source', 'only in table' or 'differs'; `key` is a JSON object of the key
    as the table stores it.
    """

    found: str
    key: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """A whole table compared with one full read of its source.

    Attributes:
        contract: The contract's name.
        target: The history table.
        read_at: The instant of the read, by the source's clock.
        rows_read: The source's rows.
        open_versions: The table's open keys.
        only_in_source: Keys of the source that are not open in the table.
        only_in_table: Keys that are open in the table and not in the source.
        differing: Keys of both whose values differ.
        kept: Open keys without a row that the contract keeps open.
        refused: Rows that a check refuses: their keys keep their versions.
        keys: Some of the keys that are not equal.
        batch_id: The batch that repaired them; None: nothing was repaired.
    """

    contract: str
    target: str
    read_at: datetime
    rows_read: int
    open_versions: int
    only_in_source: int
    only_in_table: int
    differing: int
    kept: int
    refused: int
    keys: tuple[DifferingKey, ...] = ()
    batch_id: str | None = None

    @property
    def unequal(self) -> int:
        """How many keys are not equal."""
        return self.only_in_source + self.only_in_table + self.differing
