"""The encoding of hash inputs in plain Python, from its description alone."""

from __future__ import annotations

import hmac
import struct
from datetime import UTC, date, datetime
from math import isnan

from pyspark.sql import types as T

_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)  # fmt: skip
_MASK = 2**64 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _turned(value, bits):
    return (value << bits | value >> (64 - bits)) & _MASK


def xxh64(octets):
    """XXH64 with seed 42 of exactly eight octets, as a signed number (xxHash specification)."""
    (lane,) = struct.unpack("<Q", octets)
    h = (42 + _P5 + 8) & _MASK
    h ^= _turned(lane * _P2 & _MASK, 31) * _P1 & _MASK
    h = (_turned(h, 27) * _P1 + _P4) & _MASK
    h = (h ^ h >> 33) * _P2 & _MASK
    h = (h ^ h >> 29) * _P3 & _MASK
    h ^= h >> 32
    return h - 2**64 if h >= 2**63 else h


def framed(text):
    return f"{len(text.encode())}:{text}"


def _plain(value):
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _double(value):
    value = float("nan") if isnan(value) else value + 0.0  # -0.0 + 0.0 is 0.0
    octets = struct.pack("<Q", 0x7FF8000000000000) if isnan(value) else struct.pack("<d", value)
    return str(xxh64(octets))


def _ntz(value):
    whole, _, fraction = value.isoformat(sep=" ").partition(".")
    return whole + ("." + fraction.rstrip("0") if fraction else "")


def _micros(value):
    gap = value - EPOCH
    return str((gap.days * 86400 + gap.seconds) * 1_000_000 + gap.microseconds)


_ATOMS = (
    (T.IntegralType, "n", str),
    (T.DecimalType, "n", _plain),
    (T.FractionalType, "f", _double),
    (T.StringType, "s", str),
    (T.BooleanType, "b", lambda value: "true" if value else "false"),
    (T.DateType, "d", lambda value: str((value - date(1970, 1, 1)).days)),
    (T.TimestampType, "t", _micros),
    (T.TimestampNTZType, "u", _ntz),
    (T.BinaryType, "x", lambda value: value.hex().upper()),
)


def tagged(value, kind):
    if value is None:
        return None
    if isinstance(kind, T.ArrayType):
        return "a" + "".join(_item(each, kind.elementType) for each in value)
    if isinstance(kind, T.MapType):
        entries = [
            framed(tagged(key, kind.keyType)) + _item(item, kind.valueType)
            for key, item in value.items()
        ]
        return "m" + "".join(sorted(entries, key=str.encode))
    if isinstance(kind, T.StructType):
        return "r" + row(
            {f.name: (part, f.dataType) for f, part in zip(kind.fields, value, strict=True)}
        )
    return next(tag + body(value) for known, tag, body in _ATOMS if isinstance(kind, known))


def _item(value, kind):
    text = tagged(value, kind)
    return "-" if text is None else framed(text)


def row(columns):
    said = {name: tagged(value, kind) for name, (value, kind) in columns.items()}
    return "".join(
        framed(name) + framed(said[name]) for name in sorted(said) if said[name] is not None
    )


def reference_fingerprint(columns, key):
    """HMAC of a row given as (value, type) by name."""
    message = "strandline fingerprint 1\n" + row(columns)
    return hmac.new(key, message.encode(), "sha256").hexdigest()


def reference_pseudonym(value, kind, key, *, table, column):
    text = tagged(value, kind)
    if text is None:
        return None
    message = "strandline pseudonym 1\n" + framed(table) + framed(column) + framed(text)
    return hmac.new(key, message.encode(), "sha256").hexdigest()
