"""Spark types of columns, from the names that a contract carries; needs no running Spark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.model import Column, ProtectionKind

_PLAIN: Mapping[str, type[T.DataType]] = MappingProxyType(
    {
        "boolean": T.BooleanType,
        "tinyint": T.ByteType,
        "smallint": T.ShortType,
        "int": T.IntegerType,
        "bigint": T.LongType,
        "float": T.FloatType,
        "double": T.DoubleType,
        "date": T.DateType,
        "timestamp": T.TimestampType,
        "string": T.StringType,
        "binary": T.BinaryType,
    }
)
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")


def data_type(name: str) -> T.DataType:
    """The Spark type of a name such as `decimal(10,2)` or `array<struct<a:string,b:int>>`.

    Raises:
        ContractError: The name is unknown.
    """
    if name in _PLAIN:
        return _PLAIN[name]()
    match = _DECIMAL.match(name)
    if match:
        return T.DecimalType(int(match[1]), int(match[2]))
    if name.startswith("array<") and name.endswith(">"):
        return T.ArrayType(data_type(name[len("array<") : -1]))
    if name.startswith("map<") and name.endswith(">"):
        key, value = _split(name[len("map<") : -1])
        return T.MapType(data_type(key), data_type(value))
    if name.startswith("struct<") and name.endswith(">"):
        parts = [part.partition(":") for part in _split(name[len("struct<") : -1])]
        return T.StructType([T.StructField(field, data_type(kind)) for field, _, kind in parts])
    raise ContractError(
        where=f"type {name}",
        expected="a Spark SQL type",
        found="an unknown one",
        next_step="See contracts/model/database_type_names.py for types that contracts may use.",
    )


def stored_type(column: Column) -> T.DataType:
    """The type in the table: a token is binary; a pseudonym, a mask or a redacted value is text.

    A generalised value keeps its type. Iceberg has no whole number smaller than int.
    """
    if column.protection is None or column.protection.kind is ProtectionKind.GENERALISE:
        kind = data_type(column.type)
        return T.IntegerType() if isinstance(kind, T.ByteType | T.ShortType) else kind
    if column.protection.kind is ProtectionKind.ENCRYPT:
        return T.BinaryType()
    return T.StringType()


def _split(text: str) -> list[str]:
    """The parts between the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
