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
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.spark_schemas import FILLED_BY_HISTORY, event_schema
from contracts.source_sql.source_query import UNFIT
from history.audit.source_reconciliation import digest_of
from history.planning.event_validation import DELETE, UPSERT
from history.spark.column_quoting_and_comparison import as_json, named
from tasks.transforms.checks.row_checks import (
    counts,
    failed_checks,
    refusing,
    row_score,
    with_references,
)
from tasks.transforms.hashing.row_fingerprint import Fingerprint, fingerprints
from tasks.transforms.mapping.column_mapping import mapped, mapped_column, sequence, watermark
from tasks.transforms.mapping.row_filter import meets
from tasks.transforms.protection.column_protection import protected, source_row

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


def set_checks(contract: Contract) -> tuple[Check, ...]:
    """The checks that need the whole batch, in the order of the contract."""
    return tuple(check for check in contract.checks if RULES[check.rule].scope is Scope.SET)


def set_digest(position: int) -> str:
    """The staged column that tells rows apart for the set check of that position."""
    return f"__set_{position}"


def own_columns(contract: Contract) -> tuple[str, ...]:
    """The stage's columns that say something of the row and are none of the target's."""
    digests = [set_digest(position) for position, _ in enumerate(set_checks(contract))]
    return (OPERATION, KIND, FAILED, UNFIT_COLUMNS, SOURCE_ROW, DIGEST, *digests)


def staged(
    rows: DataFrame,
    contract: Contract,
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
        contract: What the table promises.
        keys: The keys of this table.
        origin: The run's own values.
        references: The relations that checks refer to, by name.
        known: Open versions of the target (key, sequence, fingerprint and overwritten columns);
            a row that says the same is not staged. None: all rows are staged.
        observation: Gets, over all rows: per-check counts, `kind_<kind>`, and two watermarks in
            microseconds since 1970: the greatest of rows that were not refused up to the origin's
            limit (`watermark`), and the greatest of all up to the read (`judged_until`).

    Returns:
        The event columns in stored types and the `own_columns`. Of these, refused rows have the
        bit mask of `checks.row_checks`, the columns whose values could not be carried, the source
        row (sensitive values encrypted) and its digest.
    """
    judged = _judged(with_references(rows, contract, references), contract, origin)
    shaped = _fingerprinted(_mapped(judged, contract, origin), contract, keys, origin)
    sorted_out = _sorted_out(shaped, contract, known)
    measured = sorted_out.observe(observation, *_measures(contract, origin))
    kept = measured.where(F.col(KIND).isin(*_staged_kinds(origin)))
    return protected(_chosen(kept, contract, keys, origin), contract, keys, table=origin.target)


def _judged(rows: DataFrame, contract: Contract, origin: Origin) -> DataFrame:
    ignore = contract.source.ignore
    silent = meets(ignore) if ignore else F.lit(False)
    twin = None
    if contract.source.is_state and not origin.one_row_a_key:
        rows = rows.withColumn("__twin", _has_twin(contract, silent))
        twin = F.col("__twin")
    mask = failed_checks(
        contract,
        as_of=origin.read_at,
        ignored=silent,
        twin=twin,
        unfit=named(UNFIT).isNotNull() & ~silent,
    )
    lost = F.map_keys(F.from_json(named(UNFIT), "map<string,string>"))
    with_mask = rows.withColumns({"__ignored": silent, "__mask": mask, "__unfit_columns": lost})
    return with_mask.withColumn("__refused", refusing(contract, F.col("__mask")))


def _has_twin(contract: Contract, silent: Column) -> Column:
    """Whether another row that says something has the row's key, as it is mapped."""
    key = [mapped_column(contract, contract.column(name)) for name in contract.key]
    said = reduce(lambda one, other: one & other, (value.isNotNull() for value in key)) & ~silent
    rows = F.count(F.when(said, 1)).over(Window.partitionBy(*key))
    return said & (rows > 1)


def _mapped(judged: DataFrame, contract: Contract, origin: Origin) -> DataFrame:
    """Adds the clear target values under names that no source column has."""
    own: dict[str, Column] = {
        "sequence": sequence(contract),
        "batch_id": F.lit(origin.batch_id),
        "row_score": row_score(contract, F.col("__mask")),
        "retention_date": F.date_add(
            F.lit(origin.taken_at).cast("date"), contract.retention_days or 0
        ),
    }
    values = dict(mapped(contract))
    for column in contract.columns:
        name = column.transformation.name
        if name in own:
            values[column.name] = own[name].cast(column.type)
    member = meets(contract.source.membership) if contract.source.membership else F.lit(True)
    mark = watermark(contract) if contract.source.watermark else F.lit(None).cast("timestamp")
    return judged.withColumns(
        {
            **{_clear(name): value for name, value in values.items()},
            OPERATION: F.when(member, UPSERT).otherwise(DELETE),
            WATERMARK: mark,
        }
    )


def _fingerprinted(
    shaped: DataFrame, contract: Contract, keys: ProtectionKeys, origin: Origin
) -> DataFrame:
    """Adds everything that the fingerprint key makes: the key enters the plan once."""
    wanted = {}
    column = contract.generated("fingerprint")
    if column is not None:
        made_of = origin.fingerprinted or contract.history.tracked
        tracked = {name: F.col(_clear(name)) for name in made_of}
        wanted[_clear(column.name)] = Fingerprint(tracked)
    for position, check in enumerate(set_checks(contract)):
        values = {name: named(name) for name in check.columns}
        # A row with a null in one of the columns repeats nothing.
        whole = reduce(lambda one, other: one & other, (v.isNotNull() for v in values.values()))
        wanted[set_digest(position)] = Fingerprint(values, only=whole)
    row = as_json(named(column.name) for column in contract.source.columns)
    told = F.concat(F.lit(_DOMAIN), row, F.coalesce(named(UNFIT), F.lit("")))
    refused = F.when(F.col("__refused"), told)
    key = keys.fingerprint.material
    return fingerprints(shaped, wanted, key, messages={DIGEST: refused})


def _sorted_out(shaped: DataFrame, contract: Contract, known: DataFrame | None) -> DataFrame:
    repeated = F.lit(False)
    if known is not None:
        held = known.select(
            *[named(name).alias(f"__held_{i}") for i, name in enumerate(known.columns)]
        )
        same = F.lit(True)
        for position, name in enumerate(known.columns):
            theirs, ours = F.col(f"__held_{position}"), F.col(_clear(name))
            equal = ours == theirs if name in contract.key else ours.eqNullSafe(theirs)
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


def _measures(contract: Contract, origin: Origin) -> list[Column]:
    mask, mark = F.col("__mask"), _micros(F.col(WATERMARK))
    was_read = mark <= F.lit(_micros_of(origin.read_at))
    if origin.read_until is not None:
        by_day = _marks_days(contract)
        # Of a day, an earlier batch may have seen a part.
        past = origin.read_until - timedelta(days=1) if by_day else origin.read_until
        unread = (mark > F.lit(_micros_of(past))) & was_read
        mask = F.when(F.coalesce(unread, F.lit(False)), mask)
    there = (F.col(KIND) == REPEATED) | ((F.col(KIND) == EVENT) & (F.col(OPERATION) == UPSERT))
    told = contract.generated("fingerprint")
    digest = F.lit(0) if told is None else digest_of(F.col(_clear(told.name)))
    accepted = (F.col(KIND) != REFUSED) & (mark <= F.lit(_micros_of(origin.watermark_limit)))
    return [
        *counts(contract, mask, F.col("__unfit_columns")),
        *[F.count_if(F.col(KIND) == kind).alias(f"kind_{kind}") for kind in KINDS],
        F.max(F.when(accepted, mark)).alias(WATERMARK),
        F.max(F.when(was_read, mark)).alias(JUDGED_UNTIL),
        F.count_if(there).alias(THERE),
        F.coalesce(F.sum(F.when(there, digest)), F.lit(0)).alias(THERE_DIGEST),
    ]


def _marks_days(contract: Contract) -> bool:
    kinds = {column.name: column.type for column in contract.source.columns}
    return any(kinds[name] == "date" for name in contract.source.watermark)


def _micros(mark: Column) -> Column:
    """Microseconds since 1970: of a moment that Python has no value for too."""
    return F.unix_micros(mark.cast("timestamp"))


def _micros_of(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _staged_kinds(origin: Origin) -> tuple[str, ...]:
    return (EVENT, REFUSED, IGNORED, REPEATED) if origin.sees else (EVENT, REFUSED)


def _chosen(kept: DataFrame, contract: Contract, keys: ProtectionKeys, origin: Origin) -> DataFrame:
    """The stage's columns, target columns still in the clear; a seen row keeps its key only."""
    refused = F.col(KIND) == REFUSED
    said = F.col(KIND).isin(EVENT, REFUSED)
    sees = origin.sees
    columns = []
    for field in event_schema(contract).fields:
        value = F.col(_clear(field.name))
        whole = not sees or field.name in contract.key
        columns.append((value if whole else F.when(said, value)).alias(field.name))
    row = source_row(contract, keys, table=origin.target, refused=refused, unfit=named(UNFIT))
    return kept.select(
        *columns,
        F.col(OPERATION),
        (F.when(F.col(KIND) == REPEATED, SEEN).otherwise(F.col(KIND))).alias(KIND),
        F.when(refused, F.col("__mask")).alias(FAILED),
        F.when(refused, F.col("__unfit_columns")).alias(UNFIT_COLUMNS),
        row.alias(SOURCE_ROW),
        F.col(DIGEST),
        *[F.col(set_digest(position)) for position, _ in enumerate(set_checks(contract))],
    )


def compared_when_known(contract: Contract, fingerprinted: tuple[str, ...]) -> tuple[str, ...]:
    """The target columns in which a full load's row has to equal an open version to be skipped.

    `fingerprinted` are the tracked columns that the fingerprint is made of. Empty where the target
    columns can't be compared before protection, or where nothing says they differ.
    """
    told = contract.generated("fingerprint")
    filled = {
        column.name
        for column in contract.columns
        if column.transformation.name in FILLED_BY_HISTORY
        or TRANSFORMATIONS[column.transformation.name].generated
    }
    rest = [column for column in contract.columns if column.name not in {*filled, *fingerprinted}]
    order = contract.generated("sequence")
    if told is None or order is None or any(each.protection for each in rest):
        return ()
    return (*[each.name for each in rest], order.name, told.name)


def _clear(name: str) -> str:
    """Where a target column's clear value waits beside the source columns."""
    return f"__clear_{name.replace('.', '_').replace('`', '_')}"
