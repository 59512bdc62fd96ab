"""The checks of rows against each other, over a staged batch and the published open versions.

Promise: of rows that share what must be unique, none is kept and none is chosen: which of them is
right can't be known here. Rows are compared by keyed digests, so that no clear value is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.model import Check, Contract, ProtectionKind
from contracts.model.check_registry import RULES, Scope
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.limited_metrics import counted_finding
from tasks.transforms.checks.quality_score import Finding

DIGEST = "digest"
_WITHIN = "over the rows of this batch"
_AND_OPEN = f"{_WITHIN} and the open versions of other keys"
_AS_TOKENS = f"{_WITHIN} only: the table does not hold its columns in a form that can be compared"
_KEEPS_EQUALITY = frozenset({"direct"})


@dataclass(frozen=True, slots=True)
class SetChecks:
    """The checks of rows against each other.

    Attributes:
        checks: In the order of the contract; the stage has a digest for each.
        stored: Per check that open versions are compared for, the target columns; by its id.
        refusing: The ids of those that refuse their rows.
        incomparable: The checks whose values the table does not hold in a form to compare.
        key: The key's target columns.
    """

    checks: tuple[Check, ...]
    stored: Mapping[str, tuple[str, ...]]
    refusing: frozenset[str]
    incomparable: frozenset[str]
    key: tuple[str, ...]


def compile_set_checks(contract: Contract) -> SetChecks:
    """The checks of a contract that need the whole batch, row against row."""
    checks = tuple(c for c in contract.checks if RULES[c.rule].scope is Scope.SET)
    stored, incomparable = {}, set()
    for check in checks:
        columns = _stored_columns(contract, check)
        if not columns:
            incomparable.add(check.id)
        # No two keys agree in a check that includes the key.
        elif not {*contract.key} <= {*columns}:
            stored[check.id] = columns
    refusing = frozenset(check.id for check in checks if check.refuses_rows)
    return SetChecks(checks, stored, refusing, frozenset(incomparable), contract.key)


def _stored_columns(contract: Contract, check: Check) -> tuple[str, ...]:
    """Target columns with the check's values or equal tokens of them; empty if one lacks."""
    found = []
    for name in check.columns:
        holders = [
            column.name
            for column in contract.columns
            if (column.name == name if check.about_target else column.sources == (name,))
            and (check.about_target or column.transformation.name in _KEEPS_EQUALITY)
            and (column.protection is None or column.protection.kind is ProtectionKind.PSEUDONYMISE)
        ]
        if not holders:
            return ()
        found.append(holders[0])
    return tuple(found)


def repeats(digest: Column) -> Column:
    """Over all rows, how many repeat another in what the digest stands for.

    Args:
        digest: Equal where the rows are, and null where a row repeats nothing.

    Returns:
        A struct of `rows`, those with a digest, and of `surplus`, those beyond the first of a kind.
    """
    rows = F.count(digest)
    return F.struct(rows.alias("rows"), (rows - F.count_distinct(digest)).alias("surplus"))


def repeated_digests(rows: DataFrame, digest: Column) -> DataFrame:
    """The digests that more than one row has, in the column `digest`."""
    counted = rows.where(digest.isNotNull()).groupBy(digest.alias(DIGEST)).count()
    return counted.where(F.col("count") > 1).select(DIGEST)


def digests_of_open_versions(
    events: DataFrame,
    open_versions: DataFrame,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    digest: Column,
) -> DataFrame:
    """The digests of events that agree with the open version of another key, in `digest`.

    A key that the batch has an event of is left out: what is open of it is about to change.

    Args:
        events: Staged events: the target columns as stored, and what `digest` reads.
        open_versions: Open versions of the target: `columns` and `key`.
        columns: The target columns that must not agree.
        key: The key's target columns.
        digest: The digest of an event; null where it repeats nothing.
    """
    others = open_versions.join(
        events.select(*[named(name) for name in key]), list(key), "left_anti"
    )
    held = others.select(*[named(name).alias(f"__open_{i}") for i, name in enumerate(columns)])
    same = reduce(and_, [named(name) == F.col(f"__open_{i}") for i, name in enumerate(columns)])
    found = events.where(digest.isNotNull()).join(held, same, "left_semi")
    return found.select(digest.alias(DIGEST)).distinct()


def set_finding(
    checks: SetChecks, check: Check, *, failed: int, rows: int, compared_with_open: bool
) -> Finding:
    """The finding of a set check from the rows that failed it, of those that were compared."""
    note = _WITHIN
    if check.rule == "unique":
        note = _AND_OPEN if compared_with_open else note
        note = _AS_TOKENS if check.id in checks.incomparable else note
    return counted_finding(
        check,
        refuses=check.id in checks.refusing,
        failed=failed,
        rows=rows,
        columns=check.columns,
        note=note,
    )
