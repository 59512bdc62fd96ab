"""Values from their texts, by Spark SQL type, and what a type can't hold of one."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from tasks.transforms.mapping.typed_literals import EXACT, base, is_text


def is_decimal(kind: str) -> bool:
    """Whether a Spark SQL type is one of decimal numbers."""
    return base(kind) in ("decimal", "dec", "numeric")


def value_of_text(text: Column, kind: str) -> Column:
    """The value of a Spark SQL type that a text has; null if it has none of it."""
    if is_text(kind):
        return text
    if base(kind) == "binary":
        return F.try_to_binary(text, F.lit("base64"))
    return text.try_cast(kind)


def is_lost(text: Column, kind: str) -> Column:
    """Whether the text has a value that the type can't have, or only with another value."""
    value = value_of_text(text, kind)
    lost = value.isNull()
    if is_decimal(kind):
        # A cast would round it.
        lost = lost | (value != text.try_cast(EXACT))
    return text.isNotNull() & F.coalesce(lost, F.lit(False))
