"""SQL text to the syntax tree of the SQL parser, with its limits, and without its surprises."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlglot import exp, parse
from sqlglot.errors import ParseError, SqlglotError

from contracts.expressions.expression_errors import ExpressionError

DIALECT = "spark"
MOST_CHARACTERS = 4_000
MOST_LEVELS = 60
"""How deep an expression may be nested; whoever walks it needs a few calls per level."""

# It warns of statements that it does not know, with their text. All statements are refused here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def read_sql(text: str) -> exp.Expression:
    """The one statement or expression of the text.

    Raises:
        ExpressionError: It can't be read, is too long or nested too deeply, or is not one.
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(
            found=f"is longer than {MOST_CHARACTERS} characters",
            suggestion="split it into several checks",
        )
    try:
        found = [each for each in parse(text, dialect=DIALECT) if each is not None]
    except ParseError as error:
        raise ExpressionError(
            found=_described(error), suggestion="write it as Spark SQL does"
        ) from None
    except RecursionError:
        raise ExpressionError(
            found="is nested too deeply", suggestion="split it into several checks"
        ) from None
    except (SqlglotError, ValueError, AttributeError, TypeError, IndexError):
        raise ExpressionError(
            found="can't be read as SQL", suggestion="write it as Spark SQL does"
        ) from None
    if len(found) != 1:
        wrong = "is empty" if not found else "has more than one statement"
        raise ExpressionError(found=wrong, suggestion="write one expression, without a semicolon")
    (tree,) = found
    if not isinstance(tree, exp.Expression):
        raise ExpressionError(found="can't be read as SQL", suggestion="write it as Spark SQL does")
    if _depth(tree) > MOST_LEVELS:
        raise ExpressionError(
            found="is nested too deeply", suggestion="split it into several checks"
        )
    return tree


def _described(error: ParseError) -> str:
    detail = error.errors[0] if error.errors else {}
    line, column = detail.get("line"), detail.get("col")
    place = f" near line {line}, column {column}" if line and column else ""
    return f"can't be read as SQL{place}"


def _depth(tree: exp.Expression) -> int:
    """The levels of the tree; a chain of AND or of OR is one."""
    deepest = 0
    pending: list[tuple[exp.Expression, int]] = [(tree, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        for child in _children(node):
            chained = type(child) is type(node) and isinstance(node, exp.And | exp.Or)
            pending.append((child, level if chained else level + 1))
    return deepest


def _children(node: exp.Expression) -> Iterator[exp.Expression]:
    for child in node.iter_expressions():
        if isinstance(child, exp.Expression):
            yield child
