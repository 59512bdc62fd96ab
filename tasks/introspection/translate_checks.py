"""CHECK constraints of PostgreSQL as promises of a contract, where they mean exactly the same.

A constraint holds where its condition is not false, and so does a check of a contract: null passes.
What is joined by AND is translated part by part.

Promise: a part that is not known to mean the same in Spark is not translated, and is counted.
Ordering of text (it depends on a collation), regular expressions, arithmetic and functions but the
length of a text are among these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from contracts.expressions import ExpressionError, bind, names_in, parse_condition
from contracts.expressions.listed_operations import BOOLEAN
from contracts.model.source_relation import CheckConstraint, RelationColumn
from tasks.source.postgresql_to_spark_types import natural_type

__all__ = ["ColumnPromise", "TranslatedChecks", "translated_checks"]

_WHOLE = ("smallint", "int", "bigint")
_TEXTS = re.compile(r"^(?:text|character varying(?:\(\d+\))?|character\((\d+)\))$")
_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.GTE: ">=", exp.GT: ">", exp.LTE: "<=", exp.LT: "<", exp.EQ: "=", exp.NEQ: "<>",
}  # fmt: skip
_TURNED = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "=": "=", "<>": "<>"}
_PLAIN_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
_VALUE = "value"
_TEXT_CASTS = ("TEXT", "VARCHAR", "BPCHAR")
_NUMBERS = ("SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE")
_INTEGERS = ("SMALLINT", "INT", "BIGINT")

Literal = str | int | float


@dataclass(slots=True)
class ColumnPromise:
    """What a column promises in the standard's own keys; a bound is included."""

    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[Literal, ...] | None = None

    def at_least(self, bound: float) -> None:
        """Promise a least value, beside what is promised already."""
        self.minimum = bound if self.minimum is None else max(self.minimum, bound)

    def at_most(self, bound: float) -> None:
        """Promise a greatest value, beside what is promised already."""
        self.maximum = bound if self.maximum is None else min(self.maximum, bound)

    def one_of(self, values: Sequence[Literal]) -> None:
        """Promise a list, beside what is promised already."""
        before = self.values
        listed = values if before is None else [value for value in values if value in before]
        self.values = tuple(dict.fromkeys(listed))


@dataclass(frozen=True, slots=True)
class TranslatedChecks:
    """What constraints became.

    Attributes:
        promises: By column, what is promised of its values.
        conditions: By constraint, the parts that are conditions over columns.
        untranslated: The constraints of which a part is not translated.
    """

    promises: Mapping[str, ColumnPromise] = field(default_factory=dict)
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untranslated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    kinds: Mapping[str, RelationColumn]
    stands_for_value: str

    def of(self, node: exp.Expr | None) -> RelationColumn | None:
        """The column that an expression is, behind casts that change nothing of it."""
        casts: list[exp.Expr] = []
        while isinstance(node, exp.Paren | exp.Cast):
            casts += [node.args["to"]] if isinstance(node, exp.Cast) else []
            node = node.this
        if not isinstance(node, exp.Column):
            return None
        name = node.name
        if self.stands_for_value:
            name = self.stands_for_value if name.lower() == _VALUE else ""
        column = self.kinds.get(name)
        if column is None or not all(_keeps(column, cast) for cast in casts):
            return None
        return column


def translated_checks(
    checks: Sequence[CheckConstraint], columns: Sequence[RelationColumn]
) -> TranslatedChecks:
    """The promises that some constraints are.

    Args:
        checks: The constraints, as all rows meet them.
        columns: The columns that the contract will have.
    """
    kinds = {column.name: column for column in columns}
    promises: dict[str, ColumnPromise] = {}
    conditions: dict[str, tuple[str, ...]] = {}
    untranslated = []
    for check in checks:
        known = _Columns(kinds, check.column)
        tree = _tree(check.condition)
        parts = [] if tree is None else [*_parts(tree)]
        said = []
        complete = bool(parts)
        for part in parts:
            if _promised(part, known, promises):
                continue
            text = _condition(part, known)
            if text is None or not _is_accepted(text, kinds):
                complete = False
            else:
                said.append(text)
        if said:
            conditions[check.name] = (*conditions.get(check.name, ()), *said)
        if not complete:
            untranslated.append(check.name)
    return TranslatedChecks(promises, conditions, tuple(dict.fromkeys(untranslated)))


def _tree(condition: str) -> exp.Expr | None:
    try:
        return parse_one(condition, read="postgres")
    except SqlglotError:
        return None


def _parts(node: exp.Expr) -> Iterator[exp.Expr]:
    bare = node.unnest()
    if isinstance(bare, exp.And):
        yield from _parts(bare.this)
        yield from _parts(bare.expression)
    else:
        yield bare


def _bare(node: exp.Expr | None) -> exp.Expr | None:
    """Without parentheses, and without casts that keep each constant of the type as it is."""
    while isinstance(node, exp.Paren | exp.Cast):
        if isinstance(node, exp.Cast) and _kind(node.args["to"]) not in (*_TEXT_CASTS, *_NUMBERS):
            return node
        node = node.this
    return node


def _kind(to: exp.Expr) -> str:
    """The name of a cast's type; empty where it has a length or digits, which may cut."""
    return "" if to.expressions else to.this.name if hasattr(to.this, "name") else ""


def _keeps(column: RelationColumn, to: exp.Expr) -> bool:
    """Whether a cast to that type keeps each value of the column, and how it compares."""
    kind, natural = _kind(to), natural_type(column)
    if _is_text(column):
        return kind in _TEXT_CASTS
    if column.kind != "base":
        return False
    wider = {
        "smallint": ("SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE"),
        "int": ("INT", "BIGINT", "DECIMAL", "DOUBLE"),
        "bigint": ("BIGINT", "DECIMAL"),
        "float": ("FLOAT", "DOUBLE"),
        "double": ("DOUBLE",),
    }
    return kind in wider.get(natural, ("DECIMAL",) if natural.startswith("decimal") else ())


def _is_text(column: RelationColumn) -> bool:
    return column.kind == "base" and bool(_TEXTS.match(column.type))


def _is_number(column: RelationColumn) -> bool:
    kind = natural_type(column)
    return column.kind == "base" and (kind in (*_WHOLE, "float", "double") or "decimal(" in kind)


def _literal(node: exp.Expr | None, column: RelationColumn) -> Literal | None:
    """The constant that a column is compared with, where it means the same in Spark."""
    bare = _bare(node)
    negative = isinstance(bare, exp.Neg)
    bare = _bare(bare.this) if isinstance(bare, exp.Neg) else bare
    if not isinstance(bare, exp.Literal):
        return None
    if _is_number(column):
        number = _number(bare.name)
        rounded = node is not None and any(
            _kind(cast.args["to"]) in _INTEGERS for cast in node.find_all(exp.Cast)
        )
        # A cast to whole numbers rounds; 0.1 as `real` is another number than 0.1.
        if isinstance(number, float) and (rounded or natural_type(column) == "float"):
            return None
        return -number if number is not None and negative else number
    if not bare.is_string or negative or not _is_text(column):
        return None
    text = bare.name
    if "\\" in text:  # an escape in one of the two languages, and none in the other
        return None
    width = _TEXTS.match(column.type)
    # A shorter one equals the padded value in PostgreSQL, and does not here.
    padded = width is not None and width[1] is not None and len(text) != int(width[1])
    return None if padded else text


def _number(text: str) -> int | float | None:
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    if not re.fullmatch(r"-?\d{1,9}\.\d{1,6}", text):
        return None
    number = float(text)
    return int(number) if number.is_integer() else number


def _promised(node: exp.Expr, known: _Columns, promises: dict[str, ColumnPromise]) -> bool:
    """Whether the part became a promise of one column."""
    if node.args.get("negate"):
        return False
    column = known.of(node.this)
    if column is not None and isinstance(node, exp.EQ | exp.In):
        values = _listed(node, column)
        if values and column.name:
            promises.setdefault(column.name, ColumnPromise()).one_of(values)
            return True
    found = _compared(node, known)
    if found is None:
        return False
    name, operator, bound, of_length = found
    return _bounded(promises, name, operator, bound, of_length=of_length, column=known.kinds[name])


def _listed(node: exp.Expr, column: RelationColumn) -> tuple[Literal, ...]:
    """The values of `column = ANY (ARRAY[...])` or `column IN (...)`."""
    items: Sequence[exp.Expr] = ()
    if isinstance(node, exp.In):
        items = node.expressions
    elif isinstance(node.expression, exp.Any):
        items = _array_items(node.expression.this)
    values = [_literal(item, column) for item in items]
    present = tuple(value for value in values if value is not None)
    return present if len(present) == len(values) else ()


def _compared(node: exp.Expr, known: _Columns) -> tuple[str, str, Literal, bool] | None:
    """Of a column compared with a constant: its name, the operator, the constant; of its length?"""
    operator = _COMPARISONS.get(type(node))
    if operator is None:
        return None
    left, right = node.this, node.expression
    if isinstance(_bare(left), exp.Literal | exp.Neg):
        left, right, operator = right, left, _TURNED[operator]
    measured = left.unnest()
    if isinstance(measured, exp.Length):
        column, bound = known.of(measured.this), _bare(right)
        # The length of character(n) leaves its blanks out.
        if column is None or not _is_text(column) or column.type.startswith("character("):
            return None
        length = _number(bound.name) if isinstance(bound, exp.Literal) else None
        return None if length is None else (column.name, operator, length, True)
    column = known.of(left)
    constant = None if column is None else _literal(right, column)
    return None if column is None or constant is None else (column.name, operator, constant, False)


def _array_items(node: exp.Expr | None) -> Sequence[exp.Expr]:
    """The items of an array, behind casts of all of them to a type that keeps them."""
    while isinstance(node, exp.Paren | exp.Cast):
        if isinstance(node, exp.Cast):
            of = node.args["to"].expressions
            if len(of) != 1 or _kind(of[0]) not in (*_TEXT_CASTS, *_NUMBERS):
                return ()
        node = node.this
    return node.expressions if isinstance(node, exp.Array) else ()


def _bounded(
    promises: dict[str, ColumnPromise],
    name: str,
    operator: str,
    bound: Literal,
    *,
    of_length: bool,
    column: RelationColumn,
) -> bool:
    if isinstance(bound, str):
        return False
    whole = of_length or natural_type(column) in _WHOLE
    if operator in (">", "<"):
        if not whole or not isinstance(bound, int):
            return False
        bound += 1 if operator == ">" else -1
    if operator == "<>" or (whole and not isinstance(bound, int)):
        return False
    if of_length:
        return _bounded_length(promises, name, operator, int(bound))
    promise = promises.setdefault(name, ColumnPromise())
    if operator in (">=", ">", "="):
        promise.at_least(bound)
    if operator in ("<=", "<", "="):
        promise.at_most(bound)
    return True


def _bounded_length(
    promises: dict[str, ColumnPromise], name: str, operator: str, bound: int
) -> bool:
    if bound < 0:
        return False
    promise = promises.setdefault(name, ColumnPromise())
    if operator in (">=", ">", "="):
        promise.min_length = max(promise.min_length or 0, bound)
    if operator in ("<=", "<", "="):
        least = promise.max_length
        promise.max_length = bound if least is None else min(least, bound)
    return True


def _condition(node: exp.Expr, known: _Columns) -> str | None:
    """The part as the SQL of a contract's condition; None where it may mean something else."""
    node = node.unnest()
    if isinstance(node, exp.And | exp.Or):
        left, right = _condition(node.this, known), _condition(node.expression, known)
        word = "AND" if isinstance(node, exp.And) else "OR"
        return None if left is None or right is None else f"({left} {word} {right})"
    if isinstance(node, exp.Not):
        inner = _condition(node.this, known)
        return None if inner is None else f"NOT ({inner})"
    if isinstance(node, exp.Is):
        column = known.of(node.this)
        if column is None or not isinstance(node.expression, exp.Null):
            return None
        return f"{_name(column)} IS {'NOT ' if node.args.get('negate') else ''}NULL"
    return None if node.args.get("negate") else _comparison(node, known)


def _comparison(node: exp.Expr, known: _Columns) -> str | None:
    if isinstance(node, exp.EQ | exp.In):
        column = known.of(node.this)
        values = _listed(node, column) if column is not None else ()
        if column is not None and values:
            return f"{_name(column)} IN ({', '.join(map(_written, values))})"
    operator = _COMPARISONS.get(type(node))
    if operator is None:
        return None
    left, right = known.of(node.this), known.of(node.expression)
    if left is not None and right is not None:
        return f"{_name(left)} {operator} {_name(right)}" if _alike(left, right, operator) else None
    found = _compared(node, known)
    if found is None:
        return None
    name, turned, bound, of_length = found
    if isinstance(bound, str) and turned not in ("=", "<>"):
        return None
    written = _name(known.kinds[name])
    return f"{f'length({written})' if of_length else written} {turned} {_written(bound)}"


def _alike(left: RelationColumn, right: RelationColumn, operator: str) -> bool:
    """Whether two columns compare in Spark as in PostgreSQL."""
    if _is_number(left) and _is_number(right):
        exact = {natural_type(each) in ("float", "double") for each in (left, right)}
        return len(exact) == 1
    if natural_type(left) in ("date", "timestamp"):
        return left.type.partition("(")[0] == right.type.partition("(")[0]
    return _is_text(left) and left.type == right.type and operator in ("=", "<>")


def _is_accepted(text: str, kinds: Mapping[str, RelationColumn]) -> bool:
    """Whether a contract may say it, and it is about a column."""
    types = {name: natural_type(column) for name, column in kinds.items()}
    try:
        expression = parse_condition(text)
        _, gives = bind(expression, types)
    except ExpressionError:
        return False
    return gives == BOOLEAN and bool(names_in(expression))


def _name(column: RelationColumn) -> str:
    """The column as a condition names it: quoted where it is a word of SQL, or no word."""
    quoted = "`" + column.name.replace("`", "``") + "`"
    if not _PLAIN_NAME.match(column.name):
        return quoted
    try:
        plain = names_in(parse_condition(f"{column.name} IS NULL")) == (column.name,)
    except ExpressionError:
        plain = False
    return column.name if plain else quoted


def _written(value: Literal) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
