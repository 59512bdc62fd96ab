"""How source rows are staged: a contract compiled to columns, and the stage's own columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Contract
from contracts.model.reserved_column_names import OPERATION
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.spark_schemas import FILLED_BY_HISTORY, event_schema
from tasks.transforms.checks.batch_measures import BatchMeasures, compile_batch_measures
from tasks.transforms.checks.row_checks import RowChecks, compile_row_checks
from tasks.transforms.checks.set_checks import SetChecks, compile_set_checks
from tasks.transforms.mapping.column_mapping import mapped, mapped_column, sequence, watermark
from tasks.transforms.mapping.row_filter import meets_conditions
from tasks.transforms.protection.column_protection import (
    SUBJECT,
    ColumnProtection,
    compile_protection,
)
from tasks.transforms.subject_keys import MADE_KEY

KIND = "__kind"
EVENT, SEEN, REFUSED = "event", "seen", "refused"
IGNORED, REPEATED, ERASED = "ignored", "repeated", "erased"
DUPLICATE = "duplicate"
"""The kind of a row. `duplicate` are events that a set check refused later. Ignored and repeated
rows are counted and not staged; where a load needs all keys of the read, their keys are staged too,
those of repeated rows as `seen`. Rows about an erased person, or of a record that retention has
retired, are counted as erased, and never staged."""
KINDS = (EVENT, REFUSED, IGNORED, REPEATED, ERASED)

FAILED, SOURCE_ROW, DIGEST = "__failed", "__source_row", "__digest"
UNFIT_COLUMNS = "__unfit_columns"
ANOMALY = "__anomaly"
IS_ERASED = "__erased"
THERE, THERE_DIGEST = "there", "there_digest"
"""The observation's names for the rows that must be open versions: their number and digest."""
NEW_PERSONS = "new_persons"
"""The observation's name for the number of rows about persons who have no key yet."""
WATERMARK, JUDGED_UNTIL = "__watermark", "__judged_until"
_FROM_RUN = ("batch_id", "row_score", "retention_date")


def set_digest(position: int) -> str:
    """The staged column of digests that the set check of that position compares."""
    return f"__set_{position}"


@dataclass(frozen=True, slots=True)
class StagePlan:
    """How a source row is staged, compiled from a contract.

    Attributes:
        checks: The checks of one row.
        set_checks: The checks of rows against each other.
        measures: What the checks of the whole batch need to be measured.
        protection: Which columns are protected.
        ignored: Whether the contract ignores a row.
        member: Whether a row belongs to the source's membership; others close their key's version.
        watermark: The watermark of a row.
        watermark_in_days: Whether the watermark is of days.
        key: The key's target columns.
        key_values: Their mapped values.
        values: The clear values of the target columns that come from the row.
        stamp: The target column that has when the source made the change; None: no column has.
        from_run: Target columns that come from the run, by transformation: name and type.
        events: The event columns.
        tracked: The tracked columns.
        fingerprint: The column of the row's fingerprint; None: there is none.
        compared: Beside key and tracked columns, what must equal an open version for a row to
            be a repeat: event columns, then sequence and fingerprint. None: they can't be
            compared before protection, or no column shows that they differ.
        retention_days: After how many days retention makes personal columns unreadable.
        is_state: Whether the source is a state: one row a key.
        finds_anomalies: Whether unusual rows are looked for, and marked.
        carried: Columns of the rows, beside those of the source, that the stage gets as they are.
    """

    checks: RowChecks
    set_checks: SetChecks
    measures: BatchMeasures
    protection: ColumnProtection
    ignored: Column
    member: Column
    watermark: Column
    watermark_in_days: bool
    key: tuple[str, ...]
    key_values: tuple[Column, ...]
    values: Mapping[str, Column]
    stamp: str | None
    from_run: Mapping[str, tuple[str, str]]
    events: tuple[str, ...]
    tracked: tuple[str, ...]
    fingerprint: str | None
    compared: tuple[str, ...] | None
    retention_days: int
    is_state: bool
    finds_anomalies: bool
    carried: tuple[str, ...] = ()

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The stage's columns that describe the row and are not in the target."""
        digests = [set_digest(position) for position, _ in enumerate(self.set_checks.checks)]
        found = (ANOMALY,) if self.finds_anomalies else ()
        persons = (SUBJECT, MADE_KEY) if self.protection.subject else ()
        own = (OPERATION, KIND, FAILED, UNFIT_COLUMNS, SOURCE_ROW, DIGEST)
        return (*own, *digests, *found, *persons, *self.carried)

    def compared_with_known(self, fingerprinted: tuple[str, ...]) -> tuple[str, ...]:
        """The columns in which a full load's row has to equal an open version to be skipped.

        `fingerprinted` are the tracked columns that the fingerprint is made of. Empty where
        nothing can be compared.
        """
        if self.compared is None:
            return ()
        *rest, sequence, fingerprint = self.compared
        names = [name for name in rest if name not in fingerprinted]
        if any(name in self.protection.protected for name in names):
            return ()
        return (*names, sequence, fingerprint)


def compile_stage(contract: Contract) -> StagePlan:
    """The plan by which rows of the contract's source are staged."""
    source = contract.source
    generated = {
        name: (column.name, column.type)
        for name in _FROM_RUN
        if (column := contract.generated(name)) is not None
    }
    fingerprint = contract.generated("fingerprint")
    kinds = {column.name: column.type for column in source.columns}
    return StagePlan(
        checks=compile_row_checks(contract),
        set_checks=compile_set_checks(contract),
        measures=compile_batch_measures(contract),
        protection=compile_protection(contract),
        ignored=meets_conditions(source.ignore) if source.ignore else F.lit(False),
        member=meets_conditions(source.membership) if source.membership else F.lit(True),
        watermark=watermark(contract) if source.watermark else F.lit(None).cast("timestamp"),
        watermark_in_days=any(kinds[name] == "date" for name in source.watermark),
        key=contract.key,
        key_values=tuple(mapped_column(contract, contract.column(name)) for name in contract.key),
        values={**mapped(contract), **_sequence_of(contract)},
        stamp=next(iter(_sequence_of(contract)), None),
        from_run=generated,
        events=tuple(event_schema(contract).fieldNames()),
        tracked=contract.history.tracked,
        fingerprint=None if fingerprint is None else fingerprint.name,
        compared=_compared(contract),
        retention_days=contract.retention_days or 0,
        is_state=source.is_state,
        finds_anomalies=contract.quality.anomalies is not None,
    )


def _sequence_of(contract: Contract) -> Mapping[str, Column]:
    column = contract.generated("sequence")
    return {} if column is None else {column.name: sequence(contract).cast(column.type)}


def _compared(contract: Contract) -> tuple[str, ...] | None:
    fingerprint, order = contract.generated("fingerprint"), contract.generated("sequence")
    if fingerprint is None or order is None:
        return None
    filled = {
        column.name
        for column in contract.columns
        if column.transformation.name in FILLED_BY_HISTORY
        or TRANSFORMATIONS[column.transformation.name].generated
    }
    rest = (column.name for column in contract.columns if column.name not in filled)
    return (*rest, order.name, fingerprint.name)
