"""The closed list of operators and functions of a contract's expressions, with their types.

Promise: everything on it depends on its operands alone, so that a row that is judged again is
judged the same. What is not on it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TEXT, BOOLEAN, BINARY, NULL = "text", "boolean", "binary", "null"
INTEGER, DECIMAL, FLOAT = "integer", "decimal", "float"
DATE, TIMESTAMP = "date", "timestamp"

NUMBERS = frozenset({INTEGER, DECIMAL, FLOAT})
TIMES = frozenset({DATE, TIMESTAMP})
ANYTHING = frozenset({TEXT, BOOLEAN, BINARY}) | NUMBERS | TIMES

CASTABLE = {
    "tinyint": INTEGER, "smallint": INTEGER, "int": INTEGER, "bigint": INTEGER,
    "float": FLOAT, "double": FLOAT, "boolean": BOOLEAN, "string": TEXT,
    "date": DATE, "timestamp": TIMESTAMP,
}  # fmt: skip
"""The types a value may be cast to, beside decimal(p,s), and the class of each."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The signature of an operator or function.

    Attributes:
        takes: The classes of types that each operand may have, in order.
        gives: The class of the result: one, or `widest` for the widest of the operands.
        least: How many operands it needs at least; None: all of `takes`.
        more: Whether further operands may follow, each as the last of `takes`.
        alike: Whether all operands have to be comparable with each other.
        constant: The positions of operands that have to be literals.
    """

    takes: tuple[frozenset[str], ...]
    gives: str
    least: int | None = None
    more: bool = False
    alike: bool = False
    constant: frozenset[int] = frozenset()


WIDEST = "widest"

_TEXT, _BOOLEAN = frozenset({TEXT}), frozenset({BOOLEAN})
_INTEGER, _TIMESTAMP = frozenset({INTEGER}), frozenset({TIMESTAMP})
_COMPARED = Operation((ANYTHING, ANYTHING), BOOLEAN, alike=True)
_CALCULATED = Operation((NUMBERS, NUMBERS), WIDEST)
_LIKE = Operation((_TEXT, _TEXT), BOOLEAN, constant=frozenset({1}))
_TEXT_TO_TEXT = Operation((_TEXT,), TEXT)
_FOUND = Operation((_TEXT, _TEXT), BOOLEAN)
_PART = Operation((_TEXT, _INTEGER), TEXT)
_OF_DAY = Operation((TIMES,), INTEGER)
_OF_INSTANT = Operation((_TIMESTAMP,), INTEGER)

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "and": Operation((_BOOLEAN,), BOOLEAN, more=True),
        "or": Operation((_BOOLEAN,), BOOLEAN, more=True),
        "not": Operation((_BOOLEAN,), BOOLEAN),
        "=": _COMPARED,
        "<>": _COMPARED,
        "<": _COMPARED,
        "<=": _COMPARED,
        ">": _COMPARED,
        ">=": _COMPARED,
        "is_same": _COMPARED,
        "is_null": Operation((ANYTHING,), BOOLEAN),
        "in": Operation((ANYTHING, ANYTHING), BOOLEAN, more=True, alike=True),
        "like": _LIKE,
        "ilike": _LIKE,
        "+": _CALCULATED,
        "-": _CALCULATED,
        "*": _CALCULATED,
        "/": _CALCULATED,
        "%": _CALCULATED,
        "negate": Operation((NUMBERS,), WIDEST),
        # Condition and value in turn, and a last value for what meets no condition.
        "case": Operation((_BOOLEAN, ANYTHING), WIDEST, more=True),
        "coalesce": Operation((ANYTHING,), WIDEST, more=True, alike=True),
        "nullif": Operation((ANYTHING, ANYTHING), WIDEST, alike=True),
        "greatest": Operation((ANYTHING, ANYTHING), WIDEST, more=True, alike=True),
        "least": Operation((ANYTHING, ANYTHING), WIDEST, more=True, alike=True),
        "abs": Operation((NUMBERS,), WIDEST),
        "round": Operation((NUMBERS, _INTEGER), WIDEST, least=1, constant=frozenset({1})),
        "floor": Operation((NUMBERS,), INTEGER),
        "ceil": Operation((NUMBERS,), INTEGER),
        "length": Operation((_TEXT,), INTEGER),
        "lower": _TEXT_TO_TEXT,
        "upper": _TEXT_TO_TEXT,
        "trim": _TEXT_TO_TEXT,
        "ltrim": _TEXT_TO_TEXT,
        "rtrim": _TEXT_TO_TEXT,
        "concat": Operation((_TEXT,), TEXT, more=True),
        "replace": Operation((_TEXT, _TEXT, _TEXT), TEXT),
        "substring": Operation((_TEXT, _INTEGER, _INTEGER), TEXT, least=2),
        "left": _PART,
        "right": _PART,
        "starts_with": _FOUND,
        "ends_with": _FOUND,
        "contains": _FOUND,
        "year": _OF_DAY,
        "quarter": _OF_DAY,
        "month": _OF_DAY,
        "day": _OF_DAY,
        "hour": _OF_INSTANT,
        "minute": _OF_INSTANT,
        "second": _OF_INSTANT,
        "to_date": Operation((TIMES,), DATE),
        "date_add": Operation((TIMES, _INTEGER), DATE),
        "date_diff": Operation((TIMES, TIMES), INTEGER),
    }
)
"""By name. `date_diff` is the first day less the second, in days."""

AGGREGATES: Mapping[str, Operation] = MappingProxyType(
    {
        "count": Operation((ANYTHING,), INTEGER, least=0),
        "count_if": Operation((_BOOLEAN,), INTEGER),
        "sum": Operation((NUMBERS,), WIDEST),
        "avg": Operation((NUMBERS,), FLOAT),
        "min": Operation((NUMBERS | TIMES,), WIDEST),
        "max": Operation((NUMBERS | TIMES,), WIDEST),
    }
)
"""The figures over many rows that a query may have."""

FUNCTIONS = (
    "abs", "cast", "ceil", "char_length", "coalesce", "concat", "contains", "date_add", "date_diff",
    "date_sub", "datediff", "day", "endswith", "extract", "floor", "greatest", "hour", "if",
    "least", "left", "length", "lower", "ltrim", "minute", "mod", "month", "nullif", "quarter",
    "replace", "right", "round", "rtrim", "second", "startswith", "substring", "to_date", "trim",
    "try_cast", "upper", "year",
)  # fmt: skip
"""The functions as a contract writes them, for suggestions."""
