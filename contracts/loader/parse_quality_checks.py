"""The `quality` entries of a contract as checks on source rows.

Promise: an entry that Strandline would not run is refused, so that no contract claims a check that
is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from contracts.loader.parse_columns import arguments
from contracts.model import Check, Severity, SourceColumn
from contracts.model.check_registry import RULES, Scope
from contracts.validation.validate_checks import check_rule
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import NAMESPACE, Section

MOST_ROW_CHECKS = 60
"""A row's failures are bits of one bigint."""

_ID = re.compile(r"^[A-Za-z0-9_-]+$")
_DIMENSIONS = (
    "accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness",
)  # fmt: skip
_DIMENSION_OF = {
    "required": "completeness", "not_blank": "completeness", "not_after": "consistency",
    "not_in_future": "timeliness", "references": "consistency", "unique": "uniqueness",
}  # fmt: skip


class _Word(StrEnum):
    """The standard's values for a severity; an error refuses the row."""

    ERROR = "error"
    WARNING = "warning"


_SEVERITIES = {_Word.ERROR: Severity.REFUSE, _Word.WARNING: Severity.WARN}


def read_checks(
    entries: Iterable[Section], columns: Mapping[str, SourceColumn] | None
) -> tuple[Check, ...]:
    """The checks, in the file's order; their columns and arguments fit the source.

    `columns` are the source's by name; None when the source could not be read.
    """
    checks = []
    ids: set[str] = set()
    row_checks = 0
    for entry in entries:
        check = _check(entry, columns)
        if check is None:
            continue
        if check.id in ids:
            entry.problem("id", f"{check.id} occurs twice")
        ids.add(check.id)
        row_checks += RULES[check.rule].scope is not Scope.SET
        if row_checks == MOST_ROW_CHECKS + 1:
            entry.report.add(
                entry.path, f"more than {MOST_ROW_CHECKS} checks that look at single rows"
            )
        checks.append(check)
    return tuple(checks)


def _check(entry: Section, columns: Mapping[str, SourceColumn] | None) -> Check | None:
    if entry.value.get("type") == "text":
        return None  # the standard's entry for prose
    identifier = _identifier(entry)
    severity = _SEVERITIES[entry.choice("severity", _Word, default=_Word.ERROR) or _Word.ERROR]
    section = entry.child("implementation", required=True)
    if section is None:
        return None
    section.only(("rule", "columns", "arguments", "weight"))
    weight = section.number("weight", default=1.0, high=1.0)
    if weight == 0:
        section.problem("weight", "must be above 0", "between 0 and 1")
    name = section.text("rule")
    names = section.texts("columns")
    rule = RULES.get(name)
    if rule is None:
        if name:
            section.problem("rule", f"unknown rule {name}", did_you_mean(name, RULES))
        return None
    given = arguments(section, section.child("arguments"), rule.arguments, rule.optional)
    check = Check(identifier, name, names, given, severity, weight, _dimension(entry, name))
    if columns is not None:
        check_rule(section, check, rule, columns)
    return check


def _identifier(entry: Section) -> str:
    for key, wanted in (("type", "custom"), ("engine", NAMESPACE)):
        value = entry.text(key)
        if value and value != wanted:
            entry.problem(key, f"Strandline does not run {value} checks", f"use {wanted}")
    identifier = entry.text("id")
    if identifier and not _ID.match(identifier):
        entry.problem("id", "may hold letters, digits, _ and - only")
    return identifier


def _dimension(entry: Section, rule: str) -> str:
    default = _DIMENSION_OF.get(rule, "conformity")
    dimension = entry.text("dimension", default=default)
    if dimension and dimension not in _DIMENSIONS:
        hint = did_you_mean(dimension, _DIMENSIONS)
        entry.problem("dimension", f"unknown dimension {dimension}", hint)
    return dimension or default
