"""How far a source has moved away from what the contract says of it."""

from __future__ import annotations

from pyspark.sql import types as T

_WIDER: dict[str, tuple[str, ...]] = {
    "tinyint": ("smallint", "int", "bigint"),
    "smallint": ("int", "bigint"),
    "int": ("bigint",),
    "float": ("double",),
}


def drift(promised: T.StructType, found: T.StructType) -> tuple[str, ...]:
    """What is missing or of a type that can lose values; one sentence each, empty if it fits.

    A narrower type than promised fits, since every value of it can be kept. Columns that the
    contract does not name are of no concern.
    """
    have = {field.name: field.dataType for field in found.fields}
    said = []
    for field in promised.fields:
        if field.name not in have:
            said.append(f"no column {field.name}")
        elif not _fits(field.dataType, have[field.name]):
            was, now = field.dataType.simpleString(), have[field.name].simpleString()
            said.append(f"column {field.name} is {now} instead of {was}")
    return tuple(said)


def _fits(promised: T.DataType, found: T.DataType) -> bool:
    if isinstance(promised, T.DecimalType) and isinstance(found, T.DecimalType):
        whole = promised.precision - promised.scale
        return found.scale <= promised.scale and found.precision - found.scale <= whole
    if isinstance(promised, T.StringType) and isinstance(found, T.VarcharType | T.CharType):
        return True
    wanted, given = promised.simpleString(), found.simpleString()
    return wanted == given or wanted in _WIDER.get(given, ())
