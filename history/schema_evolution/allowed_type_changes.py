"""The type changes that Iceberg makes in place: wider types that keep every value."""

from __future__ import annotations

from pyspark.sql import types as T


def same_type(one: T.DataType, other: T.DataType) -> bool:
    """Whether the types are equal, ignoring nullability, which Iceberg tables loosen."""
    return one.simpleString() == other.simpleString()


def can_widen(narrow: T.DataType, wide: T.DataType) -> bool:
    """Whether Iceberg turns the one into the other: int, float, and decimals of equal scale."""
    if isinstance(narrow, T.DecimalType) and isinstance(wide, T.DecimalType):
        return narrow.scale == wide.scale and narrow.precision < wide.precision
    pairs = ((T.IntegerType, T.LongType), (T.FloatType, T.DoubleType))
    return any(isinstance(narrow, one) and isinstance(wide, other) for one, other in pairs)


def wider_type(one: T.DataType, other: T.DataType) -> T.DataType | None:
    """The wider of two types; None where neither can become the other."""
    if same_type(one, other) or can_widen(other, one):
        return one
    return other if can_widen(one, other) else None
