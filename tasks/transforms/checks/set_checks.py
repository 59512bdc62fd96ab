"""The checks of rows against each other, over a staged batch and the published open versions.

Promise: of rows that share what must be unique, none is kept and none is chosen: which of them is
right can't be known here. Rows are compared by keyed digests, so that no clear value is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.model import Check, Contract, ProtectionKind
from contracts.model.check_registry import RULES, Scope
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.checks.limited_metrics import counted_finding
from tasks.transforms.checks.quality_score import Finding
from tasks.transforms.checks.row_checks import listed_reasons

DIGEST = "digest"
_WITHIN = "over the rows of this batch"
_AND_OPEN = f"{_WITHIN} and the open versions of other keys"
_AND_KEPT = f"{_WITHIN}, the open versions of other keys and the rows that are kept for it"
_AS_TOKENS = f"{_WITHIN} only: the table does not hold its columns in a form that can be compared"
_KEEPS_EQUALITY = frozenset({"direct"})


@dataclass(frozen=True, slots=True)
class SetChecks:
    """The checks of rows against each other.

    Attributes:
        checks: In the order of the contract; the stage has a digest for each.
        stored: Per check that open versions are compared for, the target columns; by its id.
        held: The same of each check whose values the table holds, those that have the key too.
        refusing: The ids of those that refuse their rows.
        incomparable: The checks whose values the table does not hold in a form to compare.
        key: The key's target columns.
    """

    checks: tuple[Check, ...]
    stored: Mapping[str, tuple[str, ...]]
    held: Mapping[str, tuple[str, ...]]
    refusing: frozenset[str]
    incomparable: frozenset[str]
    key: tuple[str, ...]


def compile_set_checks(contract: Contract) -> SetChecks:
    """The checks of a contract that need the whole batch, row against row."""
    checks = tuple(c for c in contract.checks if RULES[c.rule].scope is Scope.SET)
    columns = {check.id: _stored_columns(contract, check) for check in checks}
    held = {identifier: names for identifier, names in columns.items() if names}
    # No two keys agree in a check that includes the key.
    stored = {
        identifier: names for identifier, names in held.items() if not {*contract.key} <= {*names}
    }
    return SetChecks(
        checks=checks,
        stored=stored,
        held=held,
        refusing=frozenset(check.id for check in checks if check.refuses_rows),
        incomparable=frozenset(columns) - frozenset(held),
        key=contract.key,
    )


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


def value_of(names: Iterable[str]) -> Column:
    """What a check compares of a row, as one struct; null where a column is null."""
    columns = [named(name) for name in names]
    complete = reduce(and_, [column.isNotNull() for column in columns])
    parts = [column.alias(f"v{position}") for position, column in enumerate(columns)]
    return F.when(complete, F.struct(*parts))


def without_later(
    rows: DataFrame, versions: DataFrame, settings: HistorySettings, *, instant: str
) -> DataFrame:
    """The rows that are the last word on their keys: no version of theirs came after them.

    Args:
        rows: The key's columns, and `instant`: the row's place in the history's sequence.
        versions: All versions of the history.
        settings: How it is kept.
        instant: The column of `rows` that has it.
    """
    names = [named(name) for name in settings.key]
    # A version that a deletion closed has been followed, too, though no version came after it.
    sequence, is_open = named(settings.sequence), named(settings.is_current)
    last = F.max(sequence).alias("__last")
    closed = F.max(F.when(~is_open, named(settings.valid_to))).alias("__closed")
    opened = F.bool_or(is_open).alias("__opened")
    by_key = versions.join(rows.select(*names).distinct(), list(settings.key), "left_semi")
    found = rows.join(by_key.groupBy(*names).agg(last, closed, opened), list(settings.key), "left")
    followed = (F.col("__last") > F.col(instant)) | (
        ~F.col("__opened") & (F.col("__closed") > F.col(instant))
    )
    return found.where(~F.coalesce(followed, F.lit(False))).select(*rows.columns)


def repeated_of_release(
    rows: DataFrame,
    last: DataFrame,
    open_versions: DataFrame,
    key: tuple[str, ...],
    *,
    row: str,
    batch: str,
    value: str,
) -> DataFrame:
    """The rows of a release that repeat another one or an open version, by `row`.

    A row that is no last word on its key becomes a closed version: it is compared with the rows
    that it was refused with, and not with what is open now.

    Args:
        rows: The rows of the release: the columns that the other arguments name, and the key's.
        last: Those of them that will be open versions, one a key.
        open_versions: The open versions: the key's columns and `value`.
        key: The key's columns.
        row: What identifies a row.
        batch: The batch that a row was refused in.
        value: What must not repeat; null where a row repeats nothing.
    """
    names, compared = [named(name) for name in key], F.col(value).isNotNull()
    told = rows.where(compared)
    together = told.groupBy(batch, value).agg(F.count(F.lit(1)).alias("__rows"))
    within = told.join(together.where("__rows > 1"), [batch, value], "left_semi")
    held = open_versions.join(last.select(*names), list(key), "left_anti")
    opened = last.where(compared).select(value).unionByName(held.where(compared).select(value))
    shared = opened.groupBy(value).agg(F.count(F.lit(1)).alias("__rows")).where("__rows > 1")
    return within.select(row).union(last.join(shared, value, "left_semi").select(row)).distinct()


def set_reasons(checks: SetChecks, failed: Column) -> Column:
    """The checks that refused a row, as the quarantine has reasons; `failed` is their mask."""
    return listed_reasons(
        (failed.bitwiseAND(F.lit(1 << position)) != 0, check.id, F.lit(", ".join(check.columns)))
        for position, check in enumerate(checks.checks)
    )


def set_finding(
    checks: SetChecks,
    check: Check,
    *,
    failed: int,
    rows: int,
    compared_with_open: bool,
    compared_with_kept: bool = False,
) -> Finding:
    """The finding of a set check from the rows that failed it, of those that were compared."""
    note = _WITHIN
    if check.rule == "unique":
        note = _AND_OPEN if compared_with_open else note
        note = _AND_KEPT if compared_with_kept else note
        note = _AS_TOKENS if check.id in checks.incomparable else note
    return counted_finding(
        check,
        refuses=check.id in checks.refusing,
        failed=failed,
        rows=rows,
        columns=check.columns,
        note=note,
    )
