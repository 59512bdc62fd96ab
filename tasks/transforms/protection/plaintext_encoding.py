"""The plaintext that is encrypted for a value, and the value with its type from the plaintext.

Promise: every value is restored as it was, whatever the session's time zone. A plaintext is a tag
of one letter and the value's text in UTF-8 (binary: its octets). The tag states its type, so that
a column whose type was widened since still decrypts.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from tasks.transforms.mapping.typed_literals import base, is_float, is_integer, is_text

_JSON = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    "timeZone": "UTC",
    "ignoreNullFields": "false",
}
_NESTED = frozenset({"array", "struct", "map"})
_TAGS = {
    "decimal": "n",
    "dec": "n",
    "numeric": "n",
    "boolean": "b",
    "date": "d",
    "timestamp": "t",
    "timestamp_ltz": "t",
    "timestamp_ntz": "u",
    "binary": "x",
}


def tag(kind: str) -> str:
    """The letter of a Spark SQL type; types with one letter decrypt into each other."""
    if is_integer(kind):
        return "n"
    if is_float(kind):
        return "f"
    if is_text(kind):
        return "s"
    return "j" if base(kind) in _NESTED else _TAGS[base(kind)]


def plaintext(value: Column, kind: str) -> Column:
    """The value of Spark SQL type `kind` as BINARY, tag first; null for null."""
    letter = tag(kind)
    if letter == "x":
        body = value
    elif letter == "t":
        body = F.unix_micros(value).cast("string").cast("binary")
    elif letter == "d":
        body = F.unix_date(value).cast("string").cast("binary")
    elif letter == "j":
        wrapped = F.to_json(F.struct(value.alias("v")), _JSON)
        body = F.when(value.isNotNull(), wrapped).cast("binary")
    else:
        body = value.cast("string").cast("binary")
    return F.concat(F.lit(letter.encode()), body)


def value_of(plain: Column, kind: str) -> Column:
    """The value of type `kind` from a plaintext that carries the tag of that type.

    A value that is too large for a narrower type stops the query with a message that does not
    show it.
    """
    letter = tag(kind)
    octets = F.substring(plain, F.lit(2), F.octet_length(plain))
    if letter == "x":
        return octets
    text = octets.cast("string")
    if letter == "t":
        return F.timestamp_micros(text.try_cast("bigint")).cast(kind)
    if letter == "d":
        return F.date_from_unix_date(text.try_cast("int"))
    if letter == "j":
        return F.from_json(text, f"struct<v:{kind}>", _JSON)["v"]
    value = text.try_cast(kind)
    lost = value.isNull() & plain.isNotNull()
    failure = F.raise_error(F.lit(f"a decrypted value does not fit the type {kind}"))
    return F.when(lost, failure.cast(kind)).otherwise(value)
