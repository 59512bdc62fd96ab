"""AES-256-GCM tokens, one per value, made in Arrow batches with keys that no plan shows.

Promise: a token decrypts only for the table and column it was made for; a token that was changed or
moved is detected. No error carries a value or a key.

Token, version 1::

    version 1 octet | algorithm 1 octet | key id 4 octets | nonce 12 octets | ciphertext | tag 16

Header and associated data are those of `tasks.transforms.protection.token_layout`. Nonces are
random, so one data key is good for 2**32 values at most (NIST SP 800-38D, 8.3). Encryption and
pseudonyms are the measures that GDPR articles 25 and 32(1)(a) name; it is the controller's to keep
the keys apart (article 4(5)).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyspark.sql import Column, DataFrame

from contracts.model.encryption_keys import DataKey
from tasks.transforms.arrow_udf import Batch, by_batch, once_by_batch
from tasks.transforms.protection.key_transport import (
    CarriedSecret,
    carried_data_key,
    provide_transport_key,
)
from tasks.transforms.protection.plaintext_encoding import plaintext, tag, value_of
from tasks.transforms.protection.token_layout import (
    AES_256_GCM,
    HEADER_OCTETS,
    associated,
    header,
    key_mark,
    missing_key,
    read_header,
    refused,
)

NONCE_OCTETS = 12
TAG_OCTETS = 16
KEY_OCTETS = 32


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
    return carried_data_key(key, KEY_OCTETS)


def cipher_of(secret: CarriedSecret) -> AESGCM:
    """The cipher of a key; called where the values are."""
    # A function of this module: cloudpickle can't refer to the class, which is not in Python.
    return AESGCM(secret.opened())


def _sealing(key: DataKey, table: str, column: str) -> Batch:
    secret = carried_key(key)
    beginning = header(AES_256_GCM, key.id)
    bound = associated(AES_256_GCM, key.id, table, column)

    def seal(values: pa.Array) -> pa.Array:
        if values.null_count == len(values):
            # So are the values of rows that are not refused.
            return pa.nulls(len(values), pa.binary())
        return _sealed(values.to_pylist(), cipher_of(secret), beginning, bound)

    return seal


def _sealed(
    values: Sequence[bytes | None], cipher: AESGCM, beginning: bytes, bound: bytes
) -> pa.Array:
    encrypt, nonces = cipher.encrypt, _nonces(len(values))
    tokens = [
        None if value is None else beginning + nonce + encrypt(nonce, value, bound)
        for nonce, value in zip(nonces, values, strict=True)
    ]
    return pa.array(tokens, pa.binary())


def _nonces(count: int) -> list[bytes]:
    """Random ones, cut from one draw: a call of the operating system costs as much as a value."""
    drawn = os.urandom(NONCE_OCTETS * count)
    nonces: list[bytes] = np.frombuffer(drawn, dtype=f"V{NONCE_OCTETS}").tolist()
    return nonces


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
        entry = (cipher_of(secret), associated(AES_256_GCM, secret.name, table, column))
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
    mark = read_header(sealed, AES_256_GCM, rest=NONCE_OCTETS + TAG_OCTETS, where=where)
    candidates = ciphers.get(mark)
    if candidates is None:
        raise missing_key(where, mark)
    nonce, rest = sealed[HEADER_OCTETS:][:NONCE_OCTETS], sealed[HEADER_OCTETS + NONCE_OCTETS :]
    for cipher, bound in candidates:
        try:
            plain = cipher.decrypt(nonce, rest, bound)
        except InvalidTag:
            continue
        if letter is None or plain[:1] == letter:
            return plain
        raise refused(where, "a value of another type than the column's")
    raise refused(where, "a token that was changed, or made for another table or column")
