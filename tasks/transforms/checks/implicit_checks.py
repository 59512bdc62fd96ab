"""The checks that every contract has without saying so: a row must be placeable and storable.

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

from contracts.model import Check, Contract, Severity
from contracts.model import Column as TargetColumn
from contracts.model.database_type_names import is_temporal
from contracts.model.transformation_registry import TRANSFORMATIONS
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.mapping.column_mapping import mapped_column, sequence, watermark
from tasks.transforms.mapping.typed_literals import always_fits

KEY_PRESENT = "key_present"
SEQUENCE_PRESENT = "sequence_present"
WATERMARK_PRESENT = "watermark_present"
PARTITION_PRESENT = "partition_present"
ONE_ROW_A_KEY = "one_row_a_key"
VALUE_PRESENT = "value_present"
VALUE_FITS = "value_fits"
STAMP_NOT_AHEAD = "stamp_not_ahead"

STAMP_TOLERANCE = timedelta(minutes=1)
"""So far may a stamp lie after the read: clocks of one database's writers differ."""

_NEVER_NULL = frozenset({"trim_or_default", "default_if_null", "decode", "literal"})
_NULL_AS_SOURCE = frozenset({"direct", "upper_trim"})
_GIVES_TEXT = frozenset({"upper_trim", "trim_or_default"})
_KEEPS_VALUES = frozenset(
    {"direct", "upper_trim", "trim_or_default", "default_if_null", "first_present"}
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a row beside its values.

    Attributes:
        as_of: The instant of the read, by the source's clock; timezone-aware.
        ignored: Whether the row says nothing.
        twin: Whether another row of the read has its key; never null.
        unfit: Whether a value of it could not be carried from the source; never null.
    """

    as_of: datetime
    ignored: Column
    twin: Column
    unfit: Column


Condition = Callable[[Circumstances], Column]
"""Whether a row fails a check: true or false, never null."""


def implicit_checks(contract: Contract) -> Iterator[tuple[Check, Condition]]:
    """The implicit checks, in this order, with their conditions; all but the last refuse.

    `key_present`, one per key column, about its mapped value. `sequence_present`, where a row
    needs one. `watermark_present` and `partition_present`, where the contract promises them.
    `one_row_a_key`, of a state. `value_present` for each other column that is not nullable and
    could become null, unless a refusing `required` on its source column says the same.
    `value_fits` for each column whose source value might not fit its type, and one, without
    columns, for values that no type of the contract could carry here. `stamp_not_ahead`, where
    the sequence is a point in time: as the contract's `future_stamps` says.
    """
    key = [contract.column(name) for name in contract.key]
    for column in key:
        yield _check(KEY_PRESENT, column.sources), _lacks(contract, column)
    yield from _placed(contract)
    mapped = [
        column
        for column in contract.columns
        if not TRANSFORMATIONS[column.transformation.name].generated
    ]
    for column in mapped:
        if column not in key and _may_lack(contract, column):
            yield _check(VALUE_PRESENT, column.sources), _lacks(contract, column)
    for column in mapped:
        if _may_not_fit(contract, column):
            yield _check(VALUE_FITS, column.sources), _loses(contract, column)
    yield _rare(VALUE_FITS, ()), lambda about: about.unfit
    if _has_stamp(contract):
        yield _stamp_check(contract), _is_ahead(contract)


def is_carried(check: Check) -> bool:
    """Whether it is the check of values that could not be carried, whatever their columns."""
    return check.id == VALUE_FITS and not check.columns


def _placed(contract: Contract) -> Iterator[tuple[Check, Condition]]:
    """Whether the row has its place: among its key's changes, among what is read next, and alone.

    A row that is ignored says nothing, so it needs none.
    """
    source = contract.source
    if _needs_sequence(contract):
        absent = sequence(contract).isNull()
        yield _check(SEQUENCE_PRESENT, source.sequence), lambda about: absent & ~about.ignored
    if source.watermark and source.refuses_null_watermark and _chooses_apart(contract):
        unmarked = watermark(contract).isNull()
        yield _rare(WATERMARK_PRESENT, source.watermark), lambda about: unmarked & ~about.ignored
    part = source.partition_column
    if part is not None and _promises(contract, part):
        nowhere = named(part).isNull()
        yield _rare(PARTITION_PRESENT, (part,)), lambda about: nowhere & ~about.ignored
    if source.is_state:
        sources = [name for each in contract.key for name in contract.column(each).sources]
        yield _rare(ONE_ROW_A_KEY, tuple(dict.fromkeys(sources))), lambda about: about.twin


def _lacks(contract: Contract, column: TargetColumn) -> Condition:
    lacks = mapped_column(contract, column).isNull()
    return lambda _about: lacks


def _loses(contract: Contract, column: TargetColumn) -> Condition:
    # Not a coalesce, which would cast the sources to one type and raise where one does not fit.
    present = reduce(or_, [named(name).isNotNull() for name in column.sources])
    loses = mapped_column(contract, column).isNull() & present
    return lambda _about: loses


def _is_ahead(contract: Contract) -> Condition:
    stamp = sequence(contract).cast("timestamp")

    def fails(about: Circumstances) -> Column:
        latest = F.lit(about.as_of + STAMP_TOLERANCE).cast("timestamp")
        return F.coalesce(stamp > latest, F.lit(False)) & ~about.ignored

    return fails


def _needs_sequence(contract: Contract) -> bool:
    """A change is nowhere without it; a row that was read holds from the read, if it may."""
    source, column = contract.source, contract.generated("sequence")
    kept = column is not None and not column.nullable
    return not source.is_state or source.refuses_null_watermark or kept


def _chooses_apart(contract: Contract) -> bool:
    same = {*contract.source.watermark} == {*contract.source.sequence}
    return not (same and _needs_sequence(contract))


def _promises(contract: Contract, name: str) -> bool:
    """The contract says that the source's column has no nulls, and nothing else refuses them."""
    source = contract.source
    required = any(each.name == name and not each.nullable for each in source.columns)
    return required and not _is_demanded(contract, (name,)) and name not in _direct_key(contract)


def _direct_key(contract: Contract) -> set[str]:
    key = [contract.column(name) for name in contract.key]
    return {name for each in key if each.transformation.name == "direct" for name in each.sources}


def _has_stamp(contract: Contract) -> bool:
    kinds = {each.name: each.type for each in contract.source.columns}
    return all(is_temporal(kinds[name]) for name in contract.source.sequence)


def _stamp_check(contract: Contract) -> Check:
    return Check(
        id=STAMP_NOT_AHEAD,
        rule="not_in_future",
        columns=contract.source.sequence,
        severity=contract.source.future_stamps,
        weight=0.0,
        dimension="timeliness",
    )


def _check(name: str, columns: tuple[str, ...]) -> Check:
    return Check(id=name, rule="required", columns=columns, dimension="completeness")


def _rare(name: str, columns: tuple[str, ...]) -> Check:
    """A check without weight: rows that pass it must not make up for those that fail others."""
    return Check(id=name, rule="required", columns=columns, weight=0.0, dimension="completeness")


def _may_lack(contract: Contract, column: TargetColumn) -> bool:
    name = column.transformation.name
    if column.nullable or name in _NEVER_NULL:
        return False
    return not (_is_demanded(contract, column.sources) and name in _NULL_AS_SOURCE)


def _is_demanded(contract: Contract, sources: tuple[str, ...]) -> bool:
    return any(
        check.rule == "required" and check.columns == sources and check.severity is Severity.REFUSE
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
