"""The row checks of a contract as bit masks, and what follows from them.

Promise: a mask is never null, and a null value fails only the checks that require presence. The
bit of a check is set when it failed. Counts over all rows come out of the write that carries the
mask (`pyspark.sql.Observation`), so checking needs no job of its own.

A word holds 62 checks. Two neighbours lie 32 bits apart, so that one sum counts both: the lower
half of the sum is the one, the upper half the other. It is exact for fewer than 2^31 rows, which is
more than a batch is read in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model import Check, Contract
from contracts.model.check_registry import RULES, Scope
from contracts.model.referenced_table import referenced_table
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.implicit_checks import (
    ANOMALY,
    VALUE_FITS,
    Circumstances,
    Condition,
    implicit_checks,
    is_carried,
)
from tasks.transforms.checks.limited_metrics import counted_finding, unevaluated
from tasks.transforms.checks.quality_score import Finding, Judged
from tasks.transforms.checks.rule_expressions import Subject, broken
from tasks.transforms.mapping.column_mapping import mapped_column

WORD = 62
"""The checks of a word: pairs of bits of a bigint, without the bit of its sign."""

_HALF = 32

Mask = tuple[Column, ...]
"""The words of a row's mask, BIGINT each."""

_ALL_AVAILABLE: Mapping[str, str] = MappingProxyType({})

_WHOLE = 1_000_000
"""A weight of 1 in the observed sums: integers, so that their order can't change a sum."""

_ALWAYS_CARRIED = frozenset({"string", "boolean", "binary"})

REASONS_TYPE = "array<struct<check:string,column:string>>"


@dataclass(frozen=True, slots=True)
class Reference:
    """A check against another table: which bit it is, and what is compared with what.

    `table` is the `contracts.model.referenced_table.ReferencedTable` by its key, `may_lack` whether
    it may be missing: a history that was not loaded yet.
    """

    position: int
    check: str
    table: str
    may_lack: bool
    column: str
    value: Column
    kind: str


@dataclass(frozen=True, slots=True)
class RowChecks:
    """The row and reference checks of a contract, compiled, in the order of their bits.

    Attributes:
        contract: Its name, for errors.
        checks: First the implicit ones (`tasks.transforms.checks.implicit_checks`), then the
            contract's own as declared.
        conditions: Whether a row fails each of them.
        refusing: The positions of those that refuse their rows.
        references: Those that compare with another relation.
        may_be_unfit: Source columns, by position, whose values may fail to be carried.
    """

    contract: str
    checks: tuple[Check, ...]
    conditions: tuple[Condition, ...]
    refusing: frozenset[int]
    references: tuple[Reference, ...]
    may_be_unfit: Mapping[int, str]


def compile_row_checks(contract: Contract) -> RowChecks:
    """The checks of one row that a contract declares, or implies by what it promises."""
    implicit = tuple(implicit_checks(contract))
    declared = tuple(
        c for c in contract.checks if RULES[c.rule].scope in (Scope.ROW, Scope.REFERENCE)
    )
    checks = (*(check for check, _ in implicit), *declared)
    own = enumerate(declared, start=len(implicit))
    return RowChecks(
        contract=contract.name,
        checks=checks,
        conditions=(
            *(condition for _, condition in implicit),
            *(_declared(check, contract, position) for position, check in own),
        ),
        refusing=frozenset(i for i, check in enumerate(checks) if check.refuses_rows),
        references=tuple(
            _reference(position, check, contract)
            for position, check in enumerate(declared, start=len(implicit))
            if RULES[check.rule].scope is Scope.REFERENCE
        ),
        may_be_unfit={
            position: column.name
            for position, column in enumerate(contract.source.columns)
            if column.type not in _ALWAYS_CARRIED
        },
    )


def _declared(check: Check, contract: Contract, position: int) -> Condition:
    columns = contract.columns if check.about_target else contract.source.columns
    kinds = {column.name: column.type for column in columns}
    values = {}
    if check.about_target:
        values = {name: mapped_column(contract, contract.column(name)) for name in check.columns}

    def fails(circumstances: Circumstances) -> Column:
        mark = reference_mark(position)
        return broken(check, Subject(kinds, circumstances.as_of, mark, values))

    return fails


def _reference(position: int, check: Check, contract: Contract) -> Reference:
    (name,) = check.columns
    columns = contract.columns if check.about_target else contract.source.columns
    kinds = {column.name: column.type for column in columns}
    is_mapped = check.about_target
    table = referenced_table(check)
    return Reference(
        position=position,
        check=check.id,
        table=table.key,
        may_lack=bool(table.history),
        column=str(check.arguments["column"]),
        value=mapped_column(contract, contract.column(name)) if is_mapped else named(name),
        kind=kinds[name],
    )


def failed_checks(
    checks: RowChecks,
    *,
    as_of: datetime,
    ignored: Column,
    duplicate: Column | None = None,
    unfit: Column | None = None,
    unusual: Column | None = None,
) -> Mask:
    """The mask of the checks that a source row failed: BIGINT words, never null.

    Expressions over source columns and the marks of `with_references`. Make them columns before
    `refusing`, `reasons` and the like mention them once per check.

    Args:
        checks: The checks.
        as_of: The instant of the read; timezone-aware.
        ignored: Whether the row is ignored: then it needs no sequence or watermark either.
        duplicate: Whether another row has its key; None: none has.
        unfit: Whether a value could not be carried from the source; None: all could.
        unusual: Whether the row is unlike the others; None: that was not evaluated.
    """
    never = F.lit(False)
    duplicate, unfit, unusual = (
        never if each is None else each for each in (duplicate, unfit, unusual)
    )
    circumstances = Circumstances(as_of, ignored, duplicate, unfit, unusual)
    none = F.lit(0).cast("bigint")
    bits = [
        F.when(fails(circumstances), F.lit(_bit(position)).cast("bigint")).otherwise(none)
        for position, fails in enumerate(checks.conditions)
    ]
    words = range(0, len(bits), WORD)
    return tuple(
        reduce(lambda mask, bit: mask.bitwiseOR(bit), bits[start : start + WORD]) for start in words
    )


def stored_mask(stored: Column, checks: RowChecks) -> Mask:
    """The words of a mask that was stored as an array."""
    return tuple(stored[word] for word in range(mask_words(checks)))


def mask_words(checks: RowChecks) -> int:
    """How many words a mask has."""
    return -(-len(checks.checks) // WORD)


def reference_mark(position: int) -> str:
    """The column of `with_references` with whether a row's reference exists."""
    return f"__known_{position}"


def with_references(
    frame: DataFrame, checks: RowChecks, references: Mapping[str, DataFrame]
) -> DataFrame:
    """The source rows, each once, with a boolean `__known_<i>` per reference check.

    `references` are the referenced tables by their keys. Their distinct values are broadcast. A
    null counts as missing; `failed_checks` lets it pass. Of a history that is not there nothing is
    known, so that every row passes.

    Raises:
        ContractError: A relation that a check names is not among them.
    """
    for each in checks.references:
        if each.table not in references and each.may_lack:
            frame = frame.withColumn(reference_mark(each.position), F.lit(True))
            continue
        if each.table not in references:
            raise ContractError(
                where=f"check {each.check} of contract {checks.contract}",
                expected=f"the relation {each.table} to compare with",
                found=f"only {', '.join(sorted(references)) or 'none'}",
                next_step="Name a relation that the source connection can read.",
            )
        value_column = f"__value_{each.position}"
        value = named(each.column).try_cast(each.kind)
        values = (
            references[each.table]
            .select(value.alias(value_column))
            .where(named(value_column).isNotNull())
        )
        joined = frame.join(
            F.broadcast(values.distinct()), each.value == named(value_column), "left"
        )
        exists = named(value_column).isNotNull()
        frame = joined.withColumn(reference_mark(each.position), exists).drop(value_column)
    return frame


def refusing(checks: RowChecks, mask: Mask) -> Column:
    """Whether a check failed that refuses its row; never null for a mask that isn't."""
    return _any_of(mask, sorted(checks.refusing))


def reasons(
    checks: RowChecks, mask: Mask, unfit: Column | None = None, feature: Column | None = None
) -> Column:
    """The failed checks as `array<struct<check:string,column:string>>`, refusing ones first.

    `column` is the check's source columns, joined by a comma and a space. Empty for a good row.
    `unfit` are the names of the source columns whose values could not be carried, or null: each
    is a reason of its own. A check with a limit on the whole batch is no reason. `feature` is what
    makes an unusual row unusual; without it the features are named.
    """
    by_position = [
        pair
        for pair in enumerate(checks.checks)
        if not is_carried(pair[1]) and pair[1].threshold is None
    ]
    ordered = sorted(by_position, key=lambda pair: pair[0] not in checks.refusing)
    failed = listed_reasons(
        (_any_of(mask, [position]), check.id, _blamed(check, feature))
        for position, check in ordered
    )
    if unfit is None:
        return failed
    lost = F.transform(
        unfit, lambda name: F.struct(F.lit(VALUE_FITS).alias("check"), name.alias("column"))
    )
    return F.concat(F.coalesce(lost.cast(REASONS_TYPE), F.array().cast(REASONS_TYPE)), failed)


def listed_reasons(cases: Iterable[tuple[Column, str, Column]]) -> Column:
    """`REASONS_TYPE`, of the checks whose conditions hold: condition, id, and what it blames."""
    each = [
        F.when(failed, F.struct(F.lit(check).alias("check"), blamed.alias("column")))
        for failed, check, blamed in cases
    ]
    return F.filter(F.array(*each), lambda reason: reason.isNotNull()).cast(REASONS_TYPE)


def row_score(checks: RowChecks, mask: Mask) -> Column:
    """1 minus the weight of the heaviest check that the row failed, DECIMAL(5,2); 0 if refused."""
    lost = _lost(checks, mask).cast("decimal(10,0)") / F.lit(Decimal(_WHOLE))
    return F.round(F.lit(Decimal(1)) - lost, 2).cast("decimal(5,2)")


def counts(
    checks: RowChecks, mask: Mask, counted: Column | None = None, unfit: Column | None = None
) -> list[Column]:
    """Aggregates for an Observation, over the rows that are counted.

    Args:
        checks: The checks.
        mask: The mask of a row.
        counted: Whether a row is counted, never null; None: each is.
        unfit: The names of the source columns whose values could not be carried, or null.

    Returns:
        `rows`, `refused`, `lost` in millionths, `failed_<i>` for the checks i and i + 1 in its
        lower and upper half, `unfit_<i>` per column.
    """
    counted = F.lit(True) if counted is None else counted
    pairs = range(0, len(checks.checks), 2)
    failed = [
        F.coalesce(F.sum(F.when(counted, _pair(mask, position))), F.lit(0)).alias(
            f"failed_{position}"
        )
        for position in pairs
    ]
    lost = [
        F.bool_or(counted & F.coalesce(F.array_contains(unfit, name), F.lit(False))).alias(
            f"unfit_{position}"
        )
        for position, name in checks.may_be_unfit.items()
        if unfit is not None
    ]
    # Not count_if: Spark 4.1 computes its condition in a projection before the metrics, which makes
    # a second copy of every row.
    return [
        F.count(F.when(counted, 1)).alias("rows"),
        F.count(F.when(counted & refusing(checks, mask), 1)).alias("refused"),
        F.coalesce(F.sum(F.when(counted, _lost(checks, mask))), F.lit(0)).alias("lost"),
        *failed,
        *lost,
    ]


def judged(observed: Mapping[str, int]) -> Judged:
    """The judged rows of the batch from the observed counts."""
    return Judged(observed["rows"], observed["refused"], observed["lost"] / _WHOLE)


def findings(
    checks: RowChecks,
    observed: Mapping[str, int],
    unavailable: Mapping[str, str] = _ALL_AVAILABLE,
    no_model: str = "",
) -> tuple[Finding, ...]:
    """The finding of each check from the observed counts, in the order of the bits.

    `unavailable` says of a referenced table, by its key, why nothing could be looked up there,
    `no_model` why unusual rows could not be found.
    """
    rows = observed["rows"]
    why = {
        each.position: unavailable[each.table]
        for each in checks.references
        if each.table in unavailable
    }
    if no_model:
        why |= {i: no_model for i, check in enumerate(checks.checks) if check.rule == ANOMALY}
    return tuple(
        unevaluated(found, why[position]) if position in why else found
        for position, found in enumerate(_evaluated(checks, observed, rows))
    )


def _evaluated(checks: RowChecks, observed: Mapping[str, int], rows: int) -> tuple[Finding, ...]:
    return tuple(
        counted_finding(
            check,
            refuses=position in checks.refusing,
            failed=_failed_rows(observed, position),
            rows=rows,
            columns=_unfit_columns(checks, observed) if is_carried(check) else check.columns,
        )
        for position, check in enumerate(checks.checks)
    )


def _unfit_columns(checks: RowChecks, observed: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        name for position, name in checks.may_be_unfit.items() if observed.get(f"unfit_{position}")
    )


def _blamed(check: Check, feature: Column | None) -> Column:
    if check.rule == ANOMALY and feature is not None:
        return feature
    return F.lit(", ".join(check.columns))


def _lost(checks: RowChecks, mask: Mask) -> Column:
    """What the row lacks of a full score, in millionths: a BIGINT, never null."""
    by_weight: dict[int, list[int]] = {}
    for position, check in enumerate(checks.checks):
        if check.threshold is None:
            refuses = position in checks.refusing
            weight = _WHOLE if refuses else round(check.weight * _WHOLE)
            by_weight.setdefault(weight, []).append(position)
    lost = F.lit(0).cast("bigint")
    # The heaviest is asked last, and so encloses the others.
    for weight in sorted(by_weight):
        failed = _any_of(mask, by_weight[weight])
        lost = F.when(failed, F.lit(weight).cast("bigint")).otherwise(lost)
    return lost


def _any_of(mask: Mask, positions: Iterable[int]) -> Column:
    """Whether the mask has one of the bits."""
    words: dict[int, int] = {}
    for position in positions:
        words[position // WORD] = words.get(position // WORD, 0) | _bit(position)
    found = [
        mask[word].bitwiseAND(F.lit(bits).cast("bigint")) != F.lit(0)
        for word, bits in words.items()
    ]
    return reduce(or_, found, F.lit(False)) if len(found) != 1 else found[0]


def _bit(position: int) -> int:
    """The bit of a check within its word."""
    place = position % WORD
    return 1 << place // 2 + _HALF * (place % 2)


def _pair(mask: Mask, position: int) -> Column:
    """Whether a row failed a check, and in the upper half, whether it failed the next one."""
    word, place = divmod(position, WORD)
    both = F.lit(1 | 1 << _HALF).cast("bigint")
    return F.shiftright(mask[word], place // 2).bitwiseAND(both)


def _failed_rows(observed: Mapping[str, int], position: int) -> int:
    sums = observed[f"failed_{position - position % 2}"]
    return sums >> _HALF if position % 2 else sums & (1 << _HALF) - 1
