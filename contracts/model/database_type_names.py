"""Type names of databases, and the Spark SQL types they stand for.

What the lakehouse has no type for, such as an array, an interval or a network, is the text that
the database writes of it.

Promise: a type is either known exactly or refused; no precision is guessed.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

_PLAIN = {
    "boolean": ("boolean", "bool"),
    "tinyint": ("tinyint",),
    "smallint": ("smallint", "int2", "short", "smallserial", "tinyint unsigned", "year"),
    "int": ("integer", "int", "int4", "mediumint", "serial", "smallint unsigned",
            "mediumint unsigned"),
    "bigint": ("bigint", "int8", "long", "bigserial", "int unsigned", "integer unsigned"),
    "decimal(20,0)": ("bigint unsigned",),
    "float": ("real", "float4"),
    "double": ("double precision", "double", "float8", "float"),
    "date": ("date",),
    "timestamp": (
        "timestamp", "timestamptz", "datetime", "datetime2", "timestamp with time zone",
        "timestamp without time zone", "timestamp with local time zone", "datetimeoffset",
    ),
    "string": (
        "string", "text", "varchar", "char", "character", "character varying", "varchar2",
        "nvarchar", "nvarchar2", "nchar", "bpchar", "citext", "name", "clob", "nclob", "tinytext",
        "mediumtext", "longtext", "ntext", "uuid", "uniqueidentifier", "json", "jsonb", "xml",
        "hstore", "interval", "time", "timetz", "time with time zone", "time without time zone",
        "inet", "cidr", "macaddr", "macaddr8", "bit varying", "varbit", "tsvector", "point",
        "line", "lseg", "box", "path", "polygon", "circle", "int4range", "int8range", "numrange",
        "tsrange", "tstzrange", "daterange", "enum", "set", "array",
    ),
    "binary": ("binary", "bytea", "varbinary", "blob", "tinyblob", "mediumblob", "longblob", "raw",
               "image"),
}  # fmt: skip
"""By Spark type, the words for it. Text comes from what has its own type in the database alone."""
_SPARK = {word: spark for spark, words in _PLAIN.items() for word in words}
_SIZED = re.compile(r"^([a-z][a-z0-9 ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)( [a-z ]+)?)?$")
_AS_TEXT = re.compile(
    r"""^(?:
        [a-z][a-z0-9_ .]*(?:\([0-9, ]+\))?(?:\[[0-9]*\])+  # an array of any type
        | (?:enum|set)\s?\(.*\)                            # labels, as MySQL declares them
        | interval\s.+                                      # with its fields
    )$""",
    re.VERBOSE,
)
_NO_PRECISION = ("decimal", "numeric", "number", "dec", "money", "smallmoney")
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_MAX_PRECISION = 38
_RANKS = ("tinyint", "smallint", "int", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}

_EXAMPLES = {
    "numbers": ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DECIMAL(p,s)", "DOUBLE", "REAL"),
    "text": ("TEXT", "VARCHAR(n)", "CHAR(n)", "UUID", "JSON", "JSONB", "XML", "INET", "INTERVAL",
             "TIME", "TEXT[]"),
    "times": ("TIMESTAMP", "TIMESTAMPTZ", "DATETIME", "DATE"),
    "others": ("BOOLEAN", "BYTEA", "BLOB"),
}  # fmt: skip

LOGICAL_TYPES = {
    "string": "string", "integer": "bigint", "boolean": "boolean", "date": "date",
    "timestamp": "timestamp", "time": "string", "array": "string", "object": "string",
}  # fmt: skip
"""The Spark type of a column that says only the standard's `logicalType`; a number has none: its
digits are not known."""

FAMILIES = {
    "boolean": "boolean", "tinyint": "integer", "smallint": "integer", "int": "integer",
    "bigint": "integer", "float": "number", "double": "number", "date": "date",
    "timestamp": "timestamp", "string": "string", "binary": "binary",
}  # fmt: skip


def spark_type(physical: str) -> str | None:
    """The Spark SQL type, such as `decimal(10,2)`, of a type such as `NUMERIC(10, 2)`.

    None when the type is unknown or a decimal lacks its precision.
    """
    words = " ".join(physical.lower().split())
    if _AS_TEXT.match(words):
        return "string"
    match = _SIZED.match(words)
    if match is None:
        return None
    word, first, second, rest = match.groups()
    if word in ("decimal", "numeric", "number", "dec"):
        return _decimal(first, second) if rest is None else None
    return _SPARK.get(word + (rest or ""))


def known_types(physical: str) -> str:
    """What to write instead of a type that is not known."""
    word = physical.lower().split("(")[0].strip()
    if word in _NO_PRECISION:
        return (
            "how many digits? DECIMAL(18,2) refuses the rows of values that do not fit; TEXT takes"
            " every value exactly"
        )
    listed = "; ".join(f"{name}: {', '.join(words)}" for name, words in _EXAMPLES.items())
    close = get_close_matches(word, _SPARK, n=1)
    meant = f"did you mean {close[0].upper()}? " if close else ""
    return (
        f"{meant}{listed}; and TEXT for what has no type of its own in the lakehouse, such as an"
        " enum, a composite or a type of an extension"
    )


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
