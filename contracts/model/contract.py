"""A contract as frozen values. `contracts.loader` makes them from YAML.

Nothing here reads a file, a clock or a database, or depends on Spark: a contract is compiled
to Spark by `contracts.schemas.target_ddl`, to SQL by `tasks.source.source_query`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from contracts.model.access.classification import Classification
from contracts.model.access.role import Role
from contracts.model.quality_gate import QualityGate, Threshold
from contracts.model.severity import Severity

Scalar: TypeAlias = str | int | float | bool | None
Argument: TypeAlias = Scalar | tuple[Scalar, ...] | Mapping[str, Scalar]

_DEFAULT_GATE = QualityGate()


class LoadKind(StrEnum):
    """Whether a load reads the whole source or only the rows after the watermark."""

    FULL = "full"
    INCREMENTAL = "incremental"


class SourceKind(StrEnum):
    """What the rows of a source are: the state of their keys as it is now, or changes of them.

    STATE: a table with one row per key. EVENTS: a log with many, each with its own sequence.
    """

    STATE = "state"
    EVENTS = "events"


class NullWatermark(StrEnum):
    """A row whose watermark is null: refused, or dated by the read."""

    REFUSE = "refuse"
    OBSERVE = "observe"


class ProtectionKind(StrEnum):
    """The techniques. A key holder can undo encryption; the others are irreversible."""

    ENCRYPT = "encrypt"
    PSEUDONYMISE = "pseudonymise"
    MASK = "mask"
    GENERALISE = "generalise"
    REDACT = "redact"


class Period(StrEnum):
    """What a date or a moment is generalised to: the first day of its month or of its year."""

    MONTH = "month"
    YEAR = "year"


class Operator(StrEnum):
    """The comparisons a row filter may use."""

    IN = "in"
    NOT_IN = "not_in"
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"


class Absence(StrEnum):
    """What it means when a full load no longer contains a key."""

    CLOSE = "close"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison on one source column; conditions of a filter are joined by AND."""

    column: str
    operator: Operator
    values: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class Transformation:
    """A named entry of `contracts.model.transformation_registry`, with its arguments."""

    name: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Protection:
    """How a column is protected.

    Attributes:
        kind: The technique.
        keep: Leading characters that a mask leaves readable.
        deterministic: Of encryption: equal values have equal tokens, so that they can be joined.
        join_domain: The columns of all tables that name one domain can be joined; None: only the
            column with itself.
        period: What a date or a moment is generalised to.
        width: The width of the bands that numbers are generalised to.
    """

    kind: ProtectionKind
    keep: int = 0
    deterministic: bool = False
    join_domain: str | None = None
    period: Period | None = None
    width: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column the source must have. `type` is a Spark SQL type name.

    `derived_from` are other source columns whose values it is made of; None: the contract does not
    say. It is as sensitive as they are (`contracts.model.sensitivity`). A sensitive column is
    encrypted wherever a source row is kept (the quarantine).
    """

    name: str
    type: str
    nullable: bool = True
    classification: Classification = Classification.INTERNAL
    description: str = ""
    derived_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the target table.

    `type` is the Spark SQL type of the clear value; a protected column is stored in the type that
    `contracts.schemas.target_ddl.stored_type` gives. `physical_type` is the type as the
    specification writes it. `sources` are source column names; empty for a column that Strandline
    generates. `critical`: few of its values may be null. `protected_by_rule` is the classification
    whose rule gave the column its protection; None: its own word did, or it has none.
    `transform_logic` is what the contract says of the transformation in its own words.
    """

    name: str
    type: str
    nullable: bool
    transformation: Transformation
    physical_type: str = ""
    sources: tuple[str, ...] = ()
    classification: Classification = Classification.INTERNAL
    protection: Protection | None = None
    protected_by_rule: Classification | None = None
    lineage: bool = False
    critical: bool = False
    description: str = ""
    transform_logic: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule about the rows of a batch, a named entry of `contracts.model.check_registry`.

    Attributes:
        id: Its name, unique in the contract.
        rule: The registry's name of the rule.
        columns: Source columns; target columns where `about_target`.
        arguments: The rule's arguments.
        severity: What it does to a row that fails, or to a batch whose limit does not hold.
        weight: What a failed check costs the score of its row, 0 to 1.
        dimension: The aspect of quality, as the standard names it.
        about_target: It looks at the values that are to be stored, before they are protected.
        threshold: The limit of its metric: the rows that fail are counted and none is refused.
    """

    id: str
    rule: str
    columns: tuple[str, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    severity: Severity = Severity.REFUSE
    weight: float = 1.0
    dimension: str = "validity"
    about_target: bool = False
    threshold: Threshold | None = None

    @property
    def refuses_rows(self) -> bool:
        """Whether a row that fails is refused: it is no mere warning, nor a limit on the batch."""
        return self.severity is Severity.REFUSE and self.threshold is None


@dataclass(frozen=True, slots=True)
class ClosingLimit:
    """How many open keys may be absent from a full read: so many percent, or so many keys."""

    percent: float = 10.0
    rows: int = 10


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from and how they are read (spec 1.1).

    `connection` names a SourceDatabase block. `sequence` and `watermark` are source columns, the
    first that is not null counts. `batch_size` is the JDBC fetch size in rows; `overlap` is how
    far behind the watermark a load reads again. `partition_column` only prunes and splits. A row
    that fails `membership` closes its key's version; a row that matches `ignore` changes nothing.

    `kind` None: not in the contract (`contracts.model.source_kind.with_source_kind` decides).
    `future_stamps` is what a sequence later than the read does to its row. `null_watermark` None:
    `refuses_null_watermark` decides by what the contract promises of the columns.
    """

    connection: str
    schema: str
    table: str
    columns: tuple[SourceColumn, ...]
    load: LoadKind
    sequence: tuple[str, ...]
    watermark: tuple[str, ...]
    overlap: timedelta = timedelta(0)
    partition_column: str | None = None
    batch_size: int = 100_000
    retry_attempts: int = 3
    timeout_seconds: int = 300
    membership: tuple[Condition, ...] = ()
    ignore: tuple[Condition, ...] = ()
    may_be_empty: bool = True
    kind: SourceKind | None = None
    future_stamps: Severity = Severity.WARN
    null_watermark: NullWatermark | None = None
    closing_limit: ClosingLimit = ClosingLimit()

    @property
    def is_state(self) -> bool:
        """Whether its rows are the state of their keys."""
        return self.kind is SourceKind.STATE

    @property
    def refuses_null_watermark(self) -> bool:
        """Whether a row without a watermark or a sequence breaks a promise of the contract."""
        if self.null_watermark is not None:
            return self.null_watermark is NullWatermark.REFUSE
        names = {*self.watermark, *self.sequence}
        return any(column.name in names and not column.nullable for column in self.columns)

    @property
    def relation(self) -> str:
        """The qualified name, as lineage and messages show it."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class History:
    """How versions are kept. All names are target columns.

    `first_valid_from` dates a key's first version. `remember_unchanged` keeps equal events so that
    late ones can come before them. `open_end` is the end of an open version; None stands for null.
    `format_version` is that of Iceberg's table format: 3 has deletion vectors, 2 has not.
    """

    tracked: tuple[str, ...]
    tie_breaker: tuple[str, ...] = ()
    first_valid_from: str | None = None
    remember_unchanged: bool = True
    absent: Absence = Absence.KEEP
    open_end: datetime | None = None
    partitioning: tuple[str, ...] = ("is_current",)
    format_version: int = 3


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """The promises about time, in hours (spec 8.1, 12)."""

    load_hours: float = 2.0
    run_hours: float = 4.0
    freshness_hours: float | None = None


class RetentionAction(StrEnum):
    """What becomes of a record whose retention is over."""

    ANONYMISE = "anonymise"
    DELETE = "delete"


class RetentionStart(StrEnum):
    """Since when a record's retention counts: since it ended, or since it was last loaded."""

    RECORD_END = "record_end"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """What is done with records that were kept for `Contract.retention_days`, and since when."""

    action: RetentionAction
    start: RetentionStart = RetentionStart.RECORD_END


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything Strandline needs for one target table.

    `name` is the contract's own name, its file's stem; `table` is the name of the target.
    `row_classification` is the target column that says how sensitive each row is; None: rows are
    not classified.
    `protection` is how columns of a classification are protected that say nothing themselves.
    `subject` are the target columns that name the person a row is about; empty: those of the key.
    `subject_keys`: whether what a row has encrypted, beside them, is so with its person's own key.
    `retention` is what is done when `retention_days` are over; None: nothing.
    `tags` are those of the contract and of its table: words by which contracts are selected.
    """

    name: str
    version: str
    description: str
    owner: str
    namespace: str
    table: str
    source: Source
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    history: History
    checks: tuple[Check, ...] = ()
    quality: QualityGate = _DEFAULT_GATE
    service_level: ServiceLevel = ServiceLevel()
    retention_days: int | None = None
    roles: tuple[Role, ...] = ()
    row_classification: str | None = None
    protection: Mapping[Classification, Protection] = field(default_factory=dict)
    subject: tuple[str, ...] = ()
    subject_keys: bool = False
    retention: RetentionRule | None = None
    tags: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The target below its catalog: `namespace.table`."""
        return f"{self.namespace}.{self.table}"

    @property
    def subject_columns(self) -> tuple[str, ...]:
        """The target columns that name the person a row is about (GDPR, article 4(1))."""
        return self.subject or self.key

    def column(self, name: str) -> Column:
        """The target column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def generated(self, transformation: str) -> Column | None:
        """The target column that a generated transformation fills, if the contract has one."""
        for column in self.columns:
            if column.transformation.name == transformation:
                return column
        return None


@dataclass(frozen=True, slots=True)
class LedgerColumn:
    """One column of a table that Strandline itself appends to. `type` is a Spark SQL type."""

    name: str
    type: str
    nullable: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A table of the runs themselves (lineage, metrics, quarantine): columns, no source.

    `retention_days` and `dated_by` go together: upkeep deletes whole days of rows whose column
    `dated_by` is older than that. Without them, rows are kept for ever.
    """

    name: str
    version: str
    description: str
    owner: str
    columns: tuple[LedgerColumn, ...]
    partitioning: tuple[str, ...] = ()
    retention_days: int | None = None
    dated_by: str | None = None
