"""The limit of a metric: in the standard's words, and in our own `at_most`."""

from __future__ import annotations

from contracts.model import Comparison, Threshold, Unit
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section, is_number

_RANGES = (Comparison.BETWEEN, Comparison.NOT_BETWEEN)
_WHOLE = 100
_EXAMPLE = "such as mustBe: 0"


def read_threshold(entry: Section, *, counts_rows: bool, shares: bool) -> Threshold | None:
    """The one limit of an entry of the standard; None after a problem.

    Args:
        entry: The entry.
        counts_rows: The metric is a number of rows, so that no limit is below zero. Otherwise it
            is any figure, true and false count as 1 and 0, and a unit is only words.
        shares: The metric may be a share of the rows in percent.
    """
    given = [each for each in Comparison if entry.has(each)]
    if not given:
        entry.report.add(entry.path, "a metric needs a limit", _EXAMPLE)
        return None
    if len(given) > 1:
        entry.problem(
            given[1], f"a metric has one limit; there is {given[0]} too", "write a second check"
        )
        return None
    unit = _unit(entry, counts_rows=counts_rows, shares=shares)
    values = _values(entry, given[0], counts_rows=counts_rows)
    if values is None or unit is None:
        return None
    if counts_rows and any(value < 0 for value in values):
        entry.problem(given[0], "must be at least 0")
    if counts_rows and unit is Unit.PERCENT and any(value > _WHOLE for value in values):
        entry.problem(given[0], "must be at most 100 percent")
    return Threshold(given[0], values, unit)


def read_at_most(section: Section) -> Threshold | None:
    """Our own limit of the rows that may fail: `at_most: {percent: 5}` or `{rows: 10}`."""
    limit = section.child("at_most")
    if limit is None:
        return None
    limit.only(("percent", "rows"))
    if limit.has("percent") == limit.has("rows"):
        section.problem("at_most", "is a percentage or a number of rows", "at_most: {percent: 5}")
        return None
    if limit.has("percent"):
        percent = limit.number("percent", high=_WHOLE)
        return Threshold(Comparison.LESS_OR_EQUAL, (percent,), Unit.PERCENT)
    return Threshold(Comparison.LESS_OR_EQUAL, (float(limit.integer("rows")),))


def _unit(entry: Section, *, counts_rows: bool, shares: bool) -> Unit | None:
    word = entry.text("unit", default=Unit.ROWS)
    known = list(Unit) if shares else [Unit.ROWS]
    if word in known:
        return Unit(word)
    if not counts_rows:
        return Unit.ROWS
    if word == Unit.PERCENT:
        entry.problem("unit", "is a share of all rows, and they are what is counted", "rows")
    elif word:
        entry.problem("unit", f"unknown unit {word}", did_you_mean(word, known))
    return None


def _values(
    entry: Section, comparison: Comparison, *, counts_rows: bool
) -> tuple[float, ...] | None:
    value = entry.value[comparison]
    if comparison in _RANGES:
        if isinstance(value, list) and [is_number(item) for item in value] == [True, True]:
            low, high = (float(item) for item in value)
            if low <= high:
                return low, high
        entry.problem(comparison, "must be two numbers, the lower one first", "[0, 10]")
        return None
    if is_number(value) or (isinstance(value, bool) and not counts_rows):
        return (float(value),)
    entry.problem(comparison, "must be a number" if counts_rows else "must be a number or a flag")
    return None
