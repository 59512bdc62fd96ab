"""Tokens encrypted again with another key, and digests of what they mean.

Promise: a clear value exists in the Python worker that makes the new token, and nowhere else: not
in the JVM, not on a disk. What a destroyed key made stays as it is; what no key of the ring made
stops the query. Digests are keyed, with a key that nobody keeps.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.model.encryption_keys import DataKey
from tasks.transforms.arrow_udf import by_batch, once_by_batch
from tasks.transforms.protection.aes_gcm_encryption import (
    NONCE_OCTETS,
    TAG_OCTETS,
    carried_key,
    cipher_of,
    ciphers_by_mark,
    opened_token,
)
from tasks.transforms.protection.key_transport import CarriedSecret, carried
from tasks.transforms.protection.token_layout import (
    AES_256_GCM,
    AES_256_GCM_OF_SUBJECT,
    HEADER_OCTETS,
    VERSION,
    associated,
    header,
    key_mark,
)

__all__ = [
    "Reencryption",
    "is_of_other_key",
    "meaning",
    "meaning_of_texts",
    "reencrypted",
    "reencrypted_texts",
    "reencryption",
]

_VERSION = bytes([VERSION, AES_256_GCM])
_OF_SUBJECT = bytes([VERSION, AES_256_GCM_OF_SUBJECT])
_LEAST_OCTETS = HEADER_OCTETS + NONCE_OCTETS + TAG_OCTETS


@dataclass(frozen=True, slots=True)
class Reencryption:
    """The keys of one table, old and new, as they travel to the workers.

    Attributes:
        table: What the tokens are bound to.
        keys: Every key that opens.
        key: The one that encrypts.
        erased: The marks of keys that were destroyed.
        digests: The key of the digests.
    """

    table: str
    keys: tuple[CarriedSecret, ...] = field(repr=False)
    key: CarriedSecret = field(repr=False)
    erased: frozenset[bytes]
    digests: CarriedSecret = field(repr=False)

    def column(self, name: str) -> ColumnTokens:
        """What opens and seals the tokens of one column; called in a worker."""
        return ColumnTokens(
            where=f"{self.table}, column {name}",
            ciphers=ciphers_by_mark(self.keys, self.table, name),
            cipher=cipher_of(self.key),
            header=header(AES_256_GCM, self.key.name),
            bound=associated(AES_256_GCM, self.key.name, self.table, name),
            erased=self.erased,
            digests=self.digests.opened(),
        )


@dataclass(frozen=True, slots=True)
class ColumnTokens:
    """The tokens of one column, in a worker."""

    where: str
    ciphers: Mapping[bytes, list[tuple[AESGCM, bytes]]] = field(repr=False)
    cipher: AESGCM = field(repr=False)
    header: bytes
    bound: bytes
    erased: frozenset[bytes]
    digests: bytes = field(repr=False)

    def again(self, token: bytes) -> bytes:
        """The same value under the new key; the token itself where it is so, or has to stay."""
        if token[:HEADER_OCTETS] == self.header or self._stays(token):
            return token
        nonce = os.urandom(NONCE_OCTETS)
        plain = opened_token(token, self.ciphers, None, self.where)
        return self.header + nonce + self.cipher.encrypt(nonce, plain, self.bound)

    def meaning(self, token: bytes) -> bytes:
        """HMAC-SHA-256 of the clear value; of a token that has to stay, of that."""
        stays = self._stays(token)
        clear = token if stays else opened_token(token, self.ciphers, None, self.where)
        return hmac.digest(self.digests, bytes([stays]) + clear, hashlib.sha256)

    def _stays(self, token: bytes) -> bool:
        """Whether a destroyed key made it, or that of a person, which is only wrapped anew."""
        return token.startswith(_OF_SUBJECT) or token[2:HEADER_OCTETS] in self.erased


def reencryption(
    table: str, keys: Mapping[str, DataKey], key: DataKey, *, erased: frozenset[str], digests: bytes
) -> Reencryption:
    """The keys of a table for the workers.

    Args:
        table: What the tokens are bound to.
        keys: Every key that opens, by id.
        key: The one that encrypts.
        erased: The ids of keys that were destroyed.
        digests: The key of the digests, 32 octets; another one each time.
    """
    return Reencryption(
        table=table,
        keys=tuple(carried_key(each) for each in keys.values()),
        key=carried_key(key),
        erased=frozenset(map(key_mark, erased)),
        digests=carried("of digests", digests),
    )


def is_of_other_key(tokens: Column, key_id: str, erased: frozenset[str]) -> Column:
    """Whether a token was made by another data key than this one, and not by a destroyed one."""
    marks = [F.lit(key_mark(each)) for each in (key_id, *sorted(erased))]
    of_table = F.substring(tokens, 1, len(_VERSION)) == F.lit(_VERSION)
    return of_table & ~F.substring(tokens, 3, 4).isin(*marks)


def reencrypted(tokens: Column, how: Reencryption, *, column: str) -> Column:
    """The tokens of a column under the new key (BINARY); null for null."""

    def again(batch: pa.Array) -> pa.Array:
        own = how.column(column)
        return pa.array(
            [None if each is None else own.again(each) for each in batch.to_pylist()], pa.binary()
        )

    return once_by_batch(again, "binary")(tokens)


def meaning(tokens: Column, how: Reencryption, *, column: str) -> Column:
    """A keyed digest of the value of each token (BINARY, 32 octets); null for null."""

    def digest(batch: pa.Array) -> pa.Array:
        own = how.column(column)
        return pa.array(
            [None if each is None else own.meaning(each) for each in batch.to_pylist()],
            pa.binary(),
        )

    return by_batch(digest, "binary")(tokens)


def reencrypted_texts(
    rows: Column, how: Reencryption, columns: Mapping[str, str], *, url_safe: bool
) -> Column:
    """JSON objects with the tokens in their fields under the new key; null where none changes.

    Args:
        rows: The objects as text. All but the tokens stays as it is, to the letter.
        how: The keys.
        columns: The fields that have tokens, with the columns that those are bound to.
        url_safe: Whether tokens are in base64url without padding, or in base64 with it.
    """

    def again(batch: pa.Array) -> pa.Array:
        own = {name: how.column(bound) for name, bound in columns.items()}
        texts = (
            None if text is None else _replaced(text, own, _again, url_safe=url_safe)
            for text in batch.to_pylist()
        )
        before = batch.to_pylist()
        changed = [text if text != old else None for text, old in zip(texts, before, strict=True)]
        return pa.array(changed, pa.string())

    return once_by_batch(again, "string")(rows)


def meaning_of_texts(
    rows: Column, how: Reencryption, columns: Mapping[str, str], *, url_safe: bool
) -> Column:
    """JSON objects with keyed digests of values in place of their tokens; null for null."""

    def digest(batch: pa.Array) -> pa.Array:
        own = {name: how.column(bound) for name, bound in columns.items()}
        texts = [
            None if text is None else _replaced(text, own, _meaning, url_safe=url_safe)
            for text in batch.to_pylist()
        ]
        return pa.array(texts, pa.string())

    return by_batch(digest, "string")(rows)


def _again(own: ColumnTokens, token: bytes) -> bytes:
    return own.again(token)


def _meaning(own: ColumnTokens, token: bytes) -> bytes:
    return own.meaning(token)


def _replaced(
    text: str,
    own: Mapping[str, ColumnTokens],
    change: Callable[[ColumnTokens, bytes], bytes],
    *,
    url_safe: bool,
) -> str:
    document = json.loads(text)
    for name, tokens in own.items():
        value = document.get(name)
        token = _decoded(value, url_safe=url_safe) if isinstance(value, str) else b""
        if not token.startswith(_VERSION) or len(token) < _LEAST_OCTETS:
            # The column was not sensitive when the row was refused: its value is there as it was.
            continue
        changed = _encoded(change(tokens, token), url_safe=url_safe)
        # A token has random octets: nothing else in the row is equal to it.
        text = text.replace(f'"{value}"', f'"{changed}"')
    return text


def _decoded(text: str, *, url_safe: bool) -> bytes:
    """The octets of a text in base64; none if it is not in base64."""
    try:
        if not url_safe:
            return base64.b64decode(text, validate=True)
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _encoded(token: bytes, *, url_safe: bool) -> str:
    if not url_safe:
        return base64.b64encode(token).decode()
    return base64.urlsafe_b64encode(token).decode().rstrip("=")
