"""What the standard lets a column promise of its values, as checks of the source rows.

Promise: `logicalTypeOptions`, `enum` and `unique` are checked on every row or refused. A column
whose transformation is `direct` has the values of its source column, so a row that breaks its
promise is refused. What other transformations give is checked here if it is fixed, and otherwise
belongs in a check of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from contracts.loader.checks.checked_table import CheckedTable, identifier_or, is_generated
from contracts.model import Argument, Check, Column, Scalar
from contracts.model.check_registry import RULES
from contracts.model.database_type_names import family
from contracts.validation.validate_checks import check_rule
from contracts.yaml_reading.problem_report import Report, did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number, is_scalar

_OPTIONS = "logicalTypeOptions"
_ACTED_ON = (
    "minLength", "maxLength", "pattern",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
)  # fmt: skip
_INSTEAD = {
    "format": "say the type by physicalType, and a form of text by pattern",
    "multipleOf": "use a check with the rule condition",
    "timezone": "times are kept as moments in UTC",
    "defaultTimezone": "times are kept as moments in UTC",
}
_AS_CHECK = "use a check of the source's column, under schema[0].quality"


def constraint_checks(table: CheckedTable, taken: set[str]) -> Iterator[tuple[Section, Check]]:
    """The checks, in the order of the columns, each with its column's section.

    `taken` are the ids of other checks, and grows by those of these.
    """
    for section, column in zip(table.properties, table.columns, strict=True):
        _check_unique(section, column)
        for place, rule, arguments in _promises(section, column):
            check = _check(section, table, column, place, (rule, arguments), taken)
            if check is not None:
                taken.add(check.id)
                yield section, check


def _promises(section: Section, column: Column) -> Iterator[tuple[str, str, dict[str, Argument]]]:
    """What the column promises: where it is said, and the rule with its arguments."""
    options = section.child(_OPTIONS)
    if options is not None:
        _check_options(options)
        lengths = {
            name: options.integer(key)
            for name, key in (("min", "minLength"), ("max", "maxLength"))
            if options.has(key)
        }
        if lengths:
            yield _OPTIONS, "length", dict(lengths)
        if options.has("pattern"):
            yield f"{_OPTIONS}.pattern", "matches", {"pattern": _pattern(options)}
        bounds = _bounds(options, column)
        if bounds:
            yield _OPTIONS, "between", bounds
    if section.has("enum"):
        yield "enum", "in_set", {"values": _listed(section)}


def _check_options(options: Section) -> None:
    for key in options.value:
        if key in _ACTED_ON:
            continue
        hint = _INSTEAD.get(key) or did_you_mean(key, _ACTED_ON)
        options.problem(key, "has no effect", hint)


def _pattern(options: Section) -> str:
    pattern = options.text("pattern")
    if pattern and not re.search(r"^\^.*(?<!\\)\$$", pattern, re.DOTALL):
        options.problem(
            "pattern", "must say that it matches whole values", "begin it with ^ and end it with $"
        )
    return pattern


def _bounds(options: Section, column: Column) -> dict[str, Argument]:
    bounds: dict[str, Argument] = {}
    whole = family(column.type) == "integer"
    for name, key, step in (("low", "minimum", 1), ("high", "maximum", -1)):
        excluded = f"exclusive{key.capitalize()}"
        if options.has(key):
            bound = _scalar(options, key)
            bounds.update({} if bound is None else {name: bound})
        if options.has(excluded):
            value = options.value[excluded]
            if options.has(key):
                options.problem(excluded, f"{key} is said as well", "leave one out")
            elif not (is_number(value) and float(value).is_integer() and whole):
                options.problem(
                    excluded, "is checked of whole numbers", "use a check with the rule condition"
                )
            else:
                bounds[name] = int(value) + step
    return bounds


def _scalar(options: Section, key: str) -> Scalar:
    value = options.value[key]
    if is_scalar(value) and isinstance(value, str | int | float):
        return value
    options.problem(key, "must be a single value")
    return None


def _listed(section: Section) -> tuple[Scalar, ...]:
    values = []
    for entry in section.children("enum", required=True):
        value = entry.value.get("value")
        if isinstance(value, str | int | float):
            values.append(value)
        else:
            entry.problem("value", "must be a single value")
    return tuple(values)


def _check(
    section: Section,
    table: CheckedTable,
    column: Column,
    place: str,
    promise: tuple[str, Mapping[str, Argument]],
    taken: set[str],
) -> Check | None:
    rule, arguments = promise
    if rule == "in_set" and column.transformation.name in ("decode", "literal"):
        _check_fixed(section, column, arguments["values"])
        return None
    if column.transformation.name != "direct":
        made = "Strandline" if is_generated(column) else column.transformation.name
        section.problem(place, f"is not checked of what {made} gives", _AS_CHECK)
        return None
    if table.source is None or len(column.sources) != 1:
        return None
    identifier = identifier_or(
        Section({}, section.path, section.report), _name(column, rule), taken
    )
    check = Check(identifier, rule, column.sources, arguments)
    quiet = Section({}, "", Report(section.report.file))
    check_rule(quiet, check, RULES[rule], table.source)
    for problem in quiet.report.problems:
        if (
            not problem.path.startswith("columns")
            or "the source has no column" not in problem.message
        ):
            section.problem(place, problem.message, problem.suggestion)
    return None if quiet.report.problems else check


def _name(column: Column, rule: str) -> str:
    return f"{column.name}_{rule}"


def _check_fixed(section: Section, column: Column, listed: Argument) -> None:
    """The values that a column can have are known from the contract: none may be missing."""
    given = column.transformation.arguments
    codes = given.get("codes")
    values = {*codes.values()} if isinstance(codes, Mapping) else set()
    values |= {_single(given[name]) for name in ("otherwise", "value") if name in given}
    missing = values - {*(listed if isinstance(listed, tuple) else ())}
    if missing:
        words = ", ".join(sorted(str(value) for value in missing))
        section.problem("enum", f"lacks what {column.transformation.name} gives", f"list {words}")


def _single(argument: Argument) -> Scalar:
    return None if isinstance(argument, (tuple, Mapping)) else argument


def _check_unique(section: Section, column: Column) -> None:
    if section.flag("unique", default=False) and column.transformation.name != "surrogate_key":
        section.problem(
            "unique",
            "a history has several versions of a row, with equal values",
            "use a check with the rule unique, over the rows of a batch",
        )
