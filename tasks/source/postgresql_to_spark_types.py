"""How each type of PostgreSQL is read, so that what arrives is what is stored.

Spark's reader infers types from the driver and loses values on the way: it cuts times to
milliseconds, rounds numbers without a precision, makes a date in the year 9999 of `infinity`, and
fails the whole read on one NaN. So a query never selects a value of such a type. It selects the
value in a type that the reader takes exactly: whole numbers, binary floating point numbers,
decimals of a declared precision, text and bytes. That expression is the column's carrier.

Promise: a carrier loses nothing. A value that it can't carry is null and flagged by
`Carrier.unfit`, so that its row can be refused; a type without a carrier is refused by name.

The session has to set TimeZone UTC, DateStyle ISO, IntervalStyle postgres and an empty
search_path, where a type is read as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from contracts.model.database_type_names import holds
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import COLUMN, Carrier

__all__ = ["Carrier", "carrier", "natural_type", "readable_as"]


def _as_is(spark: str) -> Carrier:
    return Carrier(COLUMN, spark)


def _when(fits: str, value: str, carried: str) -> Carrier:
    return Carrier(f"CASE WHEN {fits} THEN {value} END", carried, fits)


def _microseconds(moment: str) -> str:
    # Exact: the day is a whole number, and a double holds the microseconds of a day. It takes half
    # the time of EXTRACT(EPOCH FROM ...), which calculates in numeric.
    return (
        f"({moment}::date - DATE '1970-01-01') * 86400000000::bigint"
        f" + (date_part('epoch', {moment}::time) * 1000000)::bigint"
    )


# Without a type before it, the literal has the column's type, which applies or ignores the zone.
_MOMENT_FITS = f"{COLUMN} > '-infinity' AND {COLUMN} < '294247-01-01 00:00:00+00'"
_DATE_FITS = f"{COLUMN} > '-infinity' AND {COLUMN} < 'infinity'"

_TEXT = Carrier(f"{COLUMN}::text", "string")
_PLAIN_TEXT = _as_is("string")
"""As it is: a cast of `character` to text would strip its blanks."""
_ONLY_TEXT: Mapping[str, Carrier] = MappingProxyType({"string": _TEXT})

_OFFERED: Mapping[str, Mapping[str, Carrier]] = MappingProxyType(
    {
        # numbers; a wider type of the contract holds them too
        "boolean": {"boolean": _as_is("boolean")},
        "smallint": {"smallint": _as_is("smallint")},
        "integer": {"int": _as_is("int")},
        "bigint": {"bigint": _as_is("bigint")},
        "oid": {"bigint": Carrier(f"{COLUMN}::bigint", "bigint"), "string": _TEXT},
        "real": {"float": _as_is("float")},
        "double precision": {"double": _as_is("double")},
        # text and bytes
        "text": {"string": _PLAIN_TEXT},
        "character varying": {"string": _PLAIN_TEXT},
        "character": {"string": _PLAIN_TEXT},
        "bpchar": {"string": _PLAIN_TEXT},
        "name": {"string": _TEXT},
        # The reader would take it for character(1) and pad the empty one.
        '"char"': {"string": Carrier(f"textin(charout({COLUMN}))", "string")},
        "bytea": {"binary": _as_is("binary")},
        # times
        "date": {
            "date": _when(_DATE_FITS, f"{COLUMN} - DATE '1970-01-01'", "int"),
            "string": _TEXT,
        },
        "timestamp without time zone": {
            "timestamp": _when(_MOMENT_FITS, _microseconds(COLUMN), "bigint"),
            "string": _TEXT,
        },
        "timestamp with time zone": {
            "timestamp": _when(
                _MOMENT_FITS,
                _microseconds(f"({COLUMN} AT TIME ZONE INTERVAL '0')"),
                "bigint",
            ),
            "string": _TEXT,
        },
        "time without time zone": {
            "string": _TEXT,
            # On the first of January 1970, as the reader would have it; exact, and 24:00 stays.
            "timestamp": Carrier(f"(date_part('epoch', {COLUMN}) * 1000000)::bigint", "bigint"),
        },
        "time with time zone": _ONLY_TEXT,
        "interval": _ONLY_TEXT,
        # bits; the reader takes bit(1) for a boolean, and so may a contract
        "bit": _ONLY_TEXT,
        "bit(1)": {"boolean": Carrier(f"{COLUMN} = B'1'", "boolean"), "string": _TEXT},
        "bit varying": _ONLY_TEXT,
        # networks; a cast of inet to text would add the mask of a single host
        "inet": {"string": Carrier(f"textin(inet_out({COLUMN}))", "string")},
        "cidr": _ONLY_TEXT,
        "macaddr": _ONLY_TEXT,
        "macaddr8": _ONLY_TEXT,
        # documents and search
        "uuid": _ONLY_TEXT,
        "json": _ONLY_TEXT,
        "jsonb": _ONLY_TEXT,
        "jsonpath": _ONLY_TEXT,
        "xml": _ONLY_TEXT,
        "tsvector": _ONLY_TEXT,
        "tsquery": _ONLY_TEXT,
        "gtsvector": _ONLY_TEXT,
        # shapes
        "point": _ONLY_TEXT,
        "line": _ONLY_TEXT,
        "lseg": _ONLY_TEXT,
        "box": _ONLY_TEXT,
        "path": _ONLY_TEXT,
        "polygon": _ONLY_TEXT,
        "circle": _ONLY_TEXT,
        # the system's own
        "aclitem": _ONLY_TEXT,
        "cid": _ONLY_TEXT,
        "tid": _ONLY_TEXT,
        "xid": _ONLY_TEXT,
        "xid8": _ONLY_TEXT,
        "pg_lsn": _ONLY_TEXT,
        "pg_snapshot": _ONLY_TEXT,
        "txid_snapshot": _ONLY_TEXT,
        "refcursor": _ONLY_TEXT,
        "int2vector": _ONLY_TEXT,
        "oidvector": _ONLY_TEXT,
        "regclass": _ONLY_TEXT,
        "regcollation": _ONLY_TEXT,
        "regconfig": _ONLY_TEXT,
        "regdictionary": _ONLY_TEXT,
        "regnamespace": _ONLY_TEXT,
        "regoper": _ONLY_TEXT,
        "regoperator": _ONLY_TEXT,
        "regproc": _ONLY_TEXT,
        "regprocedure": _ONLY_TEXT,
        "regrole": _ONLY_TEXT,
        "regtype": _ONLY_TEXT,
        "pg_brin_bloom_summary": _ONLY_TEXT,
        "pg_brin_minmax_multi_summary": _ONLY_TEXT,
        "pg_dependencies": _ONLY_TEXT,
        "pg_mcv_list": _ONLY_TEXT,
        "pg_ndistinct": _ONLY_TEXT,
        "pg_node_tree": _ONLY_TEXT,
    }
)
"""By type: the contract's types that it may be read as, its own first. `numeric` and `money`
depend on digits and have functions of their own; arrays, enums, composites, ranges and what an
extension or a user made are read as text."""

_NUMBERS = frozenset({"smallint", "int", "bigint", "float"})
_MODIFIER = re.compile(r"\([^)]*\)")
_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_NUMERIC = re.compile(r"^numeric\((\d+),(-?\d+)\)$")
_MAX_PRECISION = 38


def carrier(column: RelationColumn, wanted: str) -> Carrier | None:
    """How the column is read as a Spark type of a contract; None when that could lose something.

    Args:
        column: As the database's catalog has it.
        wanted: A Spark type such as `decimal(10,2)`.
    """
    digits = _DECIMAL.match(wanted)
    if digits and _is_exact_number(column):
        return _decimal(column, int(digits[1]), int(digits[2]))
    offered = _offered(column)
    if wanted in offered:
        return offered[wanted]
    wider = (
        each
        for kind, each in offered.items()
        if kind in _NUMBERS and wanted != "string" and holds(wanted, kind)
    )
    return next(wider, None)


def natural_type(column: RelationColumn) -> str:
    """The Spark type in which the column is read where no contract states one."""
    declared = _declared(column.type)
    if declared is not None and 1 <= sum(_digits(declared)) <= _MAX_PRECISION:
        before, after = _digits(declared)
        return f"decimal({before + after},{after})"
    return next(iter(_offered(column)))


def readable_as(column: RelationColumn) -> tuple[str, ...]:
    """The Spark types that a contract may name for the column, the best first."""
    return tuple(dict.fromkeys((natural_type(column), *_offered(column))))


def _is_exact_number(column: RelationColumn) -> bool:
    return column.kind == "base" and _MODIFIER.sub("", column.type) in ("numeric", "money")


def _offered(column: RelationColumn) -> Mapping[str, Carrier]:
    if column.kind != "base":
        return _ONLY_TEXT
    if _is_exact_number(column):
        return {"string": Carrier(f"{COLUMN}::numeric::text", "string")}
    name = "interval" if column.type.startswith("interval") else column.type
    if name in _OFFERED:
        return _OFFERED[name]
    return _OFFERED.get(_MODIFIER.sub("", name), _ONLY_TEXT)


def _declared(kind: str) -> tuple[int, int] | None:
    """Precision and scale of a numeric that has them."""
    match = _NUMERIC.match(kind)
    return (int(match[1]), int(match[2])) if match else None


def _digits(declared: tuple[int, int]) -> tuple[int, int]:
    """How many digits before and after the point it may have; a scale may be below zero."""
    precision, scale = declared
    return max(precision - scale, 0), max(scale, 0)


def _decimal(column: RelationColumn, precision: int, scale: int) -> Carrier:
    """A numeric or money as a decimal of that many digits; what does not fit is never rounded."""
    number = f"{COLUMN}::numeric" if column.type == "money" else COLUMN
    text = f"{number}::text"
    declared = _declared(column.type)
    before, after = _digits(declared) if declared else (precision + 1, scale + 1)
    narrowed = f"numeric({precision},{scale})"
    if before > precision - scale or after > scale:
        # NaN and the infinities are greater than any power of ten.
        fits = (
            f"abs({number}) < 1e{precision - scale}::numeric"
            f" AND trunc({number}, {scale}) = {number}"
        )
        value = f"(CASE WHEN {fits} THEN {number} END)::{narrowed}"
        return Carrier(value, f"decimal({precision},{scale})", fits, text)
    # A number with declared digits is never infinite, but may be no number.
    value, fits = f"NULLIF({COLUMN}, 'NaN')", f"{COLUMN} <> 'NaN'"
    if declared is not None and 0 <= declared[1] <= declared[0]:
        return Carrier(value, f"decimal({declared[0]},{declared[1]})", fits, text)
    return Carrier(f"{value}::{narrowed}", f"decimal({precision},{scale})", fits, text)
