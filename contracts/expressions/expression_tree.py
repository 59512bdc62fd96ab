"""The tree that an expression of a contract is read into: five kinds of frozen nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = str | int | float | Decimal | bool | date | datetime | None
"""A literal. A datetime has a time zone; without one in the text it is UTC."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column, as the contract names it."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Value


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or function of `contracts.expressions.listed_operations`, by its name there."""

    operation: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """A value as another Spark SQL type; null where it can't be."""

    operand: Expression
    kind: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A figure over the rows of a batch.

    Attributes:
        function: count, count_if, sum, avg, min or max.
        operand: What it is computed of, per row; None for the rows themselves.
        where: Which rows count; None for all.
    """

    function: str
    operand: Expression | None
    where: Expression | None


Expression: TypeAlias = Name | Constant | Call | Cast | Aggregate


def children(expression: Expression) -> tuple[Expression, ...]:
    """The nodes right below a node."""
    match expression:
        case Call(_, operands):
            return operands
        case Cast(operand, _):
            return (operand,)
        case Aggregate(_, operand, where):
            return tuple(each for each in (operand, where) if each is not None)
        case _:
            return ()


def nodes(expression: Expression) -> Iterator[Expression]:
    """All nodes, each before those below it."""
    yield expression
    for child in children(expression):
        yield from nodes(child)


def names_in(*expressions: Expression) -> tuple[str, ...]:
    """The columns that the expressions name, each once, in the order they occur."""
    found = (node for each in expressions for node in nodes(each))
    return tuple(dict.fromkeys(node.name for node in found if isinstance(node, Name)))
