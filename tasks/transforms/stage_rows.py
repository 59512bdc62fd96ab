"""From source rows to the rows of the stage, in one pass: judged, mapped, fingerprinted, protected.

Promise: what leaves here is protected, and every source row is counted once, whatever becomes of
it. The pass holds no action; the write that runs it brings the counts along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F

from contracts.model import Check, Contract
from contracts.model.check_registry import RULES, Scope
from contracts.model.encryption_keys import ProtectionKeys
from contracts.model.reserved_column_names import UNFIT
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.spark_schemas import FILLED_BY_HISTORY, event_schema
from history.audit.source_reconciliation import value_digest
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import as_json, named
from tasks.transforms.checks.row_checks import (
    RowChecks,
    compile_row_checks,
    counts,
    failed_checks,
    refusing,
    row_score,
    with_references,
)
from tasks.transforms.hashing.row_fingerprint import Fingerprint, fingerprints
from tasks.transforms.mapping.column_mapping import mapped, mapped_column, sequence, watermark
from tasks.transforms.mapping.row_filter import meets_conditions
from tasks.transforms.protection.column_protection import (
    ColumnProtection,
    compile_protection,
    protected,
    source_row,
)

KIND = "__kind"
EVENT, SEEN, REFUSED = "event", "seen", "refused"
IGNORED, REPEATED = "ignored", "repeated"
"""What became of a row. Ignored and repeated rows are counted and not staged; where it matters
which keys were seen at all, their keys are staged as `seen`."""
KINDS = (EVENT, REFUSED, IGNORED, REPEATED)

OPERATION, FAILED, SOURCE_ROW, DIGEST = "__operation", "__failed", "__source_row", "__digest"
UNFIT_COLUMNS = "__unfit_columns"
THERE, THERE_DIGEST = "there", "there_digest"
"""What the observation says of the rows that must be open versions: their number and digest."""
WATERMARK, JUDGED_UNTIL = "__watermark", "__judged_until"
_DOMAIN = "strandline refused row 1\n"
_FROM_RUN = ("batch_id", "row_score", "retention_date")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the columns that come from the run, and not from the row, are filled with.

    Attributes:
        batch_id: The batch.
        taken_at: When it was taken; timezone-aware.
        target: What tokens and pseudonyms are bound to.
        read_at: The instant of the read, by the source's clock; timezone-aware.
        watermark_limit: No watermark is believed beyond it; timezone-aware.
        read_until: Rows whose watermark is at or before it were read and judged by an earlier
            batch: they are judged, but not counted, again. So are rows without a watermark, and
            those whose watermark lies after the read, which every batch reads. None: all count.
        fingerprinted: The tracked columns that the fingerprint is made of; None: all of them.
        one_row_a_key: The source itself has no two rows of one key.
        sees: The keys of rows that say nothing new are staged too.
    """

    batch_id: str
    taken_at: datetime
    target: str
    read_at: datetime
    watermark_limit: datetime
    read_until: datetime | None = None
    fingerprinted: tuple[str, ...] | None = None
    one_row_a_key: bool = True
    sees: bool = False


def set_digest(position: int) -> str:
    """The staged column that tells rows apart for the set check of that position."""
    return f"__set_{position}"


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What becomes of a source row on the way to the stage, compiled from a contract.

    Attributes:
        checks: The checks of one row.
        set_checks: The checks that need the whole batch, in the order of the contract.
        protection: Which columns are protected.
        ignored: Whether a row says nothing.
        member: Whether a row belongs to the source's membership; others close their key's version.
        watermark: How far a row's source has been read.
        marks_days: Whether the watermark is of days.
        key: The key's target columns.
        key_values: Their mapped values.
        values: The clear values of the target columns that a row itself gives.
        from_run: Target columns that the run gives, by transformation: name and type.
        events: The event columns.
        tracked: The tracked columns.
        fingerprint: The column of the row's fingerprint; None: there is none.
        compared: Beside key and tracked columns, what must equal an open version for a row to
            say nothing new: event columns, then sequence and fingerprint. None: they can't be
            compared before protection, or nothing says that they differ.
        retention_days: After how many days personal columns become unreadable.
        is_state: Whether the source is a state: one row a key.
    """

    checks: RowChecks
    set_checks: tuple[Check, ...]
    protection: ColumnProtection
    ignored: Column
    member: Column
    watermark: Column
    marks_days: bool
    key: tuple[str, ...]
    key_values: tuple[Column, ...]
    values: Mapping[str, Column]
    from_run: Mapping[str, tuple[str, str]]
    events: tuple[str, ...]
    tracked: tuple[str, ...]
    fingerprint: str | None
    compared: tuple[str, ...] | None
    retention_days: int
    is_state: bool

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The stage's columns that say something of the row and are none of the target's."""
        digests = [set_digest(position) for position, _ in enumerate(self.set_checks)]
        return (OPERATION, KIND, FAILED, UNFIT_COLUMNS, SOURCE_ROW, DIGEST, *digests)

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
    """The plan by which rows of the contract's source are staged.

    Raises:
        ContractError: There are more row checks than a mask has bits.
    """
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
        set_checks=tuple(c for c in contract.checks if RULES[c.rule].scope is Scope.SET),
        protection=compile_protection(contract),
        ignored=meets_conditions(source.ignore) if source.ignore else F.lit(False),
        member=meets_conditions(source.membership) if source.membership else F.lit(True),
        watermark=watermark(contract) if source.watermark else F.lit(None).cast("timestamp"),
        marks_days=any(kinds[name] == "date" for name in source.watermark),
        key=contract.key,
        key_values=tuple(mapped_column(contract, contract.column(name)) for name in contract.key),
        values={**mapped(contract), **_sequence_of(contract)},
        from_run=generated,
        events=tuple(event_schema(contract).fieldNames()),
        tracked=contract.history.tracked,
        fingerprint=None if fingerprint is None else fingerprint.name,
        compared=_compared(contract),
        retention_days=contract.retention_days or 0,
        is_state=source.is_state,
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


def stage_rows(
    rows: DataFrame,
    plan: StagePlan,
    keys: ProtectionKeys,
    origin: Origin,
    *,
    references: Mapping[str, DataFrame],
    known: DataFrame | None,
    observation: Observation,
) -> DataFrame:
    """The rows of the stage.

    Args:
        rows: The source rows, columns as the contract names them, and `UNFIT` (null, or a JSON
            object of the values that could not be carried, as text by column).
        plan: What becomes of them.
        keys: The keys of this table.
        origin: The run's own values.
        references: The relations that checks refer to, by name.
        known: Open versions of the target (key, sequence, fingerprint and overwritten columns);
            a row that says the same is not staged. None: all rows are staged.
        observation: Gets, over all rows: per-check counts, `kind_<kind>`, and two watermarks in
            microseconds since 1970: the greatest of rows that were not refused up to the origin's
            limit (`watermark`), and the greatest of all up to the read (`judged_until`).

    Returns:
        The event columns in stored types and `StagePlan.own_columns`. Of these, refused rows have
        the bit mask of `RowChecks`, the columns whose values could not be carried, the source row
        (sensitive values encrypted) and its digest.
    """
    judged = _judged(with_references(rows, plan.checks, references), plan, origin)
    shaped = _fingerprinted(_mapped(judged, plan, origin), plan, keys, origin)
    sorted_out = _sorted_out(shaped, plan, known)
    measured = sorted_out.observe(observation, *_measures(plan, origin))
    kept = measured.where(F.col(KIND).isin(*_staged_kinds(origin)))
    chosen = _chosen(kept, plan, keys, origin)
    return protected(chosen, plan.protection, keys, table=origin.target)


def _judged(rows: DataFrame, plan: StagePlan, origin: Origin) -> DataFrame:
    twin = None
    if plan.is_state and not origin.one_row_a_key:
        rows = rows.withColumn("__twin", _has_twin(plan))
        twin = F.col("__twin")
    mask = failed_checks(
        plan.checks,
        as_of=origin.read_at,
        ignored=plan.ignored,
        twin=twin,
        unfit=named(UNFIT).isNotNull() & ~plan.ignored,
    )
    lost = F.map_keys(F.from_json(named(UNFIT), "map<string,string>"))
    with_mask = rows.withColumns(
        {"__ignored": plan.ignored, "__mask": mask, "__unfit_columns": lost}
    )
    return with_mask.withColumn("__refused", refusing(plan.checks, F.col("__mask")))


def _has_twin(plan: StagePlan) -> Column:
    """Whether another row that says something has the row's key, as it is mapped."""
    key = plan.key_values
    said = reduce(lambda one, other: one & other, (value.isNotNull() for value in key))
    said = said & ~plan.ignored
    rows = F.count(F.when(said, 1)).over(Window.partitionBy(*key))
    return said & (rows > 1)


def _mapped(judged: DataFrame, plan: StagePlan, origin: Origin) -> DataFrame:
    """Adds the clear target values under names that no source column has."""
    own: dict[str, Column] = {
        "batch_id": F.lit(origin.batch_id),
        "row_score": row_score(plan.checks, F.col("__mask")),
        "retention_date": F.date_add(F.lit(origin.taken_at).cast("date"), plan.retention_days),
    }
    values = dict(plan.values)
    for transformation, (name, kind) in plan.from_run.items():
        values[name] = own[transformation].cast(kind)
    return judged.withColumns(
        {
            **{_clear(name): value for name, value in values.items()},
            OPERATION: F.when(plan.member, UPSERT).otherwise(DELETE),
            WATERMARK: plan.watermark,
        }
    )


def _fingerprinted(
    shaped: DataFrame, plan: StagePlan, keys: ProtectionKeys, origin: Origin
) -> DataFrame:
    """Adds everything that the fingerprint key makes: the key enters the plan once."""
    wanted = {}
    if plan.fingerprint is not None:
        made_of = origin.fingerprinted or plan.tracked
        tracked = {name: F.col(_clear(name)) for name in made_of}
        wanted[_clear(plan.fingerprint)] = Fingerprint(tracked)
    for position, check in enumerate(plan.set_checks):
        values = {name: named(name) for name in check.columns}
        # A row with a null in one of the columns repeats nothing.
        whole = reduce(lambda one, other: one & other, (v.isNotNull() for v in values.values()))
        wanted[set_digest(position)] = Fingerprint(values, only=whole)
    row = as_json(named(name) for name in plan.protection.sources)
    told = F.concat(F.lit(_DOMAIN), row, F.coalesce(named(UNFIT), F.lit("")))
    refused = F.when(F.col("__refused"), told)
    key = keys.fingerprint.material
    return fingerprints(shaped, wanted, key, messages={DIGEST: refused})


def _sorted_out(shaped: DataFrame, plan: StagePlan, known: DataFrame | None) -> DataFrame:
    repeated = F.lit(False)
    if known is not None:
        held = known.select(
            *[named(name).alias(f"__held_{i}") for i, name in enumerate(known.columns)]
        )
        same = F.lit(True)
        for position, name in enumerate(known.columns):
            theirs, ours = F.col(f"__held_{position}"), F.col(_clear(name))
            equal = ours == theirs if name in plan.key else ours.eqNullSafe(theirs)
            same = same & equal
        shaped = shaped.join(held, same, "left")
        found = F.col("__held_0").isNotNull()
        shaped = shaped.withColumn("__found", found).drop(*held.columns)
        repeated = F.col("__found") & (F.col(OPERATION) == UPSERT)
    kind = (
        F.when(F.col("__refused"), REFUSED)
        .when(F.col("__ignored"), IGNORED)
        .when(repeated, REPEATED)
        .otherwise(EVENT)
    )
    return shaped.withColumn(KIND, kind)


def _measures(plan: StagePlan, origin: Origin) -> list[Column]:
    mask, mark = F.col("__mask"), _micros(F.col(WATERMARK))
    was_read = mark <= F.lit(_micros_of(origin.read_at))
    if origin.read_until is not None:
        # Of a day, an earlier batch may have seen a part.
        past = origin.read_until - timedelta(days=1) if plan.marks_days else origin.read_until
        unread = (mark > F.lit(_micros_of(past))) & was_read
        mask = F.when(F.coalesce(unread, F.lit(False)), mask)
    there = (F.col(KIND) == REPEATED) | ((F.col(KIND) == EVENT) & (F.col(OPERATION) == UPSERT))
    digest = F.lit(0)
    if plan.fingerprint is not None:
        digest = value_digest(F.col(_clear(plan.fingerprint)))
    accepted = (F.col(KIND) != REFUSED) & (mark <= F.lit(_micros_of(origin.watermark_limit)))
    return [
        *counts(plan.checks, mask, F.col("__unfit_columns")),
        *[F.count_if(F.col(KIND) == kind).alias(f"kind_{kind}") for kind in KINDS],
        F.max(F.when(accepted, mark)).alias(WATERMARK),
        F.max(F.when(was_read, mark)).alias(JUDGED_UNTIL),
        F.count_if(there).alias(THERE),
        F.coalesce(F.sum(F.when(there, digest)), F.lit(0)).alias(THERE_DIGEST),
    ]


def _micros(mark: Column) -> Column:
    """Microseconds since 1970: of a moment that Python has no value for too."""
    return F.unix_micros(mark.cast("timestamp"))


def _micros_of(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _staged_kinds(origin: Origin) -> tuple[str, ...]:
    return (EVENT, REFUSED, IGNORED, REPEATED) if origin.sees else (EVENT, REFUSED)


def _chosen(kept: DataFrame, plan: StagePlan, keys: ProtectionKeys, origin: Origin) -> DataFrame:
    """The stage's columns, target columns still in the clear; a seen row keeps its key only."""
    refused = F.col(KIND) == REFUSED
    said = F.col(KIND).isin(EVENT, REFUSED)
    columns = []
    for name in plan.events:
        value = F.col(_clear(name))
        whole = not origin.sees or name in plan.key
        columns.append((value if whole else F.when(said, value)).alias(name))
    row = source_row(
        plan.protection, keys, table=origin.target, refused=refused, unfit=named(UNFIT)
    )
    return kept.select(
        *columns,
        F.col(OPERATION),
        (F.when(F.col(KIND) == REPEATED, SEEN).otherwise(F.col(KIND))).alias(KIND),
        F.when(refused, F.col("__mask")).alias(FAILED),
        F.when(refused, F.col("__unfit_columns")).alias(UNFIT_COLUMNS),
        row.alias(SOURCE_ROW),
        F.col(DIGEST),
        *[F.col(set_digest(position)) for position, _ in enumerate(plan.set_checks)],
    )


def _clear(name: str) -> str:
    """Where a target column's clear value waits beside the source columns."""
    return f"__clear_{name.replace('.', '_').replace('`', '_')}"
