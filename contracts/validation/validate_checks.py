"""Each check against its rule: the columns, types and arguments that the rule can take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from contracts.model import Argument, Check, SourceColumn
from contracts.model.check_registry import Rule
from contracts.model.database_type_names import comparable, is_numeric, is_temporal, is_text
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_$]*$")


def check_rule(
    section: Section, check: Check, rule: Rule, columns: Mapping[str, SourceColumn]
) -> None:
    """Report what does not fit. `section` is the check's implementation, `columns` the source's."""
    for position, name in enumerate(check.columns):
        if name not in columns:
            path = f"{section.at('columns')}[{position}]"
            hint = did_you_mean(name, columns)
            section.report.add(path, f"the source has no column {name}", hint)
    if not section.report.knows(section.at("columns")):
        if rule.columns is not None and len(check.columns) != rule.columns:
            section.problem("columns", f"{check.rule} looks at {rule.columns} column(s)")
        elif not check.columns:
            section.problem("columns", f"{check.rule} looks at one column or more")
    kinds = [columns[name].type for name in check.columns if name in columns]
    fit = _ARGUMENTS.get(check.rule)
    if kinds and all(kinds):
        _fit_type(section, check, kinds)
        if fit is not None:
            fit(section, check.arguments, kinds[0])


def _fit_type(section: Section, check: Check, kinds: list[str]) -> None:
    if check.rule in ("not_blank", "max_length", "matches") and not is_text(kinds[0]):
        section.problem("columns", f"{check.rule} looks at text; the column is {kinds[0]}")
    if check.rule == "not_in_future" and not is_temporal(kinds[0]):
        section.problem("columns", f"not_in_future looks at dates; the column is {kinds[0]}")
    if check.rule == "not_after" and not comparable(kinds[0], kinds[-1]):
        section.problem("columns", f"{kinds[0]} and {kinds[-1]} can't be compared")


def _fit_pattern(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    try:
        re.compile(str(given.get("pattern", "")))
    except (re.error, OverflowError, RecursionError) as error:
        section.problem("arguments.pattern", f"is no regular expression ({type(error).__name__})")


def _fit_bounds(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    bounds = {name: given[name] for name in ("low", "high") if name in given}
    mistaken = any(section.report.knows(section.at(f"arguments.{name}")) for name in _BOUNDS)
    if not bounds and not mistaken:
        section.problem("arguments", "between needs low, high or both")
    for name, value in bounds.items():
        if not _fits(value, kind):
            section.problem(f"arguments.{name}", f"does not fit a column of type {kind}")
    low, high = bounds.get("low"), bounds.get("high")
    if is_number(low) and is_number(high) and low > high:
        section.problem("arguments.low", "lies above high")


def _fit_values(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    values = given.get("values", ())
    if isinstance(values, tuple) and not all(_fits(value, kind) for value in values):
        section.problem("arguments.values", f"do not fit a column of type {kind}")


def _fit_relation(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    relation, column = given.get("relation"), given.get("column")
    if isinstance(relation, str) and not all(_NAME.match(part) for part in relation.split(".")):
        section.problem("arguments.relation", "must be the name of a table", "schema.table")
    if isinstance(column, str) and not _NAME.match(column):
        section.problem("arguments.column", "must be the name of a column")


def _fit_amount(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    for name, amount in given.items():
        if is_number(amount) and amount < 0:
            section.problem(f"arguments.{name}", "must be at least 0")


def _fits(value: object, kind: str) -> bool:
    if is_numeric(kind):
        return is_number(value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)


_BOUNDS = ("low", "high")
_ARGUMENTS: Mapping[str, Callable[[Section, Mapping[str, Argument], str], None]] = {
    "matches": _fit_pattern,
    "between": _fit_bounds,
    "in_set": _fit_values,
    "references": _fit_relation,
    "max_length": _fit_amount,
    "not_in_future": _fit_amount,
}
