r"""Values as text with their type and length, so that different values have different texts.

Promise: the encoding is injective on values that Spark distinguishes, and equal for values that
Spark treats as equal. It depends on no session time zone, no locale, no Java version and no map
order.

The encoding, version 1. `framed(x)` is a netstring without its comma: the length of `x` in UTF-8
octets in decimal, a colon, `x`. A value that is not null has a tag of one letter and a body:

===============================  ===  =====================================================
type                             tag  body
===============================  ===  =====================================================
integers, decimal                n    decimal digits; no exponent, no trailing zeros
float, double                    f    XXH64 (seed 42) of the 8 octets of the double, little
                                      endian, as a signed decimal; -0.0 as 0.0, one NaN
string, char, varchar            s    the text itself, not normalised
boolean                          b    `true` or `false`
date                             d    days since 1970-01-01
timestamp                        t    microseconds since 1970-01-01T00:00:00Z
timestamp_ntz                    u    `yyyy-MM-dd HH:mm:ss[.f]`, no trailing zeros
binary                           x    upper-case hexadecimal
array                            a    each element: `framed(tag body)`, null as `-`
struct                           r    each field that is not null, by name in code point order:
                                      `framed(name) framed(tag body)`
map                              m    the entries `framed(key) item`, in octet order, where item
                                      is an element as in an array
===============================  ===  =====================================================

XXH64 is a bijection on eight octets: it stands for the bits of a double, which Spark can't write
down otherwise (the text of a double differs between Java releases).

A row is encoded like the body of a struct. Null columns are left out, so that adding a nullable
column to a contract changes no fingerprint until the column has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import ContractError

NULL = "-"


def framed(text: Column) -> Column:
    """The text after its length in octets; null for null."""
    return F.concat(F.octet_length(text).cast("string"), F.lit(":"), text)


def framed_text(text: str) -> str:
    """The same for text of the program's own."""
    return f"{len(text.encode())}:{text}"


def tagged(value: Column, kind: T.DataType) -> Column:
    """Tag and body of the value; null for null.

    Raises:
        ContractError: The type has no encoding (interval, variant, time).
    """
    if isinstance(kind, T.ArrayType):
        return F.concat(F.lit("a"), _joined(_items(value, kind.elementType)))
    if isinstance(kind, T.MapType):
        return F.concat(F.lit("m"), _joined(_entries(value, kind)))
    if isinstance(kind, T.StructType):
        parts = {field.name: tagged(value[field.name], field.dataType) for field in kind.fields}
        return F.when(value.isNotNull(), F.concat(F.lit("r"), _joined(_fields(parts))))
    return _atom(value, kind)


def row(columns: Mapping[str, Column]) -> Column:
    """The encoding of a row from the tagged values of its columns, never null.

    Each expression occurs three times: pass plain columns, not computations.
    """
    parts = [
        F.when(columns[name].isNull(), F.lit("")).otherwise(
            F.concat(F.lit(framed_text(name)), framed(columns[name]))
        )
        for name in sorted(columns)
    ]
    return F.concat(*parts) if parts else F.lit("")


def _atom(value: Column, kind: T.DataType) -> Column:
    for spark_type, letter, body in _ATOMS:
        if isinstance(kind, spark_type):
            return F.when(value.isNotNull(), F.concat(F.lit(letter), body(value, kind)))
    raise ContractError(
        where=f"a column of type {kind.simpleString()}",
        expected="a type whose values can be encoded: number, text, boolean, date, timestamp, "
        "binary, or an array, struct or map of those",
        found=kind.simpleString(),
        next_step="Cast the column to one of these types in the contract.",
    )


def _printed(value: Column, _kind: T.DataType) -> Column:
    return value.cast("string")


def _plain(value: Column, kind: T.DataType) -> Column:
    text = value.cast("string")
    if isinstance(kind, T.DecimalType) and kind.scale > 0:
        return F.regexp_replace(text, r"\.?0+$", "")
    return text


_ATOMS: tuple[tuple[type[T.DataType], str, Callable[[Column, T.DataType], Column]], ...] = (
    (T.NullType, "n", _printed),
    (T.IntegralType, "n", _printed),
    (T.DecimalType, "n", _plain),
    (T.FractionalType, "f", lambda value, _: F.xxhash64(value.cast("double")).cast("string")),
    (T.StringType, "s", _printed),
    (T.CharType, "s", _printed),
    (T.VarcharType, "s", _printed),
    (T.BooleanType, "b", _printed),
    (T.DateType, "d", lambda value, _: F.unix_date(value).cast("string")),
    (T.TimestampType, "t", lambda value, _: F.unix_micros(value).cast("string")),
    (T.TimestampNTZType, "u", _printed),
    (T.BinaryType, "x", lambda value, _: F.hex(value)),
)


def _item(tagged_value: Column) -> Column:
    return F.coalesce(framed(tagged_value), F.lit(NULL))


def _joined(parts: Column) -> Column:
    return F.array_join(parts, "")


def _items(value: Column, kind: T.DataType) -> Column:
    # Two passes, so that the second mentions a variable twice and not a whole computation.
    return F.transform(F.transform(value, lambda each: tagged(each, kind)), _item)


def _entries(value: Column, kind: T.MapType) -> Column:
    entries = F.transform(
        F.map_entries(value),
        lambda entry: F.struct(
            tagged(entry["key"], kind.keyType).alias("key"),
            tagged(entry["value"], kind.valueType).alias("value"),
        ),
    )
    return F.array_sort(
        F.transform(entries, lambda entry: F.concat(framed(entry["key"]), _item(entry["value"])))
    )


def _fields(parts: Mapping[str, Column]) -> Column:
    fields = [
        F.struct(F.lit(framed_text(name)).alias("name"), parts[name].alias("tagged"))
        for name in sorted(parts)
    ]
    present = F.filter(F.array(*fields), lambda field: field["tagged"].isNotNull())
    return F.transform(present, lambda field: F.concat(field["name"], framed(field["tagged"])))
