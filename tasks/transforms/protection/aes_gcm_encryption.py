"""AES-256-GCM tokens, one per value, made in Arrow batches with keys that no plan shows.

Promise: a token decrypts only for the table and column it was made for; a token that was changed or
moved is detected. No error carries a value or a key.

Token, version 1::

    version 1 octet | algorithm 1 octet | key id 4 octets | nonce 12 octets | ciphertext | tag 16

The key id is the first four octets of the SHA-256 of `DataKey.id`. Authenticated with the
ciphertext (AAD): version, algorithm, the whole key id, table and column, each behind its length in
four octets, big endian. Nonces are random, so one data key is good for 2**32 values at most (NIST
SP 800-38D, 8.3).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyspark.sql import Column, DataFrame

from contracts.errors import DataError, KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.arrow_udf import Batch, by_batch, once_by_batch
from tasks.transforms.protection.key_transport import (
    CarriedSecret,
    carried,
    provide_transport_key,
)
from tasks.transforms.protection.plaintext_encoding import plaintext, tag, value_of

VERSION = 1
AES_256_GCM = 1
KEY_ID_OCTETS = 4
NONCE_OCTETS = 12
TAG_OCTETS = 16
HEADER_OCTETS = 2 + KEY_ID_OCTETS
KEY_OCTETS = 32


def key_mark(key_id: str) -> bytes:
    """The four octets that identify a token's key."""
    return hashlib.sha256(key_id.encode()).digest()[:KEY_ID_OCTETS]


def token_header(key_id: str) -> bytes:
    """The octets that every token of a key begins with."""
    return bytes([VERSION, AES_256_GCM]) + key_mark(key_id)


def associated(key_id: str, table: str, column: str) -> bytes:
    """The associated data that a token authenticates beside its ciphertext."""
    parts = (
        bytes([VERSION]),
        bytes([AES_256_GCM]),
        key_id.encode(),
        table.encode(),
        column.encode(),
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def token(value: Column, *, kind: str, key: DataKey, table: str, column: str) -> Column:
    """The value of Spark SQL type `kind` as a BINARY token; null for null.

    Several tokens of one `select` cross to Python and back in the same Arrow batches. Two
    evaluations give two different tokens, so the expression is marked nondeterministic.

    Raises:
        SettingsError: The key is not 32 octets long.
    """
    seal = once_by_batch(_sealing(key, table, column), "binary")
    return seal(plaintext(value, kind))


def encrypted(
    frame: DataFrame, columns: Mapping[str, Column], *, key: DataKey, table: str
) -> DataFrame:
    """The frame with each named column replaced by tokens of its value (BINARY)."""
    provide_transport_key(frame.sparkSession)
    schema = frame.select(*[value.alias(name) for name, value in columns.items()]).schema
    tokens = {
        name: token(value, kind=field.dataType.simpleString(), key=key, table=table, column=name)
        for (name, value), field in zip(columns.items(), schema.fields, strict=True)
    }
    return frame.withColumns(tokens)


def decrypted(
    tokens: Column, keys: Mapping[str, DataKey], *, table: str, column_name: str, kind: str
) -> Column:
    """The values of type `kind` from the tokens of one column; null for null.

    `keys` are the data keys by their id. The query stops with a `KeyUnavailableError` when none of
    them made a token, with a `DataError` when a token was changed, or made for another table,
    column or kind of value.
    """
    open_all = by_batch(_opening(keys, table, column_name, tag(kind)), "binary")
    return value_of(open_all(tokens), kind)


def carried_key(key: DataKey) -> CarriedSecret:
    """The key for a function that Spark runs.

    Raises:
        SettingsError: It is not 32 octets long.
    """
    if len(key.material) != KEY_OCTETS:
        raise SettingsError(
            where=f"data key {key.id}",
            expected=f"{KEY_OCTETS} octets of key material",
            found=f"{len(key.material)} octets",
            next_step="Make a new data key with the key ring.",
        )
    return carried(key.id, key.material)


def cipher_of(secret: CarriedSecret) -> AESGCM:
    """The cipher of a key; called where the values are."""
    # A function of this module: cloudpickle can't refer to the class, which is not in Python.
    return AESGCM(secret.opened())


def _sealing(key: DataKey, table: str, column: str) -> Batch:
    secret = carried_key(key)
    header = token_header(key.id)
    bound = associated(key.id, table, column)

    def seal(values: pa.Array) -> pa.Array:
        cipher = cipher_of(secret)
        nonces = os.urandom(NONCE_OCTETS * len(values))
        tokens: list[bytes | None] = []
        for position, value in enumerate(values.to_pylist()):
            if value is None:
                tokens.append(None)
                continue
            nonce = nonces[position * NONCE_OCTETS : (position + 1) * NONCE_OCTETS]
            tokens.append(header + nonce + cipher.encrypt(nonce, value, bound))
        return pa.array(tokens, pa.binary())

    return seal


def _opening(keys: Mapping[str, DataKey], table: str, column: str, letter: str) -> Batch:
    secrets = tuple(carried_key(key) for key in keys.values())
    where = f"{table}, column {column}"
    wanted = letter.encode()

    def open_all(tokens: pa.Array) -> pa.Array:
        ciphers = ciphers_by_mark(secrets, table, column)
        return pa.array(
            [
                None if each is None else opened_token(each, ciphers, wanted, where)
                for each in tokens.to_pylist()
            ],
            pa.binary(),
        )

    return open_all


def ciphers_by_mark(
    secrets: Iterable[CarriedSecret], table: str, column: str
) -> dict[bytes, list[tuple[AESGCM, bytes]]]:
    """The ciphers of some keys with their associated data for one column, by the keys' marks."""
    # A list, since two ids may share their four octets: the tag decides between them.
    ciphers: dict[bytes, list[tuple[AESGCM, bytes]]] = {}
    for secret in secrets:
        entry = (cipher_of(secret), associated(secret.name, table, column))
        ciphers.setdefault(key_mark(secret.name), []).append(entry)
    return ciphers


def opened_token(
    sealed: bytes,
    ciphers: Mapping[bytes, list[tuple[AESGCM, bytes]]],
    letter: bytes | None,
    where: str,
) -> bytes:
    """The plaintext of a token, tag first; `letter` is the tag that it has to have (None: any).

    Raises:
        KeyUnavailableError: None of the keys made it.
        DataError: It was changed, or made for another table, column or kind of value.
    """
    if len(sealed) < HEADER_OCTETS + NONCE_OCTETS + TAG_OCTETS or sealed[:2] != bytes(
        [VERSION, AES_256_GCM]
    ):
        raise _refused(where, "something that is no token of version 1")
    candidates = ciphers.get(sealed[2:HEADER_OCTETS])
    if candidates is None:
        raise KeyUnavailableError(
            where=where,
            expected="the data key that made the token",
            found=f"no key with the mark {sealed[2:HEADER_OCTETS].hex()}",
            next_step="Add the key to the key ring, or accept that the value was erased.",
        )
    nonce, rest = sealed[HEADER_OCTETS:][:NONCE_OCTETS], sealed[HEADER_OCTETS + NONCE_OCTETS :]
    for cipher, bound in candidates:
        try:
            plain = cipher.decrypt(nonce, rest, bound)
        except InvalidTag:
            continue
        if letter is None or plain[:1] == letter:
            return plain
        raise _refused(where, "a value of another type than the column's")
    raise _refused(where, "a token that was changed, or made for another table or column")


def _refused(where: str, found: str) -> DataError:
    return DataError(
        where=where,
        expected="a token as it was made for this column",
        found=found,
        next_step="Compare the row with an earlier snapshot of the table.",
    )
