"""Great Expectations over a Spark frame, with the keys of the rows that break an expectation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "False"

import great_expectations as gx
import great_expectations.expectations as gxe
from pyspark.sql import DataFrame, SparkSession

from benchmarks.quality.rules import AS_OF, KEY, RULES, Rule
from benchmarks.quality.subject import Outcome, write_stage


class GxExpectations:
    """A suite, validated as a batch with result format COMPLETE; its rows are then written."""

    def __init__(self, spark: SparkSession, read: Callable[[], DataFrame], directory: Path) -> None:
        del spark, directory
        self._read = read
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        # It persists the frame that it is given, which is its default: each of some seventy jobs
        # would read the source again.
        asset = context.data_sources.add_spark("source").add_dataframe_asset("orders")
        self._whole = asset.add_batch_definition_whole_dataframe("all")
        expectations = [_expectation(rule) for rule in RULES]
        self._suite = gx.ExpectationSuite("orders", expectations=expectations)

    def run(self, mode: str) -> Callable[[], Outcome]:
        """Validate, then write the same frame; there is one mode."""
        del mode
        rows = self._read()
        batch = self._whole.get_batch(batch_parameters={"dataframe": rows})
        result = batch.validate(
            self._suite,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [KEY],
                "return_unexpected_index_query": False,
            },
        )
        write_stage(rows)
        rows.unpersist()
        return lambda: _outcome(result.results)


def _outcome(results: Any) -> Outcome:
    broken: dict[str, int] = {}
    keys: set[int] = set()
    for each in results:
        rule = each.expectation_config.meta["rule"]
        _check_no_exception(each, rule)
        broken[rule] = each.result["unexpected_count"]
        if each.expectation_config.meta["kind"] != "nulls":
            keys.update(row[KEY] for row in each.result["unexpected_index_list"] or ())
    return Outcome(broken, len(keys))


def _check_no_exception(result: Any, rule: str) -> None:
    if "unexpected_count" not in result.result:
        message = f"{rule} gave no result: {result.exception_info}"
        raise RuntimeError(message)


def _expectation(rule: Rule) -> Any:
    meta = {"rule": rule.name, "kind": rule.kind}
    return _MAKE[rule.kind](rule, meta)


def _each(name: str, **fixed: Any) -> Callable[[Rule, Mapping[str, str]], Any]:
    def make(rule: Rule, meta: Mapping[str, str]) -> Any:
        return getattr(gxe, name)(column=rule.column, meta=meta, **fixed)

    return make


_MAKE: dict[str, Callable[[Rule, Mapping[str, str]], Any]] = {
    "required": _each("ExpectColumnValuesToNotBeNull"),
    "nulls": lambda rule, meta: gxe.ExpectColumnValuesToNotBeNull(
        column=rule.column, mostly=1 - rule.arguments["percent"] / 100, meta=meta
    ),
    "length": lambda rule, meta: gxe.ExpectColumnValueLengthsToBeBetween(
        column=rule.column, max_value=rule.arguments["max"], meta=meta
    ),
    "not_blank": _each("ExpectColumnValuesToMatchRegex", regex=r"(?U)\S"),
    "matches": lambda rule, meta: gxe.ExpectColumnValuesToMatchRegex(
        column=rule.column, regex=rf"\A(?:{rule.arguments['pattern']})\z", meta=meta
    ),
    "in_set": lambda rule, meta: gxe.ExpectColumnValuesToBeInSet(
        column=rule.column, value_set=list(rule.arguments["values"]), meta=meta
    ),
    "between": lambda rule, meta: gxe.ExpectColumnValuesToBeBetween(
        column=rule.column,
        min_value=rule.arguments["low"],
        max_value=rule.arguments["high"],
        meta=meta,
    ),
    "not_after": lambda rule, meta: gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=rule.columns[1],
        column_B=rule.columns[0],
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        meta=meta,
    ),
    "not_in_future": _each("ExpectColumnValuesToBeBetween", max_value=AS_OF),
    "condition": lambda rule, meta: gxe.ExpectColumnValuesToNotBeNull(
        column=rule.columns[1],
        row_condition=rule.arguments["when"],
        condition_parser="spark",
        meta=meta,
    ),
}
