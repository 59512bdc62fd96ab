"""Text of a database as values of Spark, where it says a value exactly.

A database other than PostgreSQL is asked for every value as text, so that neither its driver nor
Spark's reader, which know many types only roughly, can change one. This is the grammar of that
text. It is strict: what Spark's own casts would round, cut or guess is no value here.

Promise: a value is what the text says, or null, and then the row tells the text.

ISO 8601 (dates and times with a space or a T, at most six digits of a second that are not zero).
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

__all__ = ["value_of_text"]

_NO_TEXT = "\N{REPLACEMENT CHARACTER}"
_WHOLE = r"^[+-]?[0-9]{1,19}$"
_BINARY_NUMBER = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?Inf(inity)?|NaN)$"
_INFINITE = r"(?i)inf"
_HEXADECIMAL = r"^([0-9A-Fa-f]{2})*$"
_DAY = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = (
    rf"^{_DAY}([ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}}0*)?)?"
    r" ?(Z|[+-][0-9]{2}(:[0-9]{2})?)?)?$"
)


def value_of_text(text: Column, kind: T.DataType) -> Column:
    """The value of a type that the text says; null where it says none, and of null.

    A time without a zone is in UTC. The session's time zone has to be UTC; ANSI mode makes no
    difference.

    Raises:
        TypeError: No text says values of the type.
    """
    said = next((value for each, value in _VALUES if isinstance(kind, each)), None)
    if said is None:
        message = f"no text says values of {kind.simpleString()}"
        raise TypeError(message)
    return said(text, kind)


def _text(text: Column, _: T.DataType) -> Column:
    # A driver puts this sign where the stored bytes are none of the encoding.
    return F.when(~text.contains(_NO_TEXT), text)


def _bytes(text: Column, _: T.DataType) -> Column:
    return F.when(text.rlike(_HEXADECIMAL), F.unhex(text))


def _boolean(text: Column, _: T.DataType) -> Column:
    yes, no = text.isin("1", "TRUE", "true"), text.isin("0", "FALSE", "false")
    return F.when(yes, F.lit(True)).when(no, F.lit(False))


def _whole(text: Column, kind: T.DataType) -> Column:
    return F.when(text.rlike(_WHOLE), text.try_cast(kind))


def _decimal(text: Column, kind: T.DataType) -> Column:
    scale = kind.scale if isinstance(kind, T.DecimalType) else 0
    exact = rf"^[+-]?[0-9]+(\.[0-9]{{0,{scale}}}0*)?$"
    return F.when(text.rlike(exact), text.try_cast(kind))


def _binary_number(text: Column, kind: T.DataType) -> Column:
    value = F.when(text.rlike(_BINARY_NUMBER), text.try_cast(kind))
    finite = F.abs(value) < F.lit(float("inf"))
    # Beyond its range, a cast gives infinity.
    return F.when(finite | F.isnan(value) | text.rlike(_INFINITE), value)


def _date(text: Column, kind: T.DataType) -> Column:
    return F.when(text.rlike(rf"^{_DAY}$"), text.try_cast(kind))


def _timestamp(text: Column, kind: T.DataType) -> Column:
    joined = F.regexp_replace(text, r" (?=[Z+-][^ ]*$)", "")
    seconds = F.regexp_replace(joined, r"([ T][0-9]{2}:[0-9]{2})(?=Z|[+-])", "$1:00")
    zoned = F.regexp_replace(seconds, r"(:[0-9.]+[+-][0-9]{2})$", "$1:00")
    return F.when(text.rlike(_MOMENT), zoned.try_cast(kind))


_VALUES: tuple[tuple[type[T.DataType], Callable[[Column, T.DataType], Column]], ...] = (
    (T.StringType, _text),
    (T.BinaryType, _bytes),
    (T.BooleanType, _boolean),
    (T.IntegralType, _whole),
    (T.DecimalType, _decimal),
    (T.FractionalType, _binary_number),
    (T.DateType, _date),
    (T.TimestampType, _timestamp),
)
"""A decimal is a fractional type, too, so it comes first."""
