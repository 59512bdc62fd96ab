"""Looks in rows for columns that are made of sensitive ones: copies, plain digests, quoted words.

Promise: no value is in what it returns. It finds what is usual, not everything: a keyed digest, or
one with a salt, is not found, and a column that is not reported may still be a derived one. A plain
digest of personal data is found because anyone could find it so: by trying (opinion 05/2014 of the
Article 29 Working Party, 4.1; it is no pseudonym in the sense of GDPR article 4(5)).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from typing import Any

Row = Mapping[str, object]
Texts = tuple[str | None, ...]

_DIGESTS = {16: "md5", 20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512"}
_SEPARATORS = ("", "|", "||", ",", "-")
_FORMS: Mapping[str, Callable[[str], str]] = {
    "": str,
    "trimmed": str.strip,
    "in lower case": str.lower,
    "in upper case": str.upper,
    "trimmed, in lower case": lambda text: text.strip().lower(),
    "trimmed, in upper case": lambda text: text.strip().upper(),
}
_LARGEST_SET = 4
_LEAST_MATCHES = 3
_SHORTEST_WORD = 4
_WORD = re.compile(r"\w+")
_HEX = re.compile(r"^(?:\\x|0x|[a-z0-9]+:)?((?:[0-9a-f]{2})+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column that is made of sensitive ones.

    Attributes:
        column: The column.
        of: What it is made of, as far as found.
        how: In what way, in words.
        rows: In how many of the rows that were looked at.
    """

    column: str
    of: tuple[str, ...]
    how: str
    rows: int


def derived_columns(
    rows: Sequence[Row],
    *,
    clear: Collection[str],
    parts: Sequence[str],
    sensitive: Collection[str],
    digest_rows: int = 8,
) -> tuple[DerivedColumn, ...]:
    """The columns among `clear` that are made of sensitive ones.

    Three things are looked for: the value of a sensitive column, but for case and space; its value,
    or a word of at least four letters of it, within a longer text; and MD5, SHA-1 or a SHA-2, in
    hexadecimal, base64 or octets, of up to four parts or of any that are neighbours, joined by
    nothing, `|`, `||`, a comma or a dash, nulls left out or empty, trimmed or not, in either case.
    Of a digest one match is enough. The others have to occur in three rows with different values,
    and twice as often as in rows that have nothing to do with each other.

    Args:
        rows: A sample of rows, by column; a few hundred tell most.
        clear: The columns that are stored in the clear.
        parts: The columns that a digest may be made of, in the order of the source.
        sensitive: Those of them that may not be stored in the clear.
        digest_rows: On how many rows that have what may be a digest it is looked for; each costs
            tens of milliseconds, more with more parts.
    """
    secret = [name for name in parts if name in sensitive]
    found: list[DerivedColumn] = []
    for column in (name for name in clear if name not in sensitive):
        found += _digests(
            _with_octets(rows, column)[:digest_rows], column, parts, frozenset(secret)
        )
        for name in secret:
            found += _copies(rows, column, name)
    return tuple(found)


def text_of(value: object) -> str | None:
    """A value as a database prints it; None for null."""
    if value is None or isinstance(value, str):
        return value
    for kind, printed in _PRINTED.items():
        if isinstance(value, kind):
            return printed(value)
    return str(value)


def _moment(value: datetime) -> str:
    whole, point, fraction = value.replace(tzinfo=None).isoformat(sep=" ").partition(".")
    return whole + (point + fraction.rstrip("0") if fraction else "")


_PRINTED: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: str(value).lower(),
    Decimal: lambda value: f"{value:f}",
    datetime: _moment,
    date: lambda value: value.isoformat(),
    bytes: lambda value: value.hex(),
    bytearray: lambda value: value.hex(),
}
"""By type, those that are another's subtype first: a bool is an int, a datetime is a date."""


def _copies(rows: Sequence[Row], column: str, name: str) -> Iterator[DerivedColumn]:
    pairs = [(_plain(row.get(column)), _plain(row.get(name))) for row in rows]
    half = len(pairs) // 2
    # Each text with the value of another row: what chance alone would find.
    strangers = [
        (text, pairs[(place + half) % len(pairs)][1]) for place, (text, _) in enumerate(pairs)
    ]
    for how, same in (("its value", _equal), ("its value or a word of it", _quoted)):
        matches = [match for match in (same(*pair) for pair in pairs) if match]
        chance = [match for match in (same(*pair) for pair in strangers) if match]
        if len({*matches}) >= _LEAST_MATCHES and len(matches) > 2 * len(chance):
            yield DerivedColumn(column, (name,), f"has {how}", len(matches))
            return


def _plain(value: object) -> str:
    return (text_of(value) or "").strip().casefold()


def _equal(text: str, value: str) -> str:
    return value if text == value else ""


def _quoted(text: str, value: str) -> str:
    if len(value) >= _SHORTEST_WORD and value in text:
        return value
    words = {word for word in _WORD.findall(value) if len(word) >= _SHORTEST_WORD}
    return " ".join(sorted(words.intersection(_WORD.findall(text))))


def _with_octets(rows: Sequence[Row], column: str) -> list[tuple[Row, bytes]]:
    """The rows in which the column has what may be a digest, each with its octets."""
    return [(row, octets) for row in rows if (octets := _octets(row.get(column))) is not None]


def _digests(
    sample: Sequence[tuple[Row, bytes]], column: str, parts: Sequence[str], secret: frozenset[str]
) -> Iterator[DerivedColumn]:
    matches = (_digested(row, octets, parts, secret) for row, octets in sample)
    counts = Counter(match for match in matches if match is not None)
    found: dict[tuple[tuple[str, ...], str], int] = {}
    for of, how in sorted(counts, key=lambda match: -len(match[0])):
        # Where a part is null, the digest is already that of the others.
        wider = ((more, how) for more, same in found if same == how and {*of} <= {*more})
        whole = next(wider, (of, how))
        found[whole] = found.get(whole, 0) + counts[of, how]
    for (of, how), count in found.items():
        yield DerivedColumn(column, of, how, count)


def _digested(
    row: Row, octets: bytes, parts: Sequence[str], secret: frozenset[str]
) -> tuple[tuple[str, ...], str] | None:
    """What the digest of a row is made of, and how."""
    algorithm = _DIGESTS[len(octets)]
    texts = {name: text_of(row.get(name)) for name in parts}
    for chosen in _sets(parts):
        if not any(name in secret and texts[name] for name in chosen):
            continue
        for message, how in _messages(tuple(texts[name] for name in chosen)):
            made = hashlib.new(algorithm, message.encode(), usedforsecurity=False)
            if made.digest() == octets:
                words = ", ".join(word for word in (f"plain {algorithm.upper()}", *how) if word)
                return chosen, words
    return None


def _sets(parts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(1, min(_LARGEST_SET, len(parts)) + 1):
        yield from combinations(parts, size)
    for size in range(_LARGEST_SET + 1, len(parts) + 1):
        for first in range(len(parts) - size + 1):
            yield tuple(parts[first : first + size])


def _messages(texts: Texts) -> Iterator[tuple[str, tuple[str, str]]]:
    present = [text for text in texts if text is not None]
    filled = [text or "" for text in texts]
    lists = [present] if present == filled else [present, filled]
    separators = _SEPARATORS if len(texts) > 1 else _SEPARATORS[:1]
    tried: set[tuple[str, ...]] = set()
    for form, change in _FORMS.items():
        for each in lists:
            changed = tuple(change(text) for text in each)
            if changed in tried:
                continue
            tried.add(changed)
            for separator in separators:
                joined = f"joined by {separator}" if separator else ""
                yield separator.join(changed), (joined, form)


def _octets(value: object) -> bytes | None:
    """The octets that a value writes down, if they are as many as a digest has."""
    if isinstance(value, bytes | bytearray):
        return bytes(value) if len(value) in _DIGESTS else None
    if not isinstance(value, str):
        return None
    match = _HEX.match(value)
    if match is not None and len(match[1]) // 2 in _DIGESTS:
        return bytes.fromhex(match[1])
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if len(octets) in _DIGESTS else None
