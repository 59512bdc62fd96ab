"""Each check against its rule: the columns, types and arguments that the rule can take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from contracts.expressions import ExpressionError, bind, names_in, parse_condition
from contracts.expressions.listed_operations import BOOLEAN
from contracts.model import Argument, Check, SourceColumn
from contracts.model.check_registry import Rule
from contracts.model.database_type_names import (
    comparable,
    is_numeric,
    is_temporal,
    is_text,
    spark_type,
)
from contracts.validation.java_pattern_syntax import pattern_problem
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_$]*$")
_OF_TEXT = ("not_blank", "max_length", "length", "type", "matches")
_READABLE = ("tinyint", "smallint", "int", "bigint", "float", "double", "date", "timestamp")
_LEAST_RUNS = 2


def check_rule(
    section: Section, check: Check, rule: Rule, columns: Mapping[str, SourceColumn]
) -> None:
    """Report what does not fit. `section` is the check's implementation, `columns` the source's."""
    _check_columns(section, check, rule, columns)
    kinds = [columns[name].type for name in check.columns if name in columns]
    fit = _ARGUMENTS.get(check.rule)
    if kinds and all(kinds):
        _fit_type(section, check, kinds)
        if fit is not None:
            fit(section, check.arguments, kinds[0])
    elif rule.columns == 0 and fit is not None:
        fit(section, check.arguments, "")


def _check_columns(
    section: Section, check: Check, rule: Rule, columns: Mapping[str, SourceColumn]
) -> None:
    for position, name in enumerate(check.columns):
        if name not in columns:
            path = f"{section.at('columns')}[{position}]"
            hint = did_you_mean(name, columns)
            section.report.add(path, f"the source has no column {name}", hint)
    if not section.report.knows(section.at("columns")):
        if rule.columns is not None and len(check.columns) != rule.columns:
            section.problem("columns", f"{check.rule} looks at {rule.columns} column(s)")
        elif rule.columns is None and not check.columns:
            section.problem("columns", f"{check.rule} looks at one column or more")


def condition_columns(
    section: Section, check: Check, columns: Mapping[str, SourceColumn] | None
) -> tuple[str, ...]:
    """The columns of a check's `then` and `when`; what is wrong with them is reported.

    `section` is the check's implementation, `columns` the source's; None: they are not known.
    """
    parsed = []
    for key in ("when", "then"):
        text = check.arguments.get(key)
        if not isinstance(text, str):
            continue
        place = f"arguments.{key}"
        try:
            expression = parse_condition(text)
            parsed.append(expression)
            if columns is None:
                continue
            _, gives = bind(expression, {name: each.type for name, each in columns.items()})
            if gives != BOOLEAN:
                section.problem(place, "is a value, not a condition", "compare it with something")
            elif not names_in(expression):
                section.problem(place, "names no column", "compare a column with something")
        except ExpressionError as error:
            section.problem(place, error.found, error.suggestion)
    names = names_in(*parsed)
    if check.columns and names and set(check.columns) != set(names):
        section.problem(
            "columns", "are not those that the condition names", "leave it out, or list all"
        )
    return names


def readable_type(word: str) -> str | None:
    """The Spark type, or `uuid`, that text can be checked for; None: the word is no such type."""
    if word.lower() in ("uuid", "boolean", "bool"):
        return "uuid" if word.lower() == "uuid" else "boolean"
    spark = spark_type(word)
    return spark if spark in _READABLE or (spark or "").startswith("decimal") else None


def fits(value: object, kind: str) -> bool:
    """Whether a value of a contract can be compared with a column of that Spark type."""
    if is_numeric(kind):
        return is_number(value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)


def check_relation(
    section: Section, given: Mapping[str, Argument], *, place: str = "arguments."
) -> None:
    """Report a reference that names no table and column of a source or of our histories."""
    relation, history = given.get("relation"), given.get("history")
    for key, parts in (("relation", 1), ("history", 2)):
        name = given.get(key)
        if isinstance(name, str) and not _is_path(name, parts):
            example = "schema.table" if key == "relation" else "namespace.table"
            section.problem(f"{place}{key}", "must be the name of a table", example)
    column, connection = given.get("column"), given.get("connection")
    if isinstance(column, str) and not _NAME.match(column):
        section.problem(f"{place}column", "must be the name of a column")
    if isinstance(connection, str) and not _NAME.match(connection):
        section.problem(f"{place}connection", "must be the name of a block", "such as crm_db")
    if connection is not None and relation is None:
        section.problem(f"{place}connection", "belongs to a relation of a source", "name it too")
    named = [name for name in ("relation", "history") if given.get(name) is not None]
    told = any(section.report.knows(section.at(f"{place}{key}")) for key in ("relation", "history"))
    if len(named) != 1 and not told:
        wrong = "names a relation and a history" if history else "names neither"
        section.problem(
            place.rstrip(".") or "relation", wrong, "a relation of a source, or a history of ours"
        )


def _is_path(name: str, parts: int) -> bool:
    names = name.split(".")
    return len(names) >= parts and all(_NAME.match(part) for part in names)


def _fit_type(section: Section, check: Check, kinds: list[str]) -> None:
    if check.rule in _OF_TEXT and not is_text(kinds[0]):
        section.problem(
            "columns",
            f"{check.rule} looks at text; the column is {kinds[0]}",
            _INSTEAD.get(check.rule, ""),
        )
    if check.rule == "not_in_future" and not is_temporal(kinds[0]):
        section.problem("columns", f"not_in_future looks at dates; the column is {kinds[0]}")
    if check.rule == "not_after" and not comparable(kinds[0], kinds[-1]):
        section.problem("columns", f"{kinds[0]} and {kinds[-1]} can't be compared")


_INSTEAD = {
    "max_length": "use between",
    "length": "use between",
    "type": "leave the check out: its type is the column's",
    "not_blank": "use required",
    "matches": "use in_set or between",
}


def _fit_pattern(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    problem = pattern_problem(str(given.get("pattern", "")), whole=True)
    if problem is not None:
        section.problem("arguments.pattern", problem.found, problem.suggestion)


def _fit_bounds(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    _need_bound(section, given, "between", _BOUNDS)
    bounds = {name: given[name] for name in _BOUNDS if name in given}
    for name, value in bounds.items():
        if not fits(value, kind):
            section.problem(f"arguments.{name}", f"does not fit a column of type {kind}")
    low, high = bounds.get("low"), bounds.get("high")
    if is_number(low) and is_number(high) and low > high:
        section.problem("arguments.low", "lies above high")


def _fit_lengths(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    _need_bound(section, given, "length", _LENGTHS)
    _fit_amount(section, given, kind)
    low, high = given.get("min"), given.get("max")
    if is_number(low) and is_number(high) and low > high:
        section.problem("arguments.min", "lies above max")


def _need_bound(
    section: Section, given: Mapping[str, Argument], rule: str, names: tuple[str, str]
) -> None:
    mistaken = any(section.report.knows(section.at(f"arguments.{name}")) for name in names)
    if not any(name in given for name in names) and not mistaken:
        section.problem("arguments", f"{rule} needs {names[0]}, {names[1]} or both")


def _fit_readable(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    word = given.get("type")
    if isinstance(word, str) and readable_type(word) is None:
        hint = "integer, bigint, decimal(p,s), double, date, timestamp, boolean or uuid"
        section.problem("arguments.type", f"{word} is no type that text can be checked for", hint)


def _fit_values(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    values = given.get("values", ())
    if isinstance(values, tuple) and not all(fits(value, kind) for value in values):
        section.problem("arguments.values", f"do not fit a column of type {kind}")


def _fit_relation(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    check_relation(section, given)


def _fit_amount(section: Section, given: Mapping[str, Argument], _kind: str) -> None:
    for name, amount in given.items():
        if is_number(amount) and amount < 0:
            section.problem(f"arguments.{name}", "must be at least 0")


def _fit_past(section: Section, given: Mapping[str, Argument], kind: str) -> None:
    _fit_amount(section, given, kind)
    runs = given.get("runs")
    if is_number(runs) and 0 <= runs < _LEAST_RUNS:
        section.problem("arguments.runs", f"must be at least {_LEAST_RUNS}")


_BOUNDS = ("low", "high")
_LENGTHS = ("min", "max")
_ARGUMENTS: Mapping[str, Callable[[Section, Mapping[str, Argument], str], None]] = {
    "matches": _fit_pattern,
    "between": _fit_bounds,
    "in_set": _fit_values,
    "references": _fit_relation,
    "max_length": _fit_amount,
    "length": _fit_lengths,
    "type": _fit_readable,
    "not_in_future": _fit_amount,
    "volume": _fit_past,
    "drift": _fit_past,
}
