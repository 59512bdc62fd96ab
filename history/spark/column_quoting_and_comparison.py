"""Column expressions the whole engine shares: names taken literally, values made comparable."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T


def quoted(name: str) -> str:
    """The name as a SQL identifier, whatever it contains (dots, spaces, backticks)."""
    return "`" + name.replace("`", "``") + "`"


def named(name: str) -> Column:
    """The column of exactly that name; dots in it do not select a struct's field."""
    return F.col(quoted(name))


def comparable(value: Column, kind: T.DataType) -> Column:
    """The value in a form whose `<=>` means equality.

    Spark compares NaN with NaN and -0.0 with 0.0 as equal, and structs and arrays by value, but
    not maps: a map becomes its entries in the order of their keys, at any depth.
    """
    if not _has_map(kind):
        return value
    if isinstance(kind, T.MapType):
        entries = F.transform(
            F.map_entries(value),
            lambda entry: F.struct(
                comparable(entry["key"], kind.keyType).alias("key"),
                comparable(entry["value"], kind.valueType).alias("value"),
            ),
        )
        return F.array_sort(entries)
    if isinstance(kind, T.ArrayType):
        return F.transform(value, lambda item: comparable(item, kind.elementType))
    if isinstance(kind, T.StructType):
        parts = [comparable(value[f.name], f.dataType).alias(f.name) for f in kind.fields]
        return F.when(value.isNotNull(), F.struct(*parts))
    return value


def _has_map(kind: T.DataType) -> bool:
    if isinstance(kind, T.MapType):
        return True
    if isinstance(kind, T.ArrayType):
        return _has_map(kind.elementType)
    if isinstance(kind, T.StructType):
        return any(_has_map(field.dataType) for field in kind.fields)
    return False


def storable(kind: T.DataType) -> T.DataType:
    """The type as an Iceberg table has it: no integer type is smaller than int."""
    if isinstance(kind, T.ByteType | T.ShortType):
        return T.IntegerType()
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(storable(kind.elementType), kind.containsNull)
    if isinstance(kind, T.MapType):
        key, value = storable(kind.keyType), storable(kind.valueType)
        return T.MapType(key, value, kind.valueContainsNull)
    if isinstance(kind, T.StructType):
        fields = [T.StructField(f.name, storable(f.dataType), f.nullable) for f in kind.fields]
        return T.StructType(fields)
    return kind


def content(names: Iterable[str], schema: T.StructType) -> Column:
    """One struct of the named columns, comparable as a whole."""
    parts = [
        comparable(named(name), schema[name].dataType).alias(f"c{position}")
        for position, name in enumerate(names)
    ]
    return F.struct(*parts) if parts else F.struct(F.lit(0).alias("c0"))


def content_digest(names: Iterable[str], schema: T.StructType) -> Column:
    """One struct that is equal exactly where `content` is, but for one chance in 2^64.

    It has a hash of all columns but those of types that are not known to be hashed by their
    equality, which it has as they are.
    """
    hashed: list[Column] = []
    parts: list[Column] = []
    for position, name in enumerate(names):
        kind = schema[name].dataType
        value = comparable(named(name), kind)
        if _is_hashable(kind):
            hashed += _hashed_parts(value, kind)
        else:
            parts.append(value.alias(f"c{position}"))
    digest = F.xxhash64(*hashed) if hashed else F.lit(0).cast("bigint")
    return F.struct(digest.alias("digest"), *parts)


def is_hashed_whole(names: Iterable[str], schema: T.StructType) -> bool:
    """Whether the `content_digest` of the named columns is their hash and nothing else."""
    return all(_is_hashable(schema[name].dataType) for name in names)


_HASHED_BY_EQUALITY = (
    T.BooleanType,
    T.IntegralType,
    T.FloatType,
    T.DoubleType,
    T.DecimalType,
    T.BinaryType,
    T.DateType,
    T.TimestampType,
    T.TimestampNTZType,
)


def _is_hashable(kind: T.DataType) -> bool:
    if isinstance(kind, T.ArrayType):
        return _is_hashable(kind.elementType)
    if isinstance(kind, T.StructType):
        return all(_is_hashable(field.dataType) for field in kind.fields)
    if isinstance(kind, T.MapType):
        return _is_hashable(kind.keyType) and _is_hashable(kind.valueType)
    if isinstance(kind, T.StringType):
        # By another collation, different bytes may be equal.
        return kind.collation == "UTF8_BINARY"
    return isinstance(kind, _HASHED_BY_EQUALITY)


def _hashed_parts(value: Column, kind: T.DataType) -> list[Column]:
    """What is hashed of a comparable value.

    First whether it is null, since Spark's hash passes over nulls, and how many items it has: so no
    two values have the same parts.
    """
    if isinstance(kind, T.StructType):
        fields = [_hashed_parts(value[each.name], each.dataType) for each in kind.fields]
        return [value.isNull(), *(part for parts in fields for part in parts)]
    if isinstance(kind, T.ArrayType):
        return [value.isNull(), F.size(value), _hashed_items(value, kind.elementType)]
    if isinstance(kind, T.MapType):
        entry = T.StructType(
            [T.StructField("key", kind.keyType), T.StructField("value", kind.valueType)]
        )
        return [value.isNull(), F.size(value), _hashed_items(value, entry)]
    return [value.isNull(), value]


def _hashed_items(value: Column, kind: T.DataType) -> Column:
    return F.transform(value, lambda item: F.struct(*_hashed_parts(item, kind)))


def per(*names: str) -> WindowSpec:
    """A window over all rows that agree in the named columns."""
    return Window.partitionBy(*[named(name) for name in names])


def whole(window: WindowSpec) -> WindowSpec:
    """The same window with a frame from its first to its last row."""
    return window.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)


def same(left: str, right: str, names: Iterable[str]) -> Column:
    """Two aliased frames agree in the named columns, none of which is null."""
    condition = F.lit(True)
    for name in names:
        one, other = f"{left}.{quoted(name)}", f"{right}.{quoted(name)}"
        condition = condition & (F.col(one) == F.col(other))
    return condition


def count_of(condition: Column) -> Column:
    """The aggregate that counts the rows for which the condition holds."""
    return F.count(F.when(condition, 1))


def numbered(names: Iterable[str]) -> Column:
    """One struct of the named columns as they are, its fields r0, r1, ... in their order."""
    parts = [named(name).alias(f"r{position}") for position, name in enumerate(names)]
    return F.struct(*(parts or [F.lit(0).alias("r0")]))


EXACT_JSON = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    "timeZone": "UTC",
}
"""How rows are written as JSON: nulls included, timestamps in UTC to the microsecond."""


def as_json(parts: Iterable[Column]) -> Column:
    """One JSON object of the named parts, nulls included, timestamps in UTC to the microsecond.

    By default Spark writes milliseconds, which makes different timestamps equal.
    """
    return F.to_json(F.struct(*parts), dict(EXACT_JSON))


def as_text(value: Column, kind: T.DataType) -> Column:
    """A value of an ordered type as text that `from_text` makes the same value of."""
    if isinstance(kind, T.TimestampType):
        # A local time would be ambiguous in the hour that a clock repeats.
        return F.unix_micros(value).cast("string")
    return value.cast("string")


def from_text(text: str, kind: T.DataType) -> Column:
    """The literal value that `as_text` wrote as text."""
    if isinstance(kind, T.TimestampType):
        return F.timestamp_micros(F.lit(int(text)))
    return F.lit(text).cast(kind)


def wall_clock_in_utc(value: Column) -> Column:
    """The instant of a timestamp without a zone, read as UTC whatever the session's time zone.

    By its text: a cast goes through the session's zone, in which an hour a year does not exist.
    """
    return F.concat(value.cast("string"), F.lit("Z")).cast("timestamp")
