"""The `quality` entries of a contract as checks: our own rules, and the standard's metrics.

Promise: an entry that Strandline would not run is refused, so that no contract claims a check that
is never run.
"""

from __future__ import annotations

from dataclasses import replace

from contracts.loader.checks.checked_table import (
    CheckedTable,
    identifier_or,
    read_dimension,
    read_severity,
)
from contracts.loader.checks.parse_column_constraints import constraint_checks
from contracts.loader.checks.parse_metric_checks import check_keys, metric_check, query_check
from contracts.loader.checks.parse_relationships import relationship_checks
from contracts.loader.checks.parse_thresholds import read_at_most
from contracts.loader.parse_columns import arguments
from contracts.model import Argument, Check
from contracts.model.check_registry import METRICS, RULES, STANDARD_RULES, Rule, Scope
from contracts.validation.validate_checks import check_rule, condition_columns, readable_type
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import NAMESPACE, Section

_TYPES = ("text", "library", "sql", "custom")
_OWN_RULES = tuple(name for name in RULES if name not in STANDARD_RULES)


def read_checks(table: CheckedTable) -> tuple[Check, ...]:
    """The checks, in the file's order: the table's, those of its columns, then its relationships.

    Last are those that the columns promise. What they name exists, and their arguments fit the
    types of the columns.
    """
    entries = [(entry, "") for entry in table.relation.children("quality")]
    for section, column in zip(table.properties, table.columns, strict=True):
        entries += [(entry, column.name) for entry in section.children("quality")]
    taken = {str(entry.value["id"]) for entry, _ in entries if entry.has("id")}
    found: list[tuple[Section, Check]] = []
    for entry, column_name in entries:
        check = _check(entry, table, column_name, taken)
        if check is not None:
            taken.add(check.id)
            found.append((entry, check))
    found += relationship_checks(table, taken)
    found += constraint_checks(table, taken)
    ids: set[str] = set()
    for entry, check in found:
        if check.id in ids:
            entry.problem("id", f"{check.id} occurs twice")
        ids.add(check.id)
    return tuple(check for _, check in found)


def _check(entry: Section, table: CheckedTable, column: str, taken: set[str]) -> Check | None:
    kind = _type(entry)
    if kind == "library":
        return metric_check(entry, table, column, taken)
    if kind == "sql":
        return query_check(entry, table, column, taken)
    if kind != "custom":
        return None  # prose, or no type that there is
    if column:
        entry.report.add(
            entry.path,
            "checks of our own look at source rows and lie with the table",
            f"move it to schema[0].quality (from column {column})",
        )
        return None
    return _own_check(entry, table, taken)


def _type(entry: Section) -> str:
    if not entry.has("type") and (entry.has("metric") or entry.has("rule")):
        return "library"
    kind = entry.text("type")
    if kind and kind not in _TYPES:
        entry.problem("type", f"unknown type {kind}", did_you_mean(kind, _TYPES))
    return kind if kind in _TYPES else ""


def _own_check(entry: Section, table: CheckedTable, taken: set[str]) -> Check | None:
    engine = entry.text("engine")
    if engine and engine != NAMESPACE:
        entry.problem("engine", f"Strandline does not run {engine} checks", f"use {NAMESPACE}")
        return None
    check_keys(entry, "custom")
    severity = read_severity(entry)
    section = entry.child("implementation", required=True)
    if section is None:
        return None
    section.only(("rule", "columns", "arguments", "weight", "at_most"))
    threshold = read_at_most(section)
    name = section.text("rule")
    rule = _rule(section, name)
    if rule is None:
        return None
    if threshold is not None and rule.scope is Scope.BATCH:
        section.problem("at_most", f"{name} has a limit among its arguments", "leave it out")
    columns = _columns(section, name, rule)
    counted = threshold is not None or rule.scope is Scope.BATCH
    check = Check(
        id=identifier_or(entry, "_".join((*columns, name)), taken),
        rule=name,
        columns=columns,
        arguments=_arguments(section, name, rule),
        severity=severity,
        weight=_weight(section, default=0.0 if counted else 1.0),
        dimension=read_dimension(entry, name),
        threshold=threshold,
    )
    if name == "condition":
        return replace(check, columns=condition_columns(section, check, table.source))
    if table.source is not None:
        check_rule(section, check, rule, table.source)
    return check


def _rule(section: Section, name: str) -> Rule | None:
    if name in STANDARD_RULES:
        metric = next((word for word, rule in METRICS.items() if rule == name), "")
        hint = f"write type: library and metric: {metric}" if metric else "write type: sql"
        section.problem("rule", f"{name} is the standard's", hint)
        return None
    rule = RULES.get(name)
    if rule is None and name:
        section.problem("rule", f"unknown rule {name}", did_you_mean(name, _OWN_RULES))
    return rule


def _columns(section: Section, name: str, rule: Rule) -> tuple[str, ...]:
    if rule.columns != 0 and name != "condition":
        return section.texts("columns")
    names = section.texts("columns", default=())
    if names and rule.columns == 0:
        section.problem("columns", f"{name} looks at no column of its own", "leave it out")
        return ()
    return names


def _arguments(section: Section, name: str, rule: Rule) -> dict[str, Argument]:
    given = arguments(section, section.child("arguments"), rule.arguments, rule.optional)
    if name == "type" and isinstance(word := given.get("type"), str):
        given["type"] = readable_type(word) or word
    return {**rule.defaults, **given}


def _weight(section: Section, *, default: float) -> float:
    weight = section.number("weight", default=default, high=1.0)
    if section.has("weight") and weight == 0:
        section.problem("weight", "must be above 0", "between 0 and 1")
    return weight
