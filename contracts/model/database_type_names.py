"""Type names of databases, and the Spark SQL types they stand for.

Promise: a type is either known exactly or refused; no precision is guessed.
"""

from __future__ import annotations

import re

_PLAIN = {
    "boolean": ("boolean", "bool"),
    "tinyint": ("tinyint",),
    "smallint": ("smallint", "int2", "short"),
    "int": ("integer", "int", "int4", "mediumint"),
    "bigint": ("bigint", "int8", "long"),
    "float": ("real", "float4"),
    "double": ("double precision", "double", "float8", "float"),
    "date": ("date",),
    "timestamp": (
        "timestamp", "timestamptz", "datetime", "timestamp with time zone",
        "timestamp without time zone",
    ),
    "string": (
        "string", "text", "varchar", "char", "character", "character varying", "varchar2",
        "nvarchar", "nchar", "clob", "uuid", "mediumtext", "longtext",
    ),
    "binary": ("binary", "bytea", "varbinary", "blob"),
}  # fmt: skip
_SPARK = {word: spark for spark, words in _PLAIN.items() for word in words}
_SIZED = re.compile(r"^([a-z][a-z0-9 ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)( [a-z ]+)?)?$")
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_MAX_PRECISION = 38
_RANKS = ("tinyint", "smallint", "int", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}

FAMILIES = {
    "boolean": "boolean", "tinyint": "integer", "smallint": "integer", "int": "integer",
    "bigint": "integer", "float": "number", "double": "number", "date": "date",
    "timestamp": "timestamp", "string": "string", "binary": "binary",
}  # fmt: skip


def spark_type(physical: str) -> str | None:
    """The Spark SQL type, such as `decimal(10,2)`, of a type such as `NUMERIC(10, 2)`.

    None when the type is unknown or a decimal lacks its precision.
    """
    match = _SIZED.match(" ".join(physical.lower().split()))
    if match is None:
        return None
    word, first, second, rest = match.groups()
    if word in ("decimal", "numeric", "number", "dec"):
        return _decimal(first, second) if rest is None else None
    return _SPARK.get(word + (rest or ""))


def _decimal(precision: str | None, scale: str | None) -> str | None:
    if precision is None:
        return None
    digits, after = int(precision), int(scale or "0")
    fits = 1 <= digits <= _MAX_PRECISION and after <= digits
    return f"decimal({digits},{after})" if fits else None


def family(spark: str) -> str:
    """The standard's `logicalType` of a Spark type; `binary` has none of its own."""
    if _DECIMAL.match(spark):
        return "number"
    for complex_kind, name in (("array<", "array"), ("struct<", "object"), ("map<", "map")):
        if spark.startswith(complex_kind):
            return name
    return FAMILIES.get(spark, "")


def is_text(spark: str) -> bool:
    """Whether values of the type are text."""
    return spark == "string"


def is_numeric(spark: str) -> bool:
    """Whether values of the type can be calculated with."""
    return family(spark) in ("integer", "number")


def is_temporal(spark: str) -> bool:
    """Whether values of the type are points in time."""
    return spark in ("date", "timestamp")


def comparable(one: str, other: str) -> bool:
    """Whether values of the two types can be compared without turning one into text."""
    same = family(one) == family(other)
    return (
        same or (is_numeric(one) and is_numeric(other)) or (is_temporal(one) and is_temporal(other))
    )


def holds(target: str, source: str) -> bool:
    """Whether the target type can represent every value of the source type without loss."""
    if target in (source, "string"):
        return True
    if source in _RANKS:
        return _holds_integer(target, source)
    wide, narrow = _DECIMAL.match(target), _DECIMAL.match(source)
    if wide and narrow:
        digits, scale = int(wide[1]), int(wide[2])
        return scale >= int(narrow[2]) and digits - scale >= int(narrow[1]) - int(narrow[2])
    return (source, target) in {("date", "timestamp"), ("float", "double")}


def _holds_integer(target: str, source: str) -> bool:
    if target in _RANKS:
        return _RANKS.index(target) >= _RANKS.index(source)
    wide = _DECIMAL.match(target)
    if wide:
        return int(wide[1]) - int(wide[2]) >= _DIGITS[source]
    return target == "double" and source != "bigint"
