"""pandera.pyspark: a schema with checks, each of which says only whether all rows pass.

Patterns have to be valid in Python too, which parses them, although Java matches them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyspark.sql.types as T
from pandera.config import config_context
from pandera.extensions import register_check_method
from pandera.pyspark import Check, Column, DataFrameSchema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.quality.rules import AS_OF, RULES, Rule
from benchmarks.quality.subject import Outcome, write_stage


@register_check_method
def holds(data: Any, *, condition: str) -> bool:
    """Whether no row makes the condition false."""
    return bool(data.dataframe.where(~F.expr(condition)).limit(1).count() == 0)


class PanderaSchemaChecks:
    """`validate` with lazy errors, all columns at once; its frame is then written."""

    def __init__(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> None:
        del spark, directory
        self._read = read
        self._schema = _schema(read().schema)

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Validate, then write; `cached` as pandera caches a frame while it validates it."""
        rows = self._read()
        cached = mode == "cached"
        with config_context(cache_dataframe=cached, keep_cached_dataframe=cached):
            checked = self._schema.validate(rows, lazy=True)
        write_stage(checked)
        rows.unpersist()
        return lambda: Outcome(_broken(checked.pandera.errors))


def _broken(errors: Any) -> dict[str, bool]:
    failed = {
        (error["column"], error["check"])
        for scope in errors.values()
        for reasons in scope.values()
        for error in reasons
    }
    return {rule.name: (rule.column, _label(rule)) in failed for rule in RULES}


def _label(rule: Rule) -> str:
    if rule.kind in ("required", "nulls"):
        return "not_nullable"
    return rule.name


def _schema(schema: T.StructType) -> DataFrameSchema:
    return DataFrameSchema({field.name: _column(field) for field in schema.fields})


def _column(field: T.StructField) -> Column:
    own = [rule for rule in RULES if rule.column == field.name]
    nullable = not any(rule.kind in ("required", "nulls") for rule in own)
    checks = [_CHECKS[rule.kind](rule) for rule in own if rule.kind in _CHECKS]
    return Column(field.dataType, checks, nullable=nullable)


def _condition(rule: Rule, condition: str) -> Check:
    return Check.holds(condition=condition, error=rule.name)


_CHECKS: dict[str, Callable[[Rule], Check]] = {
    "length": lambda rule: Check.str_length(max_value=rule.arguments["max"], error=rule.name),
    "not_blank": lambda rule: Check.str_contains(r"\S", error=rule.name),
    "matches": lambda rule: Check.str_matches(
        rf"^(?:{rule.arguments['pattern']})$", error=rule.name
    ),
    "in_set": lambda rule: Check.isin(list(rule.arguments["values"]), error=rule.name),
    "between": lambda rule: Check.in_range(
        rule.arguments["low"], rule.arguments["high"], error=rule.name
    ),
    "not_after": lambda rule: _condition(rule, f"{rule.columns[0]} <= {rule.columns[1]}"),
    "not_in_future": lambda rule: Check.le(AS_OF, error=rule.name),
    "condition": lambda rule: _condition(
        rule, f"NOT ({rule.arguments['when']}) OR {rule.arguments['then']}"
    ),
}
