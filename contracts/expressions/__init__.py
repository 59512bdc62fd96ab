"""The SQL that a contract may write in a check: read, limited to what is listed, and typed.

Nothing here runs SQL. Text becomes a small tree of frozen values; whoever runs the check builds
its own expression from that tree and never passes on the text.
"""

from __future__ import annotations

from contracts.expressions.bind_types import bind
from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.expression_tree import (
    Aggregate,
    Call,
    Cast,
    Constant,
    Expression,
    Name,
    Value,
    names_in,
)
from contracts.expressions.parse_condition import parse_condition
from contracts.expressions.parse_metric_query import parse_metric_query, resolve_placeholders
from contracts.expressions.row_filter_sql import (
    LAKE_FORMATION,
    SPARK,
    row_filter,
    row_filter_sql,
)

__all__ = [
    "LAKE_FORMATION",
    "SPARK",
    "Aggregate",
    "Call",
    "Cast",
    "Constant",
    "Expression",
    "ExpressionError",
    "Name",
    "Value",
    "bind",
    "names_in",
    "parse_condition",
    "parse_metric_query",
    "resolve_placeholders",
    "row_filter",
    "row_filter_sql",
]
