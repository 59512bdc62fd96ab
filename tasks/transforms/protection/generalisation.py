"""Coarser values of the same type: the first day of a month or year, the lower bound of a band.

Promise: a result tells no more of a value than its month, its year or its band, and every value
that is not null has one. Generalisation is the technique of that name of the Article 29 Working
Party's opinion 05/2014, 3.2; of one column alone it makes nobody anonymous (GDPR, recital 26).
"""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model import Period
from tasks.transforms.mapping.typed_literals import base, is_float, is_integer

_DAY_SECONDS = 86_400
_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_MOST_BANDS = 2.0**53
"""Beyond so many widths from zero, neighbouring doubles are further apart than one."""


def first_day(value: Column, kind: str, period: Period) -> Column:
    """The first day of the value's month or year; null for null.

    Args:
        value: A date, or a timestamp, whose month is that of UTC, whatever the session's zone.
        kind: Its Spark SQL type. The result has it too; a timestamp is midnight, UTC.
        period: Month or year.
    """
    if kind == "date":
        return F.trunc(value, str(period))
    days = F.floor(F.unix_seconds(value) / _DAY_SECONDS).cast("int")
    first = F.trunc(F.date_from_unix_date(days), str(period))
    return F.timestamp_seconds(F.unix_date(first).cast("bigint") * _DAY_SECONDS)


def band(value: Column, kind: str, width: Decimal) -> Column:
    """The greatest multiple of `width` that is not above the value; null for null.

    The result has the value's type `kind`. Where the multiple is below what the type can hold, it
    is the least value of the type. Of doubles, NaN stays NaN, and all values beyond 2**53 widths,
    infinities too, share the outermost band.
    """
    if is_float(kind):
        # Not by a remainder: that of a tiny negative number is lost, and the number would stay.
        quotient = value.cast("double") / F.lit(float(width))
        bounded = F.least(F.greatest(quotient, F.lit(-_MOST_BANDS)), F.lit(_MOST_BANDS))
        lower = F.floor(bounded).cast("double") * F.lit(float(width))
        # Of a null, `least` and `greatest` would give the bound.
        return F.when(F.isnan(value), value).when(value.isNotNull(), lower.cast(kind))
    if is_integer(kind):
        step = F.lit(int(width)).cast("bigint")
        number, least = value.cast("bigint"), F.lit(-(2 ** (_BITS[kind] - 1)))
    else:
        step = F.lit(width).cast(kind)
        number, least = value, F.lit(_least_decimal(kind))
    lower = F.try_subtract(number, F.pmod(number, step)).try_cast(kind)
    return F.when(value.isNotNull(), F.coalesce(lower, least.cast(kind)))


def _least_decimal(kind: str) -> Decimal:
    precision, scale = (int(part) for part in kind.removeprefix(base(kind)).strip("()").split(","))
    return Decimal((1, (9,) * precision, -scale))
