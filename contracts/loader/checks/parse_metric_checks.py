"""The standard's own checks: entries of type `library` and of type `sql`.

Promise: they run as they are written, over the clear values of the target's columns, and never
refuse a row: what fails is counted and compared with the limit. What would not run is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from contracts.expressions import (
    ExpressionError,
    bind,
    names_in,
    parse_metric_query,
    resolve_placeholders,
)
from contracts.expressions.listed_operations import BOOLEAN, NUMBERS
from contracts.loader.checks.checked_table import (
    CheckedTable,
    identifier_or,
    read_dimension,
    read_severity,
)
from contracts.loader.checks.parse_thresholds import read_threshold
from contracts.model import Argument, Check, Comparison, Scalar
from contracts.model.check_registry import METRICS
from contracts.model.database_type_names import is_text
from contracts.validation.java_pattern_syntax import pattern_problem
from contracts.validation.validate_checks import fits
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_scalar

_EARLIER_NAMES = {"duplicateCount": "duplicateValues", "nullCheck": "nullValues"}
"""What version 3.0 of the standard called them, under `rule`."""

_OF_THE_TABLE = ("row_count",)
_OF_BOTH = ("duplicate_values",)
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "missing_values": ("missingValues",),
    "invalid_values": ("validValues", "pattern"),
}
_WORDS = (
    "id", "name", "description", "type", "dimension", "severity", "businessImpact", "method",
    "tags", "authoritativeDefinitions", "customProperties",
)  # fmt: skip
"""What every entry may say; only type, id, dimension and severity change what is done."""

_LIMITS = ("unit", *Comparison)
_KEYS: Mapping[str, tuple[str, ...]] = {
    "library": ("metric", "rule", "arguments", *_LIMITS),
    "sql": ("query", *_LIMITS),
    "custom": ("engine", "implementation"),
}
_TIMETABLE = ("schedule", "scheduler")


def check_keys(entry: Section, kind: str) -> None:
    """Report the keys of the standard that say nothing in an entry of this type."""
    known = {*_WORDS, *_KEYS[kind]}
    others = {key for keys in _KEYS.values() for key in keys} - known
    for key in entry.value:
        if key in _TIMETABLE:
            entry.problem(key, "a check runs in every load", "leave it out")
        elif key in others:
            hint = "use implementation.at_most" if kind == "custom" else "leave it out"
            entry.problem(str(key), f"a check of type {kind} has no {key}", hint)


def metric_check(
    entry: Section, table: CheckedTable, column: str, taken: Collection[str]
) -> Check | None:
    """An entry of type `library`; None after a problem.

    Args:
        entry: The entry.
        table: What it may name.
        column: The target column that it lies with; empty when it lies with the table.
        taken: The ids that other checks have.
    """
    check_keys(entry, "library")
    rule = _rule(entry)
    if rule is None:
        return None
    if not _lies_right(entry, rule, column):
        return None
    names = (column,) if column else _properties(entry, table, rule)
    given = _arguments(entry, rule, table.mapped.get(column, ""), column)
    _check_mapped(entry, table, names)
    threshold = read_threshold(entry, counts_rows=True, shares=rule != "row_count")
    severity, dimension = read_severity(entry), read_dimension(entry, rule)
    if given is None or threshold is None:
        return None
    return Check(
        id=identifier_or(entry, "_".join((*names, rule)), taken),
        rule=rule,
        columns=names,
        arguments=given,
        severity=severity,
        weight=0.0,
        dimension=dimension,
        about_target=True,
        threshold=threshold,
    )


def query_check(
    entry: Section, table: CheckedTable, column: str, taken: Collection[str]
) -> Check | None:
    """An entry of type `sql`; None after a problem. The arguments are those of `metric_check`."""
    check_keys(entry, "sql")
    threshold = read_threshold(entry, counts_rows=False, shares=True)
    severity, dimension = read_severity(entry), read_dimension(entry, "sql")
    query = entry.text("query")
    if not query:
        return None
    try:
        figure = parse_metric_query(query, table.names, column)
        _check_mapped(entry, table, names_in(figure), key="query")
        if entry.report.knows(entry.at("query")):
            return None
        _, gives = bind(figure, table.mapped)
        resolved = resolve_placeholders(query, table.table, column)
    except ExpressionError as error:
        entry.problem("query", error.found, error.suggestion)
        return None
    if gives not in NUMBERS | {BOOLEAN}:
        entry.problem("query", f"gives a {gives}; a limit needs a number", "count, or compare it")
    if threshold is None:
        return None
    name = entry.value.get("name")
    derived = name if isinstance(name, str) and name else "_".join(filter(None, (column, "sql")))
    return Check(
        id=identifier_or(entry, derived, taken),
        rule="sql",
        columns=names_in(figure) or ((column,) if column else ()),
        arguments={"query": resolved},
        severity=severity,
        weight=0.0,
        dimension=dimension,
        about_target=True,
        threshold=threshold,
    )


def _rule(entry: Section) -> str | None:
    key = "rule" if entry.has("rule") and not entry.has("metric") else "metric"
    name = entry.text(key)
    if not name:
        return None
    if entry.has("rule") and key == "metric" and entry.value["rule"] != name:
        entry.problem("rule", "says another metric than metric", "leave it out")
    rule = METRICS.get(_EARLIER_NAMES.get(name, name) if key == "rule" else name)
    if rule is None:
        entry.problem(key, f"unknown metric {name}", did_you_mean(name, METRICS))
    return rule


def _lies_right(entry: Section, rule: str, column: str) -> bool:
    key = "metric" if entry.has("metric") else "rule"
    if column and rule in _OF_THE_TABLE:
        entry.problem(key, "is about the table, not a column", "move it to schema[0].quality")
        return False
    if not column and rule not in (*_OF_THE_TABLE, *_OF_BOTH):
        entry.problem(key, "is about a column", "move it to the quality of that property")
        return False
    return True


def _properties(entry: Section, table: CheckedTable, rule: str) -> tuple[str, ...]:
    if rule in _OF_THE_TABLE:
        return ()
    section = entry.child("arguments", required=True)
    if section is None:
        return ()
    section.only(("properties",))
    names = section.texts("properties")
    if not names and not entry.report.knows(section.at("properties")):
        section.problem("properties", "needs at least one column")
    known = [column.name for column in table.columns]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            section.problem("properties", f"the target has no column {name}", hint)
    return names


def _check_mapped(
    entry: Section, table: CheckedTable, names: Iterable[str], *, key: str = ""
) -> None:
    """Checks look at values that are made of the source's."""
    generated = {column.name for column in table.columns} - {*table.mapped}
    for name in names:
        if name in generated:
            path = entry.at(key) if key else entry.path
            entry.report.add(
                path,
                f"the column {name} is generated, not made of source columns",
                "check columns that it is made of",
            )


def _arguments(entry: Section, rule: str, kind: str, column: str) -> dict[str, Argument] | None:
    section = entry.child("arguments")
    if rule in _OF_BOTH and not column:
        return {}
    known = _ARGUMENTS.get(rule, ())
    section = section or Section({}, entry.at("arguments"), entry.report)
    section.only(known)
    if not known:
        return {}
    given: dict[str, Argument] = {}
    for key in known:
        if not section.has(key):
            continue
        value = _pattern(section, kind) if key == "pattern" else _listed(section, key, kind)
        if value is None:
            return None
        given["pattern" if key == "pattern" else "values"] = value
    if not given:
        entry.problem("arguments", f"needs {' or '.join(known)}", f"{known[0]}: [...]")
        return None
    return given


def _listed(section: Section, key: str, kind: str) -> tuple[Scalar, ...] | None:
    values = section.value[key]
    if not isinstance(values, list) or not values:
        section.problem(key, "must be a list of single values")
        return None
    if not all(value is None or is_scalar(value) for value in values):
        section.problem(key, "must be a list of single values")
        return None
    if kind and not all(value is None or fits(value, kind) for value in values):
        section.problem(
            key, f"do not all fit a column of type {kind}", "leave out those that can't occur"
        )
        return None
    return tuple(values)


def _pattern(section: Section, kind: str) -> str | None:
    pattern = section.text("pattern")
    if kind and not is_text(kind):
        section.problem("pattern", f"looks at text; the column is {kind}", "use validValues")
        return None
    if (problem := pattern_problem(pattern, whole=False)) is not None:
        section.problem("pattern", problem.found, problem.suggestion)
        return None
    return pattern or None
