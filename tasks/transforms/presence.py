"""The checks that every contract has without saying so: a row must be placeable and storable.

Promise: a row that passes them has a key, a sequence, a value in every column that must have one,
and no value that was lost because it did not fit the target's type.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_

from pyspark.sql import Column

from contracts.model import Check, Contract, Severity
from contracts.model import Column as TargetColumn
from contracts.transformations import TRANSFORMATIONS
from history.columns import named
from tasks.transforms.mapping import mapped_column, sequence
from tasks.transforms.typed_values import always_fits

KEY_PRESENT = "key_present"
SEQUENCE_PRESENT = "sequence_present"
VALUE_PRESENT = "value_present"
VALUE_FITS = "value_fits"

_NEVER_NULL = frozenset({"trim_or_default", "default_if_null", "decode", "literal"})
_NULL_AS_SOURCE = frozenset({"direct", "upper_trim"})
_GIVES_TEXT = frozenset({"upper_trim", "trim_or_default"})
_KEEPS_VALUES = frozenset(
    {"direct", "upper_trim", "trim_or_default", "default_if_null", "first_present"}
)


def implicit_checks(contract: Contract) -> tuple[Check, ...]:
    """The implicit checks, in this order; all of them refuse.

    `key_present`, one per key column, about its mapped value. `sequence_present`. `value_present`
    for each other column that is not nullable and could become null, unless a refusing `required`
    on its source column says the same. `value_fits` for each column whose source value might not
    fit its type.
    """
    return tuple(check for check, _ in _judged(contract))


def implicit_failures(contract: Contract, *, ignored: Column) -> tuple[Column, ...]:
    """Whether the source row fails each implicit check: true or false, never null.

    A row that is `ignored` says nothing, so it needs no sequence.
    """
    return tuple(
        sequence(contract).isNull() & ~ignored
        if column is None
        else _fails(contract, check, column)
        for check, column in _judged(contract)
    )


def _fails(contract: Contract, check: Check, column: TargetColumn) -> Column:
    missing = mapped_column(contract, column).isNull()
    if check.id != VALUE_FITS:
        return missing
    # Not a coalesce, which would cast the sources to one type and raise where one does not fit.
    return missing & reduce(or_, [named(name).isNotNull() for name in column.sources])


def _judged(contract: Contract) -> Iterator[tuple[Check, TargetColumn | None]]:
    key = [contract.column(name) for name in contract.key]
    mapped = [
        column
        for column in contract.columns
        if not TRANSFORMATIONS[column.transformation.name].generated
    ]
    for column in key:
        yield _check(KEY_PRESENT, column.sources), column
    yield _check(SEQUENCE_PRESENT, contract.source.sequence), None
    for column in mapped:
        if column not in key and _may_lack(contract, column):
            yield _check(VALUE_PRESENT, column.sources), column
    for column in mapped:
        if _may_not_fit(contract, column):
            yield _check(VALUE_FITS, column.sources), column


def _check(name: str, columns: tuple[str, ...]) -> Check:
    return Check(id=name, rule="required", columns=columns, dimension="completeness")


def _may_lack(contract: Contract, column: TargetColumn) -> bool:
    name = column.transformation.name
    if column.nullable or name in _NEVER_NULL:
        return False
    demanded = any(
        check.rule == "required"
        and check.columns == column.sources
        and check.severity is Severity.REFUSE
        for check in contract.checks
    )
    return not (demanded and name in _NULL_AS_SOURCE)


def _may_not_fit(contract: Contract, column: TargetColumn) -> bool:
    if column.transformation.name not in _KEEPS_VALUES:
        return False
    kinds = {each.name: each.type for each in contract.source.columns}
    from_text = column.transformation.name in _GIVES_TEXT
    return not all(
        always_fits("string" if from_text else kinds[name], column.type) for name in column.sources
    )
