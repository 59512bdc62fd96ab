"""A condition on rows as SQL text: for a view of Spark, or for a filter of AWS Lake Formation.

Promise: the text is built from the tree, never passed on. Only what each engine can enforce is
written: comparisons of one column with literals, IN, LIKE, IS NULL, AND, OR, NOT. A filter that
one engine can't enforce would be a hole where that engine reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from contracts.expressions.bind_types import bind
from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.expression_tree import Call, Constant, Expression, Name, Value
from contracts.expressions.listed_operations import BOOLEAN
from contracts.expressions.parse_condition import parse_condition

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ADVICE = "compare columns with literals: =, <>, <, <=, >, >=, IN, LIKE, IS NULL, AND, OR, NOT"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes names and literals.

    Attributes:
        name: As messages call it.
        quoted: A column's name as an identifier.
        text: A text as a literal.
        moment: A day or an instant as a literal; None: the engine compares with none.
        bare_flag: Whether a boolean column is a condition by itself.
    """

    name: str
    quoted: Callable[[str], str]
    text: Callable[[str], str]
    moment: Callable[[date], str] | None
    bare_flag: bool


def _backquoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _spark_moment(value: date) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).isoformat(sep=' ')}'"
    return f"DATE '{value.isoformat()}'"


def _double_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SPARK = Dialect("Spark", _backquoted, _escaped, _spark_moment, bare_flag=True)
"""The SQL of Spark, in which Iceberg keeps the views that Strandline creates."""

LAKE_FORMATION = Dialect("Lake Formation", _double_quoted, _doubled, None, bare_flag=False)
"""AWS Lake Formation's subset of PartiQL (Developer Guide, "PartiQL support in row filter
expressions"): one column against constants, of text, numbers and booleans, without functions."""


def row_filter(text: str, kinds: Mapping[str, str]) -> Expression:
    """A condition of a role, read and bound to the types of the columns that it may name.

    Raises:
        ExpressionError: It is no condition, names an unknown column, or has what a row filter
            can't have.
    """
    expression, given = bind(parse_condition(text), kinds)
    if given != BOOLEAN:
        raise ExpressionError(found=f"a row filter is a condition, not {given}")
    row_filter_sql(expression, SPARK)
    return expression


def row_filter_sql(expression: Expression, dialect: Dialect) -> str:
    """The text of a bound row filter.

    Raises:
        ExpressionError: It has what the engine can't enforce.
    """
    return _Writer(dialect).condition(expression)


class _Writer:
    """Writes conditions, each in brackets of its own."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def condition(self, expression: Expression) -> str:
        match expression:
            case Name(name):
                flag = self.dialect.quoted(name)
                return flag if self.dialect.bare_flag else f"{flag} = true"
            case Call("not", (operand,)):
                return f"NOT ({self.condition(operand)})"
            case Call(("and" | "or") as word, operands):
                joint = f" {word.upper()} "
                return joint.join(f"({self.condition(each)})" for each in operands)
            case Call(word, (Name(name), *others)):
                return f"{self.dialect.quoted(name)} {self._test(word, others)}"
            case Call(word, (other, Name(name))) if word in _COMPARISONS:
                turned = _TURNED.get(word, word)
                return f"{self.dialect.quoted(name)} {turned} {self.literal(other)}"
        raise ExpressionError(found="a row filter can't have this", suggestion=_ADVICE)

    def _test(self, word: str, others: Sequence[Expression]) -> str:
        """What follows a column's name."""
        if word == "is_null":
            return "IS NULL"
        if word == "in":
            return f"IN ({', '.join(self.literal(each) for each in others)})"
        if word == "like":
            return f"LIKE {self.literal(others[0])}"
        if word in _COMPARISONS:
            return f"{word} {self.literal(others[0])}"
        raise ExpressionError(found=f"a row filter can't have {word}", suggestion=_ADVICE)

    def literal(self, expression: Expression) -> str:
        if isinstance(expression, Call) and expression.operation == "negate":
            return f"-{self.literal(expression.operands[0])}"
        if not isinstance(expression, Constant) or expression.value is None:
            raise ExpressionError(
                found="a row filter compares columns with literals only", suggestion=_ADVICE
            )
        return self._value(expression.value)

    def _value(self, value: Value) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, date):
            if self.dialect.moment is None:
                raise ExpressionError(
                    found=f"{self.dialect.name} compares with no day and no instant",
                    suggestion="compare text, numbers or booleans",
                )
            return self.dialect.moment(value)
        if isinstance(value, str):
            return self.dialect.text(value)
        if isinstance(value, Decimal):
            return f"{value:f}"
        return repr(value)
