"""Constants of a contract as Spark columns that compare with a source column as intended.

Promise: no bound is rounded to the column's scale, and no cell value is cast where it could raise.
"""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Scalar

_INTEGERS = frozenset({"byte", "tinyint", "short", "smallint", "int", "integer", "long", "bigint"})
_FLOATS = frozenset({"float", "real", "double"})
_DECIMALS = frozenset({"decimal", "dec", "numeric"})
_TEXTS = frozenset({"string", "varchar", "char"})
EXACT = "decimal(38,18)"
"""What text is read as where a number is expected."""


def base(kind: str) -> str:
    """The name of a Spark SQL type without its parameters: `decimal(10,2)` is `decimal`."""
    for position, character in enumerate(kind):
        if character in "(<":
            return kind[:position].strip().lower()
    return kind.strip().lower()


def is_text(kind: str) -> bool:
    """Whether values of the type are text."""
    return base(kind) in _TEXTS


def is_float(kind: str) -> bool:
    """Whether the type is binary floating point, and so has a NaN."""
    return base(kind) in _FLOATS


def is_integer(kind: str) -> bool:
    """Whether the type is one of whole numbers."""
    return base(kind) in _INTEGERS


def is_number(kind: str) -> bool:
    """Whether values of the type are numbers."""
    return base(kind) in _INTEGERS | _FLOATS | _DECIMALS


def exact(value: Scalar) -> Column:
    """A number of the contract as a decimal of just its own digits."""
    return F.lit(Decimal(str(value)))


def constant(value: Scalar, kind: str) -> Column:
    """A constant to compare with a column of type `kind`.

    Numbers stay exact rather than being rounded to the column's scale; anything else is cast to
    the type.
    """
    if value is None:
        return F.lit(None).cast(kind)
    if is_number(kind):
        return exact(value)
    if is_text(kind):
        return F.lit(str(value))
    return F.lit(value).cast(kind)


def always_fits(source: str, target: str) -> bool:
    """Whether every value of type `source` can be cast to `target` and keeps its meaning.

    False when in doubt.
    """
    if source.replace(" ", "").lower() == target.replace(" ", "").lower() or is_text(target):
        return True
    digits, available = _digits(source), _digits(target)
    if digits is not None and available is not None:
        return available[0] >= digits[0] and available[1] >= digits[1]
    return (base(source), base(target)) in _WIDENED


def _digits(kind: str) -> tuple[int, int] | None:
    """Digits before and after the point that a type of exact numbers always has room for."""
    if base(kind) in _DECIMALS:
        precision, _, scale = kind.partition("(")[2].rstrip(") ").partition(",")
        after = int(scale or 0)
        return int(precision or 10) - after, after
    return (_INTEGER_DIGITS[base(kind)], 0) if is_integer(kind) else None


_INTEGER_DIGITS = {
    "byte": 3, "tinyint": 3, "short": 5, "smallint": 5,
    "int": 10, "integer": 10, "long": 19, "bigint": 19,
}  # fmt: skip
_WIDENED = frozenset({("float", "double"), ("real", "double"), ("date", "timestamp")})
