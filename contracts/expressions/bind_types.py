"""An expression against the types of its columns: what it gives, and that it can be computed.

Promise: a bound expression never needs a conversion that could fail: numbers meet numbers, days
meet instants, and text that is compared with a day or an instant is read as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from contracts.expressions.expression_errors import ExpressionError
from contracts.expressions.expression_tree import (
    Aggregate,
    Call,
    Cast,
    Constant,
    Expression,
    Name,
    nodes,
)
from contracts.expressions.listed_operations import (
    AGGREGATES,
    ANYTHING,
    BINARY,
    BOOLEAN,
    CASTABLE,
    DATE,
    DECIMAL,
    FLOAT,
    INTEGER,
    NULL,
    NUMBERS,
    OPERATIONS,
    TEXT,
    TIMES,
    TIMESTAMP,
    WIDEST,
    Operation,
)
from contracts.expressions.parse_condition import moment
from contracts.yaml_reading.problem_report import did_you_mean

_RANKS = (INTEGER, DECIMAL, FLOAT)
_MOST_DECIMALS = 18
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "in")
_TESTS = (*_COMPARISONS, "is_same", "is_null", "like", "ilike")
_ESCAPED = ("%", "_", "\\")

_NULLS = {
    BOOLEAN: "boolean", INTEGER: "int", TEXT: "string", DATE: "date", TIMESTAMP: "timestamp",
}  # fmt: skip

_Typed = tuple[Expression, str]


def bind(expression: Expression, kinds: Mapping[str, str]) -> tuple[Expression, str]:
    """The expression with its literals in their types, and the class of type it gives.

    Args:
        expression: An expression as it was parsed.
        kinds: The Spark SQL types of the columns it may name.

    Raises:
        ExpressionError: It names an unknown column, or an operand has a type it can't have.
    """
    return _Binder(kinds).bound(expression)


class _Binder:
    """Walks an expression from its leaves up."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds

    def bound(self, expression: Expression) -> _Typed:
        match expression:
            case Name(name):
                return expression, self._column(name)
            case Constant(value):
                return expression, _class_of(value)
            case Cast(operand, kind):
                return self._cast(operand, kind)
            case Aggregate():
                return self._aggregate(expression)
            case Call(operation, operands):
                return _called(operation, [self.bound(each) for each in operands])

    def _column(self, name: str) -> str:
        kind = self.kinds.get(name)
        if kind is None:
            raise ExpressionError(
                found=f"there is no column {name}", suggestion=did_you_mean(name, self.kinds)
            )
        if kind.startswith("decimal"):
            return DECIMAL
        found = CASTABLE.get(kind, BINARY if kind == "binary" else "")
        if not found:
            raise ExpressionError(
                found=f"the column {name} is {kind or 'of no known type'}",
                suggestion="leave it out",
            )
        return found

    def _cast(self, operand: Expression, kind: str) -> _Typed:
        bound, given = self.bound(operand)
        wanted = DECIMAL if kind.startswith("decimal") else CASTABLE[kind]
        numbers, times = {given, wanted} <= NUMBERS, {given, wanted} <= TIMES
        text = TEXT in (given, wanted) and BINARY not in (given, wanted)
        if not (numbers or times or text or given in (NULL, wanted)):
            raise ExpressionError(
                found=f"a {given} can't be cast to {kind}", suggestion="cast text, or leave it out"
            )
        return Cast(bound, kind), wanted

    def _aggregate(self, figure: Aggregate) -> _Typed:
        where = None
        if figure.where is not None:
            where, given = self.bound(figure.where)
            if given != BOOLEAN:
                raise ExpressionError(found=f"WHERE needs a condition, not {_a(given)}")
        if figure.operand is None:
            return Aggregate(figure.function, None, where), INTEGER
        signature = AGGREGATES[figure.function]
        operand = self.bound(figure.operand)
        _check_taken(figure.function, signature, [operand])
        operand = _typed_null(operand, signature.takes[0])
        gives = operand[1] if signature.gives == WIDEST else signature.gives
        return Aggregate(figure.function, operand[0], where), gives


def _called(name: str, operands: Sequence[_Typed]) -> _Typed:
    signature = OPERATIONS[name]
    if signature.alike:
        operands = _as_moments(operands)
    if name in _COMPARISONS and any(kind == NULL for _, kind in operands):
        raise ExpressionError(
            found="a comparison with NULL is never true", suggestion="use IS NULL or IS NOT NULL"
        )
    _check_count(name, signature, len(operands))
    if name in _TESTS and not any(_varies(operand) for operand, _ in operands):
        raise ExpressionError(
            found="compares literals with each other",
            suggestion="write a column without quotes, or in backticks",
        )
    if name == "case":
        return _chosen(operands)
    _check_taken(name, signature, operands)
    operands = [
        _typed_null(operand, signature.takes[min(position, len(signature.takes) - 1)])
        for position, operand in enumerate(operands)
    ]
    if signature.alike:
        _check_alike(name, operands)
    call = Call(name, tuple(operand for operand, _ in operands))
    _check_constants(call, signature)
    if signature.gives != WIDEST:
        return call, signature.gives
    given = _widest([kind for _, kind in operands])
    if name == "round":
        given = operands[0][1]
    return call, FLOAT if name == "/" and given == INTEGER else given


def _chosen(operands: Sequence[_Typed]) -> _Typed:
    """CASE: conditions and values in turn, and perhaps a last value."""
    pairs = len(operands) // 2
    conditions = [operands[2 * number] for number in range(pairs)]
    values = [operands[2 * number + 1] for number in range(pairs)]
    values += [operands[-1]] if len(operands) % 2 else []
    for _, given in conditions:
        if given not in (BOOLEAN, NULL):
            raise ExpressionError(found=f"case needs a condition after WHEN, not {_a(given)}")
    values = list(_as_moments(values))
    _check_alike("case", values)
    ordered: list[Expression] = []
    for number, condition in enumerate(conditions):
        ordered += [_typed_null(condition, frozenset({BOOLEAN}))[0], values[number][0]]
    if len(operands) % 2:
        ordered.append(values[-1][0])
    return Call("case", tuple(ordered)), _widest([kind for _, kind in values])


def _as_moments(operands: Sequence[_Typed]) -> list[_Typed]:
    """Text literals as days or instants, where they stand beside such values."""
    kinds = {kind for _, kind in operands}
    if not kinds & TIMES or TEXT not in kinds:
        return list(operands)
    result: list[_Typed] = []
    for operand, kind in operands:
        if kind == TEXT and isinstance(operand, Constant):
            day = TIMESTAMP not in kinds and len(str(operand.value).strip()) <= len("2024-01-31")
            wanted = DATE if day else TIMESTAMP
            result.append((moment(operand, wanted), wanted))
        else:
            result.append((operand, kind))
    return result


def _varies(expression: Expression) -> bool:
    """Whether it names a column or has an aggregate."""
    return any(isinstance(node, Name | Aggregate) for node in nodes(expression))


def _typed_null(operand: _Typed, wanted: frozenset[str]) -> _Typed:
    """A NULL with the type that is wanted in its place, since an operator may insist on one."""
    if operand[1] != NULL or wanted == ANYTHING:
        return operand
    found = next(name for name in _NULLS if name in wanted)
    return Cast(operand[0], _NULLS[found]), found


def _check_count(name: str, signature: Operation, count: int) -> None:
    least = len(signature.takes) if signature.least is None else signature.least
    if count < least or (not signature.more and count > len(signature.takes)):
        raise ExpressionError(
            found=f"{name} has {count} operand(s)", suggestion=f"it takes {least} or more"
        )


def _check_taken(name: str, signature: Operation, operands: Sequence[_Typed]) -> None:
    for position, (_, given) in enumerate(operands):
        wanted = signature.takes[min(position, len(signature.takes) - 1)]
        if given != NULL and given not in wanted:
            raise ExpressionError(
                found=f"{name} takes {_list(wanted)}, not {_a(given)}", suggestion=_advice(wanted)
            )


def _check_alike(name: str, operands: Sequence[_Typed]) -> None:
    kinds = [kind for _, kind in operands if kind != NULL]
    for kind in kinds[1:]:
        if not _comparable(kinds[0], kind):
            raise ExpressionError(
                found=f"{name} with {_a(kinds[0])} and {_a(kind)}: they can't be compared",
                suggestion="CAST one of them, or write a literal of the same type",
            )


def _check_constants(call: Call, signature: Operation) -> None:
    for position in signature.constant:
        if position >= len(call.operands):
            continue
        operand = call.operands[position]
        if not isinstance(operand, Constant):
            raise ExpressionError(
                found=f"{call.operation} needs a literal there", suggestion="not an expression"
            )
        if call.operation in ("like", "ilike"):
            _check_pattern(str(operand.value))
        elif isinstance(operand.value, int) and operand.value > _MOST_DECIMALS:
            raise ExpressionError(
                found=f"{call.operation} to {operand.value} places",
                suggestion=f"at most {_MOST_DECIMALS}",
            )


def _check_pattern(pattern: str) -> None:
    """A backslash must make the next character a plain one, or the pattern could not be used."""
    position = 0
    while (position := pattern.find("\\", position)) >= 0:
        if pattern[position + 1 : position + 2] not in _ESCAPED:
            raise ExpressionError(
                found="a pattern of LIKE has a backslash before an ordinary character",
                suggestion=r"write \\ for a backslash, \% and \_ for those characters",
            )
        position += 2


def _comparable(one: str, other: str) -> bool:
    return one == other or {one, other} <= NUMBERS or {one, other} <= TIMES


def _widest(kinds: Sequence[str]) -> str:
    present = [kind for kind in kinds if kind != NULL]
    if not present:
        return NULL
    if set(present) <= NUMBERS:
        return max(present, key=_RANKS.index)
    if set(present) <= TIMES:
        return TIMESTAMP if TIMESTAMP in present else DATE
    return present[0]


def _class_of(value: object) -> str:
    for kinds, name in (
        (bool, BOOLEAN), (int, INTEGER), (float, FLOAT), (Decimal, DECIMAL), (str, TEXT),
        (datetime, TIMESTAMP), (date, DATE),
    ):  # fmt: skip
        if isinstance(value, kinds):
            return name
    return NULL


def _list(kinds: frozenset[str]) -> str:
    if kinds == NUMBERS:
        return "a number"
    if kinds == TIMES:
        return "a date or timestamp"
    return " or ".join(_a(kind) for kind in sorted(kinds))


def _a(kind: str) -> str:
    if kind == TEXT:
        return "text"
    return "NULL" if kind == NULL else f"an {kind}" if kind == INTEGER else f"a {kind}"


def _advice(wanted: frozenset[str]) -> str:
    if wanted == NUMBERS:
        return "CAST text to decimal(p,s)"
    if wanted & TIMES and not wanted & {TEXT}:
        return "CAST text to date or timestamp"
    return "CAST it to string" if wanted == {TEXT} else "use another column"
