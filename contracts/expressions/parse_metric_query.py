"""The query of a check of the standard's type `sql`, as a figure over the rows of a batch.

Promise: the query is one SELECT of one aggregate over the table of the contract. It is read, never
run: DISTINCT, grouping, joins and subqueries are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlglot import exp

from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.expression_tree import Aggregate, Call, Constant, Expression, nodes
from contracts.expressions.parse_condition import Syntax, only
from contracts.expressions.refused_syntax import not_listed
from contracts.expressions.sql_reader import read_sql
from contracts.yaml_reading.problem_report import did_you_mean

_FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Count: "count",
    exp.CountIf: "count_if",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}
_PLACEHOLDER = re.compile(r"\$?\{\s*([A-Za-z_]\w*)\s*\}")
_TABLE_WORDS = ("object", "table", "model", "schema")
_COLUMN_WORDS = ("property", "column", "field")
_HOW = "write SELECT <aggregate> FROM ${object}, with WHERE if needed"
_CLAUSES = {
    "distinct": "DISTINCT", "group": "GROUP BY", "joins": "a join", "laterals": "a lateral view",
    "with_": "WITH", "having": "HAVING", "limit": "LIMIT", "order": "ORDER BY", "locks": "FOR",
    "windows": "a window", "qualify": "QUALIFY", "hint": "a hint", "sample": "TABLESAMPLE",
    "pivots": "a pivot",
}  # fmt: skip


def parse_metric_query(text: str, tables: Collection[str] = (), column: str = "") -> Expression:
    """The figure that the query asks for; `bind` checks its types.

    Args:
        text: The query; `${object}` stands for the table, `${property}` for the column.
        tables: The names the table may have; the first is its name. None: any, since the query
            was read before and has no placeholders.
        column: The column that the check belongs to; empty for a check of the table.

    Raises:
        ExpressionError: It can't be read, or has a part that is not listed.
    """
    resolved = resolve_placeholders(text, next(iter(tables)), column) if tables else text
    tree = read_sql(resolved)
    if not isinstance(tree, exp.Select):
        raise ExpressionError(found="is not one SELECT", suggestion=_HOW)
    _refuse_clauses(tree, {"expressions", "from_", "where"})
    names = _table(tree.args.get("from_"), tables)
    if len(tree.expressions) != 1:
        raise ExpressionError(
            found="selects more than one value", suggestion="write one check per value"
        )
    (projection,) = tree.expressions
    if isinstance(projection, exp.Alias):
        projection = projection.this
    where = tree.args.get("where")
    condition = Syntax(names).expression(where.this) if isinstance(where, exp.Where) else None
    figure = _Figures(names, condition).expression(projection)
    if not any(isinstance(node, Aggregate) for node in nodes(figure)):
        raise ExpressionError(found="has no aggregate", suggestion=_HOW)
    return figure


def resolve_placeholders(text: str, table: str, column: str = "") -> str:
    """The query with the names that its placeholders stand for, quoted.

    Raises:
        ExpressionError: A placeholder is unknown, or stands for a column where there is none.
    """

    def resolved(match: re.Match[str]) -> str:
        word = match[1].lower()
        if word in _TABLE_WORDS:
            return _quoted(table)
        if word in _COLUMN_WORDS and column:
            return _quoted(column)
        if word in _COLUMN_WORDS:
            raise ExpressionError(
                found=f"{match[0]} stands for a column, and the check belongs to none",
                suggestion="move it to the quality of a property",
            )
        known = (*_TABLE_WORDS, *_COLUMN_WORDS)
        raise ExpressionError(
            found=f"unknown placeholder {match[0]}", suggestion=did_you_mean(word, known)
        )

    return _PLACEHOLDER.sub(resolved, text)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True, slots=True)
class _Figures(Syntax):
    """The reader of what is selected. The rows are those that meet `where`; None for all."""

    where: Expression | None

    def expression(self, node: exp.Expression) -> Expression:
        """An aggregate, or an operator or function over aggregates and literals."""
        if isinstance(node, (*_FUNCTIONS, exp.Filter)):
            return self._aggregate(node)
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
            raise ExpressionError(
                found=f"the column {node.name} stands outside of an aggregate",
                suggestion=f"such as max({node.name})",
            )
        return Syntax.expression(self, node)

    def _aggregate(self, node: exp.Expression) -> Aggregate:
        rows, where = Syntax(self.tables), self.where
        if isinstance(node, exp.Filter):
            only(node, {"this", "expression"})
            condition = rows.expression(node.args["expression"].this)
            where = condition if where is None else Call("and", (where, condition))
            node = node.this
        function = _FUNCTIONS.get(type(node))
        if function is None:
            raise not_listed(node)
        only(node, {"this", "big_int"})
        if function == "count" and isinstance(node.this, exp.Star):
            return Aggregate(function, None, where)
        operand = rows.expression(node.this)
        if function == "count" and isinstance(operand, Constant) and operand.value is not None:
            return Aggregate(function, None, where)
        return Aggregate(function, operand, where)


def _refuse_clauses(tree: exp.Select, known: set[str]) -> None:
    for key, value in tree.args.items():
        if key not in known and value not in (None, False, []):
            raise ExpressionError(
                found=f"{_CLAUSES.get(key, key.strip('_'))} is not listed here", suggestion=_HOW
            )


def _table(origin: exp.Expression | None, tables: Collection[str]) -> frozenset[str]:
    """The names that may stand before a column."""
    table = origin.this if isinstance(origin, exp.From) else None
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise ExpressionError(
            found="reads no table" if table is None else "reads a query", suggestion=_HOW
        )
    for key, value in table.args.items():
        if key not in ("this", "db", "catalog", "alias") and value not in (None, False, []):
            raise ExpressionError(
                found=f"{_CLAUSES.get(key, key)} is not listed here", suggestion=_HOW
            )
    name = ".".join(part.name for part in table.parts)
    known = {each.casefold() for each in tables}
    if known and name.casefold() not in known:
        raise ExpressionError(
            found=f"reads {name}, not the table of the contract", suggestion="use ${object}"
        )
    alias = table.args.get("alias")
    if alias is None:
        return frozenset({table.name})
    only(alias, {"this"})
    if not isinstance(alias.this, exp.Identifier):
        raise not_listed(alias)
    return frozenset({alias.name})
