"""From source rows to the rows of the stage, in one pass: judged, mapped, fingerprinted, protected.

Promise: what leaves here is protected, and every source row is counted once, whatever becomes of
it. The pass holds no action; the write that runs it brings the counts along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from contracts.keys import ProtectionKeys
from contracts.model import Absence, Check, Contract
from contracts.rules import RULES, Scope
from contracts.schema import FILLED_BY_HISTORY, event_schema
from contracts.transformations import TRANSFORMATIONS
from history.columns import as_json, named
from history.events import DELETE, UPSERT
from tasks.transforms.checks import (
    counts,
    failed_checks,
    refusing,
    row_score,
    with_references,
)
from tasks.transforms.fingerprint import Fingerprint, fingerprints
from tasks.transforms.mapping import mapped, sequence, watermark
from tasks.transforms.protection import protected, source_row
from tasks.transforms.row_filter import meets

KIND = "_kind"
EVENT, SEEN, REFUSED = "event", "seen", "refused"
IGNORED, REPEATED = "ignored", "repeated"
"""What became of a row. Ignored and repeated rows are counted and not staged; where a full load
closes what is absent, their keys are staged as `seen`."""
KINDS = (EVENT, REFUSED, IGNORED, REPEATED)

OPERATION, FAILED, SOURCE_ROW, DIGEST = "_op", "_failed", "_source_row", "_digest"
WATERMARK = "watermark"
_DOMAIN = "strandline refused row 1\n"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the columns that come from the run, and not from the row, are filled with.

    `target` is what tokens and pseudonyms are bound to. Rows whose watermark is at or before
    `read_until` were read and judged by an earlier batch: they are judged, but not counted, again.
    `fingerprinted` are the tracked columns that the fingerprint is made of; None: all of them.
    """

    batch_id: str
    taken_at: datetime
    target: str
    read_until: datetime | None = None
    fingerprinted: tuple[str, ...] | None = None


def set_checks(contract: Contract) -> tuple[Check, ...]:
    """The checks that need the whole batch, in the order of the contract."""
    return tuple(check for check in contract.checks if RULES[check.rule].scope is Scope.SET)


def set_digest(position: int) -> str:
    """The staged column that tells rows apart for the set check of that position."""
    return f"_set_{position}"


def own_columns(contract: Contract) -> tuple[str, ...]:
    """The stage's columns that say something of the row and are none of the target's."""
    digests = [set_digest(position) for position, _ in enumerate(set_checks(contract))]
    return (OPERATION, KIND, FAILED, SOURCE_ROW, DIGEST, *digests)


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
        rows: The source rows, columns as the contract names them.
        contract: What the table promises.
        keys: The keys of this table.
        origin: The run's own values.
        references: The relations that checks refer to, by name.
        known: Open versions of the target (key, sequence, fingerprint and overwritten columns);
            a row that says the same is not staged. None: all rows are staged.
        observation: Gets, over all rows: per-check counts, `kind_<kind>`, and the greatest
            `watermark`.

    Returns:
        The event columns in stored types, `_op`, `_kind`, and for refused rows `_failed` (the bit
        mask of `checks.row_checks`), `_source_row` (sensitive values encrypted) and `_digest`.
    """
    judged = _judged(with_references(rows, contract, references), contract, origin)
    shaped = _fingerprinted(_mapped(judged, contract, origin), contract, keys, origin)
    sorted_out = _sorted_out(shaped, contract, known)
    measured = sorted_out.observe(observation, *_measures(contract, origin))
    kept = measured.where(F.col(KIND).isin(*_staged_kinds(contract)))
    return protected(_chosen(kept, contract, keys, origin), contract, keys, table=origin.target)


def _judged(rows: DataFrame, contract: Contract, origin: Origin) -> DataFrame:
    ignore = contract.source.ignore
    silent = meets(ignore) if ignore else F.lit(False)
    with_mask = rows.withColumns(
        {
            "__ignored": silent,
            "__mask": failed_checks(contract, as_of=origin.taken_at, ignored=silent),
        }
    )
    return with_mask.withColumn("__refused", refusing(contract, F.col("__mask")))


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
    refused = F.when(F.col("__refused"), F.concat(F.lit(_DOMAIN), row))
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
    mask = F.col("__mask")
    if origin.read_until is not None:
        unread = F.col(WATERMARK) > F.lit(origin.read_until)
        mask = F.when(F.coalesce(unread, F.lit(True)), mask)
    return [
        *counts(contract, mask),
        *[F.count_if(F.col(KIND) == kind).alias(f"kind_{kind}") for kind in KINDS],
        F.max(WATERMARK).alias(WATERMARK),
    ]


def _staged_kinds(contract: Contract) -> tuple[str, ...]:
    if contract.history.absent is Absence.CLOSE:
        return (EVENT, REFUSED, IGNORED, REPEATED)
    return (EVENT, REFUSED)


def _chosen(kept: DataFrame, contract: Contract, keys: ProtectionKeys, origin: Origin) -> DataFrame:
    """The stage's columns, target columns still in the clear; a seen row keeps its key only."""
    refused = F.col(KIND) == REFUSED
    said = F.col(KIND).isin(EVENT, REFUSED)
    sees = contract.history.absent is Absence.CLOSE
    columns = []
    for field in event_schema(contract).fields:
        value = F.col(_clear(field.name))
        whole = not sees or field.name in contract.key
        columns.append((value if whole else F.when(said, value)).alias(field.name))
    row = source_row(contract, keys, table=origin.target, refused=refused)
    return kept.select(
        *columns,
        F.col(OPERATION),
        (F.when(said, F.col(KIND)).otherwise(SEEN) if sees else F.col(KIND)).alias(KIND),
        F.when(refused, F.col("__mask")).alias(FAILED),
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
