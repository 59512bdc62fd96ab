"""Values of every column type: strategies, what they mean, and other forms of the same meaning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import total_ordering
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st


@total_ordering
class NotANumber:
    """NaN as Spark orders it: equal to itself, greater than every number."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotANumber)

    def __lt__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "NaN"


def meaning(value: Any) -> Any:
    """The value in a form in which `==` means equality; a map is a list of pairs."""
    if isinstance(value, float):
        return NotANumber() if math.isnan(value) else value + 0.0
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, dict):
        return tuple((name, meaning(value[name])) for name in sorted(value))
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return frozenset((meaning(key), meaning(part)) for key, part in value)
    if isinstance(value, list):
        return tuple(meaning(item) for item in value)
    return value


def rank(value: Any) -> tuple[bool, bool, Any]:
    """A sort key over meanings: null first, NaN last, strings and bytes as bytes."""
    return (value is not None, isinstance(value, NotANumber), 0 if value is None else value)


def twin(value: Any) -> Any:
    """Another form of the same meaning where there is one: -0.0, -NaN, map entries reversed."""
    if isinstance(value, float) and (value == 0.0 or math.isnan(value)):
        return -value
    if isinstance(value, dict):
        return {name: twin(part) for name, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return [(twin(key), twin(part)) for key, part in reversed(value)]
    if isinstance(value, list):
        return [twin(item) for item in value]
    return value


def near(value: Any, kind: pa.DataType) -> Any:
    """Another value of the type that differs in meaning by little: null from empty, a from A."""
    if value is None or value == empty(kind):
        return empty(kind) if value is None else None
    if pa.types.is_list(kind):
        return [*value[:-1], near(value[-1], kind.value_type)]
    if pa.types.is_map(kind):
        key, last = value[-1]
        return [*value[:-1], (key, near(last, kind.item_type))]
    if pa.types.is_struct(kind):
        last = kind.field(kind.num_fields - 1)
        return {**value, last.name: near(value[last.name], last.type)}
    return _beside(value)


def _beside(value: Any) -> Any:
    if isinstance(value, str):
        return value.swapcase() if value.swapcase() != value else value + " "
    if isinstance(value, datetime):
        return value + MICROSECOND
    if isinstance(value, float):
        return None if math.isnan(value) else math.nan
    return None


_EMPTY: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
    (pa.types.is_boolean, False),
    (pa.types.is_decimal, Decimal(0)),
    (pa.types.is_string, ""),
    (pa.types.is_binary, b""),
    (pa.types.is_date, date(1970, 1, 1)),
    (pa.types.is_list, []),
    (pa.types.is_map, []),
)


def empty(kind: pa.DataType) -> Any:
    """The value that a careless comparison takes for null."""
    if pa.types.is_struct(kind):
        return {part.name: None for part in kind}
    if pa.types.is_timestamp(kind):
        return datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
    return next((nothing for is_kind, nothing in _EMPTY if is_kind(kind)), 0)


@dataclass(frozen=True)
class Kind:
    """A column type: its Arrow type and the values it may have, null aside."""

    arrow: pa.DataType
    values: st.SearchStrategy[Any] = field(repr=False)


def mixed(*special: Any, other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Special values as often as any others."""
    return st.sampled_from(special) | other


MICROSECOND = timedelta(microseconds=1)
SPRING = datetime(2024, 3, 31, 1, tzinfo=UTC)
"""Clocks in Berlin go from 02:00 to 03:00."""
AUTUMN = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
"""It is 02:30 in Berlin, and again one hour later."""
MOMENTS = (SPRING, SPRING - MICROSECOND, AUTUMN, AUTUMN + timedelta(hours=1), AUTUMN + MICROSECOND)
MIDSUMMER = datetime(1582, 10, 15, 12)  # the day after the Julian calendar
EARLY, LATE = datetime(2, 1, 1), datetime(9998, 12, 31)  # a zone away from Python's own limits

BOOLEAN = Kind(pa.bool_(), st.booleans())
TINYINT = Kind(pa.int8(), mixed(0, 127, -128, other=st.integers(-128, 127)))
SMALLINT = Kind(pa.int16(), mixed(0, 2**15 - 1, -(2**15), other=st.integers(-99, 99)))
INT = Kind(pa.int32(), mixed(0, 2**31 - 1, -(2**31), other=st.integers(-99, 99)))
BIGINT = Kind(pa.int64(), mixed(0, 2**53 + 1, 2**63 - 1, -(2**63), other=st.integers(-99, 99)))
_FLOATS = (0.0, -0.0, math.nan, math.inf, -math.inf, 1.5)
FLOAT = Kind(pa.float32(), mixed(*_FLOATS, 2.0**-149, other=st.floats(width=32)))
DOUBLE = Kind(pa.float64(), mixed(*_FLOATS, 5e-324, 0.1 + 0.2, 0.3, other=st.floats()))
MONEY = Kind(
    pa.decimal128(10, 2),
    mixed(Decimal(0), Decimal("-0.00"), Decimal("1.1"), Decimal("1.10"), other=st.decimals(
        -(10**7), 10**7, places=2)),
)  # fmt: skip
EXACT = Kind(
    pa.decimal128(38, 18),
    mixed(Decimal("1e-18"), Decimal("99999999999999999999.999999999999999999"), Decimal(1),
          other=st.decimals(-9, 9, places=18)),
)  # fmt: skip
STRING = Kind(
    pa.string(),
    mixed(
        *("", " ", "a", "a ", "A", "null", "NaN", "\x00", "a.b", '"', "\\", "\n"),
        *("\u00e4", "a\u0308", "\N{GRINNING FACE}", "\ufb03"),
        other=st.text(max_size=4),
    ),
)
BINARY = Kind(pa.binary(), mixed(b"", b"\x00", b"a", b"\xff", other=st.binary(max_size=3)))
DATE = Kind(pa.date32(), mixed(date.min, date.max, date(1970, 1, 1), MIDSUMMER.date(),
                               other=st.dates()))  # fmt: skip
TIMESTAMP = Kind(
    pa.timestamp("us", tz="UTC"),
    mixed(*MOMENTS, MIDSUMMER.replace(tzinfo=UTC),
          other=st.datetimes(EARLY, LATE, timezones=st.just(UTC))),
)  # fmt: skip
TIMESTAMP_NTZ = Kind(
    pa.timestamp("us"),
    mixed(*(moment.replace(tzinfo=None) for moment in MOMENTS), MIDSUMMER,
          other=st.datetimes(EARLY, LATE)),
)  # fmt: skip


def array(item: Kind) -> Kind:
    return Kind(pa.list_(item.arrow), st.lists(st.none() | item.values, max_size=3))


def mapping(key: Kind, value: Kind) -> Kind:
    pairs = st.lists(
        st.tuples(key.values, st.none() | value.values),
        max_size=3,
        unique_by=lambda pair: meaning(pair[0]),
    )
    return Kind(pa.map_(key.arrow, value.arrow), pairs)


def struct(**parts: Kind) -> Kind:
    fields = [pa.field(name, part.arrow) for name, part in parts.items()]
    return Kind(
        pa.struct(fields),
        st.fixed_dictionaries({name: st.none() | part.values for name, part in parts.items()}),
    )
