"""The row checks of a contract as one bit mask per row, and what follows from it.

Promise: the mask is never null, and a null value fails only the checks that require presence. Bit
i is set when `RowChecks.checks[i]` failed. Counts over all rows come out of the write that
carries the mask (`pyspark.sql.Observation`), so checking needs no job of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model import Check, Contract, Severity
from contracts.model.check_registry import RULES, Scope
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.implicit_checks import (
    VALUE_FITS,
    Circumstances,
    Condition,
    implicit_checks,
    is_carried,
)
from tasks.transforms.checks.quality_score import Finding
from tasks.transforms.checks.rule_expressions import Subject, broken

MOST_CHECKS = 63
"""The bits of a bigint that can be set without changing its sign."""

_ALWAYS_CARRIED = frozenset({"string", "boolean", "binary"})

REASONS_TYPE = "array<struct<check:string,column:string>>"


@dataclass(frozen=True, slots=True)
class Reference:
    """A check against another relation: which bit it is, and what is compared with what."""

    position: int
    check: str
    relation: str
    column: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class RowChecks:
    """The row and reference checks of a contract, compiled, in the order of their bits.

    Attributes:
        contract: Its name, for errors.
        checks: First the implicit ones (`tasks.transforms.checks.implicit_checks`), then the
            contract's own as declared.
        conditions: Whether a row fails each of them.
        references: Those that compare with another relation.
        may_be_unfit: Source columns, by position, whose values may fail to be carried.
    """

    contract: str
    checks: tuple[Check, ...]
    conditions: tuple[Condition, ...]
    references: tuple[Reference, ...]
    may_be_unfit: Mapping[int, str]


def compile_row_checks(contract: Contract) -> RowChecks:
    """The checks of one row that a contract declares, or implies by what it promises.

    Raises:
        ContractError: There are more than 63.
    """
    kinds = {column.name: column.type for column in contract.source.columns}
    implicit = tuple(implicit_checks(contract))
    declared = tuple(check for check in contract.checks if RULES[check.rule].scope is not Scope.SET)
    checks = (*(check for check, _ in implicit), *declared)
    if len(checks) > MOST_CHECKS:
        raise ContractError(
            where=f"contract {contract.name}",
            expected=f"at most {MOST_CHECKS} row and reference checks, implicit ones included",
            found=f"{len(checks)}",
            next_step="Split the contract, or state several conditions in one check.",
        )
    own = enumerate(declared, start=len(implicit))
    return RowChecks(
        contract=contract.name,
        checks=checks,
        conditions=(
            *(condition for _, condition in implicit),
            *(_declared(check, kinds, position) for position, check in own),
        ),
        references=tuple(
            _reference(position, check, kinds)
            for position, check in enumerate(checks)
            if RULES[check.rule].scope is Scope.REFERENCE
        ),
        may_be_unfit={
            position: column.name
            for position, column in enumerate(contract.source.columns)
            if column.type not in _ALWAYS_CARRIED
        },
    )


def _declared(check: Check, kinds: Mapping[str, str], position: int) -> Condition:
    def fails(circumstances: Circumstances) -> Column:
        return broken(check, Subject(kinds, circumstances.as_of, reference_mark(position)))

    return fails


def _reference(position: int, check: Check, kinds: Mapping[str, str]) -> Reference:
    (name,) = check.columns
    return Reference(
        position=position,
        check=check.id,
        relation=str(check.arguments["relation"]),
        column=str(check.arguments["column"]),
        source=name,
        kind=kinds[name],
    )


def failed_checks(
    checks: RowChecks,
    *,
    as_of: datetime,
    ignored: Column,
    duplicate: Column | None = None,
    unfit: Column | None = None,
) -> Column:
    """The bit mask of the checks that a source row failed, BIGINT, never null.

    An expression over source columns and the marks of `with_references`. Make it a column before
    `refusing`, `reasons` and the like mention it once per check.

    Args:
        checks: The checks.
        as_of: The instant of the read; timezone-aware.
        ignored: Whether the row is ignored: then it needs no sequence or watermark either.
        duplicate: Whether another row has its key; None: none has.
        unfit: Whether a value could not be carried from the source; None: all could.
    """
    never = F.lit(False)
    circumstances = Circumstances(
        as_of, ignored, never if duplicate is None else duplicate, never if unfit is None else unfit
    )
    none = F.lit(0).cast("bigint")
    bits = [
        F.when(fails(circumstances), F.lit(1 << position).cast("bigint")).otherwise(none)
        for position, fails in enumerate(checks.conditions)
    ]
    return reduce(lambda mask, bit: mask.bitwiseOR(bit), bits, none)


def reference_mark(position: int) -> str:
    """The column of `with_references` with whether a row's reference exists."""
    return f"__known_{position}"


def with_references(
    frame: DataFrame, checks: RowChecks, references: Mapping[str, DataFrame]
) -> DataFrame:
    """The source rows, each once, with a boolean `__known_<i>` per reference check.

    `references` are the referenced relations by the name that the checks give them. Their distinct
    values are broadcast. A null counts as missing; `failed_checks` lets it pass.

    Raises:
        ContractError: A relation that a check names is not among them.
    """
    for each in checks.references:
        if each.relation not in references:
            raise ContractError(
                where=f"check {each.check} of contract {checks.contract}",
                expected=f"the relation {each.relation} to compare with",
                found=f"only {', '.join(sorted(references)) or 'none'}",
                next_step="Name a relation that the source connection can read.",
            )
        value_column = f"__value_{each.position}"
        value = named(each.column).try_cast(each.kind)
        values = (
            references[each.relation]
            .select(value.alias(value_column))
            .where(named(value_column).isNotNull())
        )
        joined = frame.join(
            F.broadcast(values.distinct()), named(each.source) == named(value_column), "left"
        )
        exists = named(value_column).isNotNull()
        frame = joined.withColumn(reference_mark(each.position), exists).drop(value_column)
    return frame


def refusing(checks: RowChecks, mask: Column) -> Column:
    """Whether a check of severity REFUSE failed; never null for a mask that isn't."""
    bits = sum(1 << position for position, check in enumerate(checks.checks) if _refuses(check))
    return mask.bitwiseAND(F.lit(bits).cast("bigint")) != 0


def reasons(checks: RowChecks, mask: Column, unfit: Column | None = None) -> Column:
    """The failed checks as `array<struct<check:string,column:string>>`, refusing ones first.

    `column` is the check's source columns, joined by a comma and a space. Empty for a good row.
    `unfit` are the names of the source columns whose values could not be carried, or null: each
    is a reason of its own.
    """
    by_position = [pair for pair in enumerate(checks.checks) if not is_carried(pair[1])]
    ordered = sorted(by_position, key=lambda pair: not _refuses(pair[1]))
    each = [
        F.when(
            _failed(mask, position),
            F.struct(
                F.lit(check.id).alias("check"), F.lit(", ".join(check.columns)).alias("column")
            ),
        )
        for position, check in ordered
    ]
    failed = F.filter(F.array(*each), lambda reason: reason.isNotNull()).cast(REASONS_TYPE)
    if unfit is None:
        return failed
    lost = F.transform(
        unfit, lambda name: F.struct(F.lit(VALUE_FITS).alias("check"), name.alias("column"))
    )
    return F.concat(F.coalesce(lost.cast(REASONS_TYPE), F.array().cast(REASONS_TYPE)), failed)


def row_score(checks: RowChecks, mask: Column) -> Column:
    """The weighted share of its checks that the row passed, DECIMAL(5,2), 0 to 1 (spec 6.1)."""
    total = sum((_weight(check) for check in checks.checks), Decimal(0))
    if not total:
        return F.lit(Decimal(1)).cast("decimal(5,2)")
    lost = F.lit(Decimal(0))
    for position, check in enumerate(checks.checks):
        share = F.lit(_weight(check) / total).cast("decimal(20,18)")
        lost = lost + F.when(_failed(mask, position), share).otherwise(F.lit(Decimal(0)))
    return F.round(F.greatest(F.lit(1) - lost, F.lit(Decimal(0))), 2).cast("decimal(5,2)")


def counts(checks: RowChecks, mask: Column, unfit: Column | None = None) -> list[Column]:
    """Aggregates for an Observation: `rows`, `failed_<i>` per check, `unfit_<i>` per column.

    Rows whose mask is null are not counted: null it for rows that shall not count. `unfit` are
    the names of the source columns whose values could not be carried, or null.
    """
    failed = [
        F.count_if(_failed(mask, position)).alias(f"failed_{position}")
        for position, _ in enumerate(checks.checks)
    ]
    lost = [
        F.bool_or(mask.isNotNull() & F.array_contains(unfit, name)).alias(f"unfit_{position}")
        for position, name in checks.may_be_unfit.items()
        if unfit is not None
    ]
    return [F.count(mask).alias("rows"), *failed, *lost]


def findings(checks: RowChecks, observed: Mapping[str, int]) -> tuple[Finding, ...]:
    """The finding of each check from the observed counts, in the order of the bits.

    A refusing check without weight counts the rows that fail it, and none that pass.
    """
    rows = observed["rows"]
    return tuple(
        Finding(
            check=check.id,
            columns=_unfit_columns(checks, observed) if is_carried(check) else check.columns,
            severity=check.severity.value,
            failed=observed[f"failed_{position}"],
            evaluated=observed[f"failed_{position}"] if _counts_failures(check) else rows,
            weight=1.0 if _counts_failures(check) else check.weight,
        )
        for position, check in enumerate(checks.checks)
    )


def repeats(digest: Column) -> Column:
    """Over all rows, how many repeat another in what the digest stands for (rule `unique`).

    Args:
        digest: Equal where the rows are, and null where a row repeats nothing.

    Returns:
        A struct of `rows`, those with a digest, and of `surplus`, those beyond the first of a kind.
    """
    rows = F.count(digest)
    return F.struct(rows.alias("rows"), (rows - F.count_distinct(digest)).alias("surplus"))


def _unfit_columns(checks: RowChecks, observed: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        name for position, name in checks.may_be_unfit.items() if observed.get(f"unfit_{position}")
    )


def _refuses(check: Check) -> bool:
    return check.severity is Severity.REFUSE


def _counts_failures(check: Check) -> bool:
    return _refuses(check) and not check.weight


def _failed(mask: Column, position: int) -> Column:
    return mask.bitwiseAND(F.lit(1 << position).cast("bigint")) != 0


def _weight(check: Check) -> Decimal:
    return Decimal(str(check.weight))
