"""The checks that every contract has without naming them: a key, a sequence, values that fit.

Promise: a row that passes them has a key, a sequence where it needs one, a value in every column
that must have one, and no value that was lost because it did not fit a type on its way. Of a
state, it is the only row of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import (
    AnomalySettings,
    Check,
    Comparison,
    Contract,
    Threshold,
    Unit,
)
from contracts.model import Column as TargetColumn
from contracts.model.database_type_names import is_temporal
from contracts.model.transformation_registry import TRANSFORMATIONS
from history.planning.event_validation import KEY_PRESENT, ONE_ROW_A_KEY, SEQUENCE_PRESENT
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.anomalies.feature_selection import select_features
from tasks.transforms.mapping.column_mapping import mapped_column, sequence, watermark
from tasks.transforms.mapping.typed_literals import always_fits

WATERMARK_PRESENT = "watermark_present"
PARTITION_PRESENT = "partition_present"
VALUE_PRESENT = "value_present"
VALUE_FITS = "value_fits"
STAMP_NOT_AHEAD = "stamp_not_ahead"
CRITICAL_NULLS = "critical_nulls"
UNUSUAL_ROW, ANOMALY = "unusual_row", "anomaly"
"""The check of unusual rows, and its rule."""

IMPLICIT = frozenset(
    {
        KEY_PRESENT, SEQUENCE_PRESENT, ONE_ROW_A_KEY, WATERMARK_PRESENT, PARTITION_PRESENT,
        VALUE_PRESENT, VALUE_FITS, STAMP_NOT_AHEAD, CRITICAL_NULLS, UNUSUAL_ROW,
    }
)  # fmt: skip
"""The ids of all of them."""

STAMP_TOLERANCE = timedelta(minutes=1)
"""How far a stamp may lie after the read: clocks of one database's writers differ."""

_NEVER_NULL = frozenset({"trim_or_default", "default_if_null", "decode", "literal"})
_NULL_AS_SOURCE = frozenset({"direct", "upper_trim"})
_GIVES_TEXT = frozenset({"upper_trim", "trim_or_default"})
_KEEPS_VALUES = frozenset(
    {"direct", "upper_trim", "trim_or_default", "default_if_null", "first_present"}
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a check uses beside the values of a row.

    Attributes:
        as_of: The instant of the read, by the source's clock; timezone-aware.
        ignored: Whether the contract ignores the row.
        duplicate: Whether another row of the read has its key; never null.
        unfit: Whether a value of it could not be carried from the source; never null.
        unusual: Whether it is unlike the batch's other rows; never null.
    """

    as_of: datetime
    ignored: Column
    duplicate: Column
    unfit: Column
    unusual: Column


Condition = Callable[[Circumstances], Column]
"""Whether a row fails a check: true or false, never null."""


def implicit_checks(contract: Contract) -> Iterator[tuple[Check, Condition]]:
    """The implicit checks, in this order, with their conditions.

    All refuse their rows but the last three, which say themselves what they do.


    `key_present`, one per key column, about its mapped value. `sequence_present`, where a row
    needs one. `watermark_present` and `partition_present`, where the contract promises them.
    `one_row_a_key`, of a state. `value_present` for each other column that is not nullable and
    could become null, unless a refusing `required` on its source column checks the same.
    `value_fits` for each column whose source value might not fit its type, and one, without
    columns, for values that no type of the contract could carry here. `stamp_not_ahead`, where
    the sequence is a point in time: as the contract's `future_stamps` says. `critical_nulls` of
    each critical column, about its mapped value: the share of nulls in the batch has a limit.
    `unusual_row`, where the contract asks for anomalies: as it says.
    """
    key = [contract.column(name) for name in contract.key]
    for column in key:
        yield _check(KEY_PRESENT, column.sources), _is_null(contract, column)
    yield from _position_checks(contract)
    mapped = [
        column
        for column in contract.columns
        if not TRANSFORMATIONS[column.transformation.name].generated
    ]
    yield from _value_checks(contract, mapped)
    yield _check(VALUE_FITS, ()), lambda row: row.unfit
    if _has_stamp(contract):
        yield _stamp_check(contract), _is_ahead(contract)
    for column in mapped:
        if column.critical:
            yield _critical_check(contract, column), _is_null(contract, column)
    settings = contract.quality.anomalies
    if settings is not None:
        yield _anomaly_check(contract, settings), lambda row: row.unusual


def _value_checks(
    contract: Contract, mapped: list[TargetColumn]
) -> Iterator[tuple[Check, Condition]]:
    """That a column that must have a value has one, and that none was lost on its way."""
    for column in mapped:
        if column.name not in contract.key and _may_be_null(contract, column):
            yield _check(VALUE_PRESENT, column.sources), _is_null(contract, column)
    for column in mapped:
        if _may_not_fit(contract, column):
            yield _check(VALUE_FITS, column.sources), _loses_value(contract, column)


def is_carried(check: Check) -> bool:
    """Whether it is the check of values that could not be carried, whatever their columns."""
    return check.id == VALUE_FITS and not check.columns


def _position_checks(contract: Contract) -> Iterator[tuple[Check, Condition]]:
    """The checks of a row's sequence, watermark and partition, and that its key is not repeated.

    An ignored row needs none of them.
    """
    source = contract.source
    if _needs_sequence(contract):
        absent = sequence(contract).isNull()
        yield _check(SEQUENCE_PRESENT, source.sequence), lambda row: absent & ~row.ignored
    if source.watermark and source.refuses_null_watermark and _needs_watermark(contract):
        no_watermark = watermark(contract).isNull()
        yield _check(WATERMARK_PRESENT, source.watermark), lambda row: no_watermark & ~row.ignored
    part = source.partition_column
    if part is not None and _promises(contract, part):
        no_partition = named(part).isNull()
        yield _check(PARTITION_PRESENT, (part,)), lambda row: no_partition & ~row.ignored
    if source.is_state:
        sources = [name for each in contract.key for name in contract.column(each).sources]
        yield _check(ONE_ROW_A_KEY, tuple(dict.fromkeys(sources))), lambda row: row.duplicate


def _is_null(contract: Contract, column: TargetColumn) -> Condition:
    is_null = mapped_column(contract, column).isNull()
    return lambda _row: is_null


def _loses_value(contract: Contract, column: TargetColumn) -> Condition:
    # Not a coalesce, which would cast the sources to one type and raise where one does not fit.
    present = reduce(or_, [named(name).isNotNull() for name in column.sources])
    loses = mapped_column(contract, column).isNull() & present
    return lambda _row: loses


def _is_ahead(contract: Contract) -> Condition:
    stamp = sequence(contract).cast("timestamp")

    def fails(row: Circumstances) -> Column:
        latest = F.lit(row.as_of + STAMP_TOLERANCE).cast("timestamp")
        return F.coalesce(stamp > latest, F.lit(False)) & ~row.ignored

    return fails


def _needs_sequence(contract: Contract) -> bool:
    """A change can't be ordered without it; a state row is valid from the read, if allowed."""
    source, column = contract.source, contract.generated("sequence")
    if not source.sequence:
        return False
    required = column is not None and not column.nullable
    return not source.is_state or source.refuses_null_watermark or required


def _needs_watermark(contract: Contract) -> bool:
    same = {*contract.source.watermark} == {*contract.source.sequence}
    return not (same and _needs_sequence(contract))


def _promises(contract: Contract, name: str) -> bool:
    """Whether the contract promises no nulls in the column, and no other check refuses them."""
    source = contract.source
    required = any(each.name == name and not each.nullable for each in source.columns)
    return required and not _is_required(contract, (name,)) and name not in _direct_key(contract)


def _direct_key(contract: Contract) -> set[str]:
    key = [contract.column(name) for name in contract.key]
    return {name for each in key if each.transformation.name == "direct" for name in each.sources}


def _has_stamp(contract: Contract) -> bool:
    kinds = {each.name: each.type for each in contract.source.columns}
    stamps = contract.source.sequence
    return bool(stamps) and all(is_temporal(kinds[name]) for name in stamps)


def _stamp_check(contract: Contract) -> Check:
    return Check(
        id=STAMP_NOT_AHEAD,
        rule="not_in_future",
        columns=contract.source.sequence,
        severity=contract.source.future_stamps,
        weight=0.0,
        dimension="timeliness",
    )


def _anomaly_check(contract: Contract, settings: AnomalySettings) -> Check:
    features = select_features(contract)
    return Check(
        id=UNUSUAL_ROW,
        rule=ANOMALY,
        columns=tuple(dict.fromkeys(name for each in features for name in each.columns)),
        severity=settings.severity,
        weight=settings.weight,
        dimension="accuracy",
    )


def _critical_check(contract: Contract, column: TargetColumn) -> Check:
    limit = contract.quality.critical_null_percent
    return Check(
        id=CRITICAL_NULLS,
        rule="required",
        columns=(column.name,),
        dimension="completeness",
        about_target=True,
        threshold=Threshold(Comparison.LESS_OR_EQUAL, (limit,), Unit.PERCENT),
    )


def _check(name: str, columns: tuple[str, ...]) -> Check:
    return Check(id=name, rule="required", columns=columns, dimension="completeness")


def _may_be_null(contract: Contract, column: TargetColumn) -> bool:
    name = column.transformation.name
    if column.nullable or name in _NEVER_NULL:
        return False
    return not (_is_required(contract, column.sources) and name in _NULL_AS_SOURCE)


def _is_required(contract: Contract, sources: tuple[str, ...]) -> bool:
    return any(
        check.rule == "required" and check.columns == sources and check.refuses_rows
        for check in contract.checks
    )


def _may_not_fit(contract: Contract, column: TargetColumn) -> bool:
    if column.transformation.name not in _KEEPS_VALUES:
        return False
    kinds = {each.name: each.type for each in contract.source.columns}
    from_text = column.transformation.name in _GIVES_TEXT
    return not all(
        always_fits("string" if from_text else kinds[name], column.type) for name in column.sources
    )
