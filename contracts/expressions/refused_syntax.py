"""What to say about a part of an expression that is not on the list."""

from __future__ import annotations

from sqlglot import exp

from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.listed_operations import FUNCTIONS
from contracts.yaml_reading.problem_report import did_you_mean

_CLOCKS = (
    exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Localtimestamp,
)  # fmt: skip
_DRAWN = (exp.Rand, exp.Randn, exp.Uuid, exp.CurrentUser)
_AS_OF = "use the rule not_in_future"
_REPEATED = "leave it out: a check can be repeated"
_INSTEAD = dict.fromkeys(
    (
        "rand", "randn", "random", "uuid", "current_user", "monotonically_increasing_id",
        "spark_partition_id", "input_file_name",
    ),
    _REPEATED,
)  # fmt: skip
_CHANGING = frozenset({*_INSTEAD, "now", "unix_timestamp", "localtimestamp", "curdate", "sysdate"})

_PARTS: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((exp.Window,), "a window function", "a check sees one row, or all rows of the batch"),
    ((exp.Distinct,), "DISTINCT", "use the metric duplicateValues"),
    ((exp.Star,), "a star", "name the columns"),
    ((exp.Placeholder, exp.Parameter), "a parameter", "write the value itself"),
    ((exp.Interval,), "an interval", "add days with date_add(column, days)"),
    ((exp.RegexpLike, exp.RegexpILike), "a regular expression", "use the rule matches, or LIKE"),
    (
        (exp.Query, exp.Subquery, exp.Exists, exp.Table),
        "a query",
        "name columns of this table only; the rule references looks into another one",
    ),
    ((exp.JSONExtract, exp.Bracket, exp.Dot), "access to a part of a value", "read a view instead"),
    (
        (exp.DDL, exp.DML, exp.Command, exp.Drop, exp.Alter, exp.Set, exp.Use),
        "a statement",
        "write a condition on columns, such as amount >= 0",
    ),
)


def not_listed(node: exp.Expression) -> ExpressionError:
    """The error about a node that no expression of a contract may have."""
    name = _name(node)
    if isinstance(node, (*_CLOCKS, *_DRAWN)) or name in _CHANGING:
        return ExpressionError(
            found=f"{name} gives another value at each run",
            suggestion=_INSTEAD.get(name, _AS_OF),
        )
    for kinds, words, suggestion in _PARTS:
        if isinstance(node, kinds):
            return ExpressionError(
                found=f"{words} can't be part of an expression here", suggestion=suggestion
            )
    if isinstance(node, exp.AggFunc):
        return ExpressionError(
            found=f"the aggregate {name} is not listed here",
            suggestion="a check of type sql may have count, count_if, sum, avg, min and max",
        )
    if name:
        return ExpressionError(
            found=f"the function {name} is not listed", suggestion=did_you_mean(name, FUNCTIONS)
        )
    return ExpressionError(
        found=f"{_words(node)} is not listed here",
        suggestion="use comparisons, AND, OR, NOT and listed functions",
    )


def unknown_option(node: exp.Expression, option: str) -> ExpressionError:
    """The error about an option of a listed operator or function."""
    name = _name(node) if isinstance(node, exp.Func) else _words(node)
    return ExpressionError(
        found=f"{name} with {option.strip('_')} is not listed", suggestion="leave the option out"
    )


def _name(node: exp.Expression) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    return str(node.sql_name()).lower() if isinstance(node, exp.Func) else ""


def _words(node: exp.Expression) -> str:
    """The parser's name of a construct, as words: `BitwiseAnd` is `bitwise and`."""
    name = type(node).__name__
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
