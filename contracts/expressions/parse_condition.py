"""A condition of a contract, allow-listed SQL, as a tree: what is not on the list is refused.

Promise: each kind of syntax, and each option of it, is on a list here. A part of the text that
this module does not know is an error, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlglot import exp

from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.expression_tree import Call, Cast, Constant, Expression, Name
from contracts.expressions.listed_operations import CASTABLE
from contracts.expressions.refused_syntax import not_listed, unknown_option
from contracts.expressions.sql_reader import read_sql

_MOST_DIGITS = 38
_NULL = Constant(None)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a node of the parser is a call.

    Attributes:
        operation: The call's name.
        operands: The parser's names of its operands, in order; a list counts as several.
        options: Other names that may have a value, since it changes nothing.
    """

    operation: str
    operands: tuple[str, ...] = ("this", "expression")
    options: frozenset[str] = frozenset()


_SAFE = frozenset({"safe", "typed"})
_FORMS: Mapping[type[exp.Expression], _Form] = {
    exp.EQ: _Form("="),
    exp.NEQ: _Form("<>"),
    exp.LT: _Form("<"),
    exp.LTE: _Form("<="),
    exp.GT: _Form(">"),
    exp.GTE: _Form(">="),
    exp.NullSafeEQ: _Form("is_same"),
    exp.Not: _Form("not", ("this",)),
    exp.Like: _Form("like"),
    exp.ILike: _Form("ilike"),
    exp.Add: _Form("+"),
    exp.Sub: _Form("-"),
    exp.Mul: _Form("*"),
    exp.Div: _Form("/", options=_SAFE),
    exp.Mod: _Form("%"),
    exp.Neg: _Form("negate", ("this",)),
    exp.In: _Form("in", ("this", "expressions")),
    exp.Coalesce: _Form("coalesce", ("this", "expressions")),
    exp.Nullif: _Form("nullif"),
    exp.Greatest: _Form("greatest", ("this", "expressions"), frozenset({"ignore_nulls"})),
    exp.Least: _Form("least", ("this", "expressions"), frozenset({"ignore_nulls"})),
    exp.Abs: _Form("abs", ("this",)),
    exp.Round: _Form("round", ("this", "decimals")),
    exp.Floor: _Form("floor", ("this",)),
    exp.Ceil: _Form("ceil", ("this",)),
    exp.Length: _Form("length", ("this",)),
    exp.Lower: _Form("lower", ("this",)),
    exp.Upper: _Form("upper", ("this",)),
    exp.Concat: _Form("concat", ("expressions",), _SAFE),
    exp.DPipe: _Form("concat", options=_SAFE),
    exp.Replace: _Form("replace", ("this", "expression", "replacement")),
    exp.Substring: _Form("substring", ("this", "start", "length")),
    exp.Left: _Form("left"),
    exp.Right: _Form("right"),
    exp.StartsWith: _Form("starts_with"),
    exp.EndsWith: _Form("ends_with"),
    exp.Contains: _Form("contains"),
    exp.Year: _Form("year", ("this",)),
    exp.Quarter: _Form("quarter", ("this",)),
    exp.Month: _Form("month", ("this",)),
    exp.Day: _Form("day", ("this",)),
    exp.DayOfMonth: _Form("day", ("this",)),
    exp.Hour: _Form("hour", ("this",)),
    exp.Minute: _Form("minute", ("this",)),
    exp.Second: _Form("second", ("this",)),
    exp.TsOrDsToDate: _Form("to_date", ("this",), _SAFE),
}
_EXTRACTED = ("year", "quarter", "month", "day", "hour", "minute", "second")
_TYPES = {
    "TINYINT": "tinyint", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint",
    "FLOAT": "float", "DOUBLE": "double", "BOOLEAN": "boolean", "TEXT": "string",
    "DATE": "date", "TIMESTAMPTZ": "timestamp", "TIMESTAMP": "timestamp", "DECIMAL": "decimal",
}  # fmt: skip


def parse_condition(text: str) -> Expression:
    """The expression that the text is, whatever its type; `bind` checks that.

    Raises:
        ExpressionError: It can't be read, or has a part that is not listed.
    """
    return to_expression(read_sql(text), frozenset())


def to_expression(node: exp.Expression, tables: frozenset[str]) -> Expression:
    """The parser's node as an expression over one row.

    Args:
        node: Any node.
        tables: The names that may stand before a column.

    Raises:
        ExpressionError: It has a part that is not listed.
    """
    return Syntax(tables).expression(node)


@dataclass(frozen=True, slots=True)
class Syntax:
    """The reader of nodes over one row. `tables` may stand before a column."""

    tables: frozenset[str]

    def expression(self, node: exp.Expression) -> Expression:
        """The node as an expression.

        Raises:
            ExpressionError: It has a part that is not listed.
        """
        form = _FORMS.get(type(node))
        if form is not None:
            return self._call(node, form)
        special = _SPECIAL.get(type(node))
        if special is None:
            raise not_listed(node)
        return special(self, node)

    def _call(self, node: exp.Expression, form: _Form) -> Expression:
        known = {*form.operands, *form.options, "negate"}
        only(node, known)
        operands: list[Expression] = []
        for key in form.operands:
            value = node.args.get(key)
            listed = value if isinstance(value, list) else [value] if value is not None else []
            operands += [self._operand(node, each) for each in listed]
        call = Call(form.operation, tuple(operands))
        return Call("not", (call,)) if node.args.get("negate") else call

    def _operand(self, node: exp.Expression, operand: object) -> Expression:
        if not isinstance(operand, exp.Expression):
            raise not_listed(node)
        return self.expression(operand)

    def chain(self, node: exp.Expression) -> Expression:
        """AND and OR: all that are joined by the same one are operands of one call."""
        only(node, {"this", "expression"})
        parts: list[Expression] = []
        pending = [node]
        while pending:
            part = pending.pop()
            if type(part) is type(node):
                only(part, {"this", "expression"})
                pending += [part.args["expression"], part.args["this"]]
            else:
                parts.append(self.expression(part))
        return Call("and" if isinstance(node, exp.And) else "or", tuple(parts))

    def inside(self, node: exp.Expression) -> Expression:
        """What parentheses hold."""
        only(node, {"this"})
        return self._operand(node, node.this)

    def column(self, node: exp.Expression) -> Expression:
        """A column, by its name alone or after the one table there is."""
        only(node, {"this", "table"})
        if not isinstance(node.this, exp.Identifier):
            raise not_listed(node.this if isinstance(node.this, exp.Expression) else node)
        table = node.text("table")
        if table and table not in self.tables:
            raise ExpressionError(
                found=f"{table}.{node.name} is not a column of this table",
                suggestion=f"did you mean {node.name}?",
            )
        return Name(node.name)

    def between(self, node: exp.Expression) -> Expression:
        """BETWEEN: both bounds are included."""
        only(node, {"this", "low", "high"})
        value, low, high = (
            self._operand(node, node.args.get(key)) for key in ("this", "low", "high")
        )
        return Call("and", (Call(">=", (value, low)), Call("<=", (value, high))))

    def is_(self, node: exp.Expression) -> Expression:
        """IS NULL, IS TRUE and IS FALSE."""
        only(node, {"this", "expression"})
        value, other = self._operand(node, node.this), node.args.get("expression")
        if isinstance(other, exp.Null):
            return Call("is_null", (value,))
        if isinstance(other, exp.Boolean):
            return Call("is_same", (value, Constant(bool(other.this))))
        raise not_listed(node)

    def differs(self, node: exp.Expression) -> Expression:
        """IS DISTINCT FROM."""
        same = self._call(node, _Form("is_same"))
        return Call("not", (same,))

    def case(self, node: exp.Expression) -> Expression:
        """CASE, with or without a value to compare with."""
        only(node, {"this", "ifs", "default"})
        subject = node.args.get("this")
        compared = self._operand(node, subject) if subject is not None else None
        operands: list[Expression] = []
        for branch in node.args.get("ifs") or ():
            only(branch, {"this", "true"})
            when = self._operand(branch, branch.this)
            operands += [
                when if compared is None else Call("=", (compared, when)),
                self._operand(branch, branch.args.get("true")),
            ]
        if (default := node.args.get("default")) is not None:
            operands.append(self._operand(node, default))
        return Call("case", tuple(operands))

    def if_(self, node: exp.Expression) -> Expression:
        """IF(condition, one, other)."""
        only(node, {"this", "true", "false"})
        parts = [node.args.get(key) for key in ("this", "true", "false")]
        return Call("case", tuple(self._operand(node, each) for each in parts if each is not None))

    def cast(self, node: exp.Expression) -> Expression:
        """CAST, TRY_CAST and typed literals, all of which give null for what does not fit."""
        only(node, {"this", "to", "safe"})
        kind = _spark_type(node.args["to"])
        operand = self._operand(node, node.this)
        if kind in ("date", "timestamp") and isinstance(operand, Constant):
            return moment(operand, kind)
        return Cast(operand, kind)

    def extract(self, node: exp.Expression) -> Expression:
        """EXTRACT(part FROM value)."""
        only(node, {"this", "expression"})
        part = node.name.lower()
        if part not in _EXTRACTED:
            raise ExpressionError(
                found=f"extract of {part} is not listed", suggestion="use " + ", ".join(_EXTRACTED)
            )
        return Call(part, (self._operand(node, node.args.get("expression")),))

    def trim(self, node: exp.Expression) -> Expression:
        """TRIM, LTRIM and RTRIM of spaces."""
        only(node, {"this", "position"})
        names = {"": "trim", "BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
        position = str(node.args.get("position") or "").upper()
        return Call(names[position], (self._operand(node, node.this),))

    def days_added(self, node: exp.Expression) -> Expression:
        """DATE_ADD and DATE_SUB, in days."""
        only(node, {"this", "expression", "unit"})
        _in_days(node)
        operands = (self._operand(node, node.args.get(key)) for key in ("this", "expression"))
        return Call("date_add", tuple(operands))

    def days_between(self, node: exp.Expression) -> Expression:
        """DATEDIFF and DATE_DIFF, in days."""
        only(node, {"this", "expression", "unit"})
        _in_days(node)
        operands = (self._operand(node, node.args.get(key)) for key in ("this", "expression"))
        return Call("date_diff", tuple(operands))

    def literal(self, node: exp.Expression) -> Expression:
        """A text or a number."""
        only(node, {"this", "is_string"})
        if node.args.get("is_string"):
            return Constant(str(node.this))
        return Constant(_number(str(node.this)))

    def boolean(self, node: exp.Expression) -> Expression:
        """TRUE or FALSE."""
        return Constant(bool(node.this))

    def null(self, _node: exp.Expression) -> Expression:
        """NULL."""
        return _NULL


_SPECIAL: Mapping[type[exp.Expression], Callable[[Syntax, exp.Expression], Expression]] = {
    exp.And: Syntax.chain,
    exp.Or: Syntax.chain,
    exp.Paren: Syntax.inside,
    exp.Column: Syntax.column,
    exp.Between: Syntax.between,
    exp.Is: Syntax.is_,
    exp.NullSafeNEQ: Syntax.differs,
    exp.Case: Syntax.case,
    exp.If: Syntax.if_,
    exp.Cast: Syntax.cast,
    exp.TryCast: Syntax.cast,
    exp.Extract: Syntax.extract,
    exp.Trim: Syntax.trim,
    exp.TsOrDsAdd: Syntax.days_added,
    exp.DateDiff: Syntax.days_between,
    exp.Literal: Syntax.literal,
    exp.Boolean: Syntax.boolean,
    exp.Null: Syntax.null,
}


def only(node: exp.Expression, known: set[str]) -> None:
    """Refuse what else a node has.

    Raises:
        ExpressionError: It has an option that is not listed.
    """
    for option, value in node.args.items():
        if option in known or value is None or value is False or value == []:
            continue
        if option == "query" and isinstance(value, exp.Expression):
            raise not_listed(value)
        raise unknown_option(node, option)


def moment(constant: Constant, kind: str) -> Constant:
    """A text as a day or an instant; without a zone it is UTC.

    Raises:
        ExpressionError: It is neither.
    """
    try:
        instant = datetime.fromisoformat(str(constant.value))
    except ValueError:
        form = "'2024-01-31'" if kind == "date" else "'2024-01-31 12:00:00'"
        raise ExpressionError(
            found=f"a text is no {kind}", suggestion=f"write it as {form}"
        ) from None
    if kind == "date":
        return Constant(date(instant.year, instant.month, instant.day))
    return Constant(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _in_days(node: exp.Expression) -> None:
    unit = node.text("unit").lower()
    if unit not in ("", "day"):
        raise ExpressionError(
            found=f"a difference in {unit} is not listed", suggestion="count in days"
        )


def _number(text: str) -> int | float | Decimal:
    if text.isdigit() and len(text) < _MOST_DIGITS // 2:
        return int(text)
    if "e" in text.lower():
        return float(text)
    exact = Decimal(text)
    if len(exact.as_tuple().digits) > _MOST_DIGITS:
        raise ExpressionError(
            found=f"a number has more than {_MOST_DIGITS} digits", suggestion="write 1e40"
        )
    return exact


def _spark_type(node: object) -> str:
    if not isinstance(node, exp.DataType):
        raise ExpressionError(found="a cast to this type is not listed", suggestion=_casts())
    word = str(getattr(node.this, "value", node.this))
    kind = _TYPES.get(word.upper(), "")
    sizes = [str(each.this) for each in node.expressions if isinstance(each, exp.DataTypeParam)]
    digits = [int(each) for each in sizes if each.isdigit()]
    if kind == "decimal" and len(digits) in (1, 2) and len(digits) == len(node.expressions):
        precision, scale = digits[0], digits[1] if len(digits) > 1 else 0
        if 1 <= precision <= _MOST_DIGITS and scale <= precision:
            return f"decimal({precision},{scale})"
    if kind in CASTABLE and not node.expressions:
        return kind
    raise ExpressionError(found=f"a cast to {word.lower()} is not listed", suggestion=_casts())


def _casts() -> str:
    return f"use {', '.join(CASTABLE)} or decimal(p,s)"
