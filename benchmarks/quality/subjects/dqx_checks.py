"""Databricks Labs DQX outside of Databricks: its engine on a local Spark.

The client of a workspace is a stand-in, as DQX's guide to local tests has it: nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from databricks.labs.dqx import check_funcs
from databricks.labs.dqx.engine import DQEngine
from databricks.labs.dqx.metrics_observer import DQMetricsObserver
from databricks.labs.dqx.rule import DQRowRule
from databricks.sdk import WorkspaceClient
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.quality.rules import AS_OF, RULES, Rule
from benchmarks.quality.subject import STAGE, Outcome, write_stage


class DqxChecks:
    """`apply_checks` with a metrics observer: errors and warnings per row, counts per check."""

    def __init__(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> None:
        del directory
        self._spark = spark
        self._read = read

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Check and write in one pass, or from a cached frame."""
        rows = self._read()
        if mode == "cached":
            rows.cache()
        engine = DQEngine(_workspace(), self._spark, observer=DQMetricsObserver())
        checked, observation = engine.apply_checks(rows, [_rule(rule) for rule in RULES])
        write_stage(checked)
        metrics = observation.get
        rows.unpersist()
        return lambda: Outcome(_counts(metrics), self._rows_with_reasons())

    def _rows_with_reasons(self) -> int:
        return self._spark.table(STAGE).where(F.size("_errors") > 0).count()


def _workspace() -> WorkspaceClient:
    return MagicMock(spec=WorkspaceClient, **{"catalogs.list.return_value": []})


def _counts(metrics: dict[str, Any]) -> dict[str, int]:
    return {
        each["check_name"]: each["error_count"] + each["warning_count"]
        for each in json.loads(metrics["check_metrics"])
    }


def _rule(rule: Rule) -> DQRowRule:
    function, arguments = _FUNCTIONS[rule.kind](rule)
    column = None if function is check_funcs.sql_expression else rule.column
    return DQRowRule(
        name=rule.name,
        criticality="warn" if rule.kind == "nulls" else "error",
        check_func=function,
        column=column,
        check_func_kwargs=arguments,
    )


_Call = tuple[Callable[..., Any], dict[str, Any]]


def _sql(expression: str) -> _Call:
    return check_funcs.sql_expression, {"expression": expression}


_FUNCTIONS: dict[str, Callable[[Rule], _Call]] = {
    "required": lambda _rule: (check_funcs.is_not_null, {}),
    "nulls": lambda _rule: (check_funcs.is_not_null, {}),
    "length": lambda rule: _sql(f"char_length({rule.column}) <= {rule.arguments['max']}"),
    "not_blank": lambda _rule: (check_funcs.is_not_empty, {"trim_strings": True}),
    "matches": lambda rule: (
        check_funcs.regex_match,
        {"regex": rf"\A(?:{rule.arguments['pattern']})\z"},
    ),
    "in_set": lambda rule: (
        check_funcs.is_in_list,
        {"allowed": [F.lit(value) for value in rule.arguments["values"]]},
    ),
    "between": lambda rule: (
        check_funcs.is_in_range,
        {"min_limit": rule.arguments["low"], "max_limit": rule.arguments["high"]},
    ),
    "not_after": lambda rule: _sql(f"{rule.columns[0]} <= {rule.columns[1]}"),
    "not_in_future": lambda _rule: (
        check_funcs.is_not_in_future,
        {"curr_timestamp": F.lit(AS_OF)},
    ),
    "condition": lambda rule: _sql(f"NOT ({rule.arguments['when']}) OR {rule.arguments['then']}"),
}
