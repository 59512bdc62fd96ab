"""The rows of the quarantine that a command means: by key, check, batch, condition, or all.

A condition is of the SQL that contracts may write, over the quarantine's own columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import UsageError
from contracts.expressions import Expression, ExpressionError, bind, names_in, parse_condition
from contracts.model import Contract
from history.writing.quarantine_table import record_key
from strandline.queries.open_lakehouse import Lakehouse
from strandline.queries.parse_key_argument import KeyValue, key_values
from tasks.run.quarantine_decision import Selection
from tasks.transforms.checks.expression_columns import ColumnBuilder

CONDITION_COLUMNS: Mapping[str, str] = {
    "refused_at": "timestamp",
    "read_at": "timestamp",
    "batch_id": "string",
    "source_table": "string",
    "form": "string",
    "check": "string",
    "column": "string",
}
"""The columns that a condition may name; `check` and `column` are of any one reason of a row."""

_OF_REASON = ("check", "column")


@dataclass(frozen=True, slots=True)
class RowSelector:
    """What was typed; several together mean the rows that all of them hold of."""

    keys: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    batch: str | None = None
    where: str | None = None
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.keys or self.checks or self.batch or self.where or self.everything)


def selection_of(selector: RowSelector, contract: Contract, *, command: str) -> Selection:
    """The selection, checked as far as it can be without the lakehouse.

    Raises:
        UsageError: Nothing is selected by, or `--all` beside something else; a key or a condition
            can't be read.
    """
    others = replace(selector, everything=False)
    if selector.is_empty or (selector.everything and not others.is_empty):
        raise UsageError(
            where=command,
            expected="--key, --check, --batch, --where, several of them, or --all alone",
            found="none of them" if selector.is_empty else "--all with others",
            next_step=f"strandline quarantine show {contract.name}",
        )
    keys = [key_values(text, contract) for text in selector.keys]
    condition = None if selector.where is None else _condition(selector.where)

    def selected(spark: SparkSession, settings: RunSettings) -> Column:
        parts = [F.lit(True)]
        if keys:
            stored = _stored_keys(spark, settings, contract, keys)
            parts.append(F.col("record_key").isin(*stored))
        if selector.checks:
            checks = selector.checks
            parts.append(F.exists("reasons", lambda reason: reason["check"].isin(*checks)))
        if selector.batch is not None:
            parts.append(F.col("batch_id") == selector.batch)
        if condition is not None:
            parts.append(_holds(condition))
        return F.coalesce(reduce(and_, parts), F.lit(False))

    return Selection(selected, _words(selector))


def _words(selector: RowSelector) -> str:
    words = []
    if selector.keys:
        words.append("1 key" if len(selector.keys) == 1 else f"{len(selector.keys)} keys")
    if selector.checks:
        words.append(f"check {', '.join(selector.checks)}")
    if selector.batch is not None:
        words.append(f"batch {selector.batch}")
    if selector.where is not None:
        # Its literals may be of a row.
        words.append("a condition")
    return " and ".join(words) or "all"


def _condition(text: str) -> Expression:
    try:
        expression, kind = bind(parse_condition(text), CONDITION_COLUMNS)
    except ExpressionError as error:
        raise _unreadable_condition(error.found, error.suggestion) from None
    if kind != "boolean":
        found, advice = "something that is not true or false", "compare it with something"
        raise _unreadable_condition(found, advice)
    return expression


def _unreadable_condition(found: str, suggestion: str) -> UsageError:
    return UsageError(
        where="--where",
        expected=f"a SQL condition over {', '.join(CONDITION_COLUMNS)}",
        found=found,
        next_step=f"{suggestion or 'Correct it'}; then run the command again.",
    )


def _holds(condition: Expression) -> Column:
    if not {*names_in(condition)} & {*_OF_REASON}:
        return ColumnBuilder(F.col).build(condition)

    def of(reason: Column) -> Column:
        return ColumnBuilder(
            lambda name: reason[name] if name in _OF_REASON else F.col(name)
        ).build(condition)

    return F.exists("reasons", of)


def _stored_keys(
    spark: SparkSession,
    settings: RunSettings,
    contract: Contract,
    keys: list[dict[str, KeyValue]],
) -> list[str]:
    """The keys as the quarantine has them: JSON, with pseudonyms where the table has them."""
    stored = Lakehouse(settings, spark).stored_keys(contract, spark.range(0), keys)
    return [row[0] for row in stored.select(record_key(contract.key)).collect()]
