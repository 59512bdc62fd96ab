"""Deterministic tokens: AES-SIV with two keys of 256 bits (RFC 5297), one token per value.

Promise: equal values of one column, or of one join domain, have equal tokens, those of other
columns and domains others; a token that was changed or moved is detected. No error carries a value
or a key.

Token, version 1::

    version 1 octet | algorithm 1 octet | key id 4 octets | synthetic IV 16 | ciphertext

Header and associated data are those of `tasks.transforms.protection.token_layout`. In a join domain
the table is empty and the domain stands for the column: no table has an empty name.

What it discloses: which values are equal, and so how often each occurs (RFC 5297, section 6, calls
it deterministic authenticated encryption). Of a column with few values, or known frequencies, that
is enough to guess them. So a contract has to ask for it column by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pyspark.sql import Column

from contracts.model.encryption_keys import DataKey
from tasks.transforms.arrow_udf import Batch, by_batch
from tasks.transforms.protection.key_transport import CarriedSecret, carried_data_key
from tasks.transforms.protection.plaintext_encoding import plaintext, tag, value_of
from tasks.transforms.protection.token_layout import (
    AES_256_SIV,
    HEADER_OCTETS,
    associated,
    header,
    key_mark,
    missing_key,
    read_header,
    refused,
)

KEY_OCTETS = 64
IV_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """Within what equal values have equal tokens: a column of a table, or a join domain."""

    table: str
    column: str

    def __str__(self) -> str:
        if self.table:
            return f"{self.table}, column {self.column}"
        return f"join domain {self.column}"


def scope_of(table: str, column: str, join_domain: str | None) -> Scope:
    """The scope of a column's tokens."""
    return Scope(table, column) if join_domain is None else Scope("", join_domain)


def deterministic_token(value: Column, *, kind: str, key: DataKey, scope: Scope) -> Column:
    """The value of Spark SQL type `kind` as a BINARY token, the same each time; null for null.

    Values of different types have different tokens, also where they are equal as numbers.

    Raises:
        SettingsError: The key is not 64 octets long.
    """
    return by_batch(_sealing(key, scope), "binary")(plaintext(value, kind))


def deterministic_decrypted(
    tokens: Column, keys: Mapping[str, DataKey], *, scope: Scope, kind: str
) -> Column:
    """The values of type `kind` from the tokens of one scope; null for null.

    `keys` are the data keys by their id. The query stops with a `KeyUnavailableError` when none of
    them made a token, with a `DataError` when a token was changed, or made for another scope or
    kind of value.
    """
    return value_of(by_batch(_opening(keys, scope, tag(kind)), "binary")(tokens), kind)


def _carried(key: DataKey) -> CarriedSecret:
    return carried_data_key(key, KEY_OCTETS)


def _cipher_of(secret: CarriedSecret) -> AESSIV:
    """The cipher of a key; called where the values are."""
    # A function of this module: cloudpickle can't refer to the class, which is not in Python.
    return AESSIV(secret.opened())


def _sealing(key: DataKey, scope: Scope) -> Batch:
    secret = _carried(key)
    beginning = header(AES_256_SIV, key.id)
    bound = [associated(AES_256_SIV, key.id, scope.table, scope.column)]

    def seal(values: pa.Array) -> pa.Array:
        return _sealed(values, _cipher_of(secret), beginning, bound)

    return seal


def _sealed(values: pa.Array, cipher: AESSIV, beginning: bytes, bound: list[bytes]) -> pa.Array:
    # Equal values have equal tokens: each is made once per batch. Null has no place in the
    # dictionary, only among the indices.
    distinct = values.dictionary_encode()
    tokens = [beginning + cipher.encrypt(value, bound) for value in distinct.dictionary.to_pylist()]
    return pa.array(tokens, pa.binary()).take(distinct.indices)


def _opening(keys: Mapping[str, DataKey], scope: Scope, letter: str) -> Batch:
    secrets, wanted = tuple(map(_carried, keys.values())), letter.encode()

    def open_all(tokens: pa.Array) -> pa.Array:
        ciphers = _ciphers(secrets, scope)
        return pa.array(
            [
                None if each is None else _opened(each, ciphers, wanted, str(scope))
                for each in tokens.to_pylist()
            ],
            pa.binary(),
        )

    return open_all


_Ciphers = Mapping[bytes, Sequence[tuple[AESSIV, list[bytes]]]]


def _ciphers(secrets: Iterable[CarriedSecret], scope: Scope) -> _Ciphers:
    # A list, since two ids may share their four octets: the synthetic IV decides between them.
    ciphers: dict[bytes, list[tuple[AESSIV, list[bytes]]]] = {}
    for secret in secrets:
        bound = [associated(AES_256_SIV, secret.name, scope.table, scope.column)]
        ciphers.setdefault(key_mark(secret.name), []).append((_cipher_of(secret), bound))
    return ciphers


def _opened(sealed: bytes, ciphers: _Ciphers, letter: bytes, where: str) -> bytes:
    mark = read_header(sealed, AES_256_SIV, rest=IV_OCTETS + 1, where=where)
    candidates = ciphers.get(mark)
    if candidates is None:
        raise missing_key(where, mark)
    for cipher, bound in candidates:
        try:
            plain = cipher.decrypt(sealed[HEADER_OCTETS:], bound)
        except InvalidTag:
            continue
        if plain[:1] == letter:
            return plain
        raise refused(where, "a value of another type than the column's")
    raise refused(where, "a token that was changed, or made for another column or join domain")
