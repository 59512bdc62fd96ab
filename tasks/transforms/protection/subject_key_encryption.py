"""AES-256-GCM tokens under a key of the person's own, which goes when the person is erased.

Promise: once the record of a person's key is gone, nobody can make the key again, whatever other
keys they have: what is in a backup or in somebody's copy of the table stays closed. A token opens
only for the table and column it was made for. No plan, error or function shows a key or a value.

Token, version 1::

    version 1 octet | algorithm 1 octet | subject key id 16 octets | nonce 12 | ciphertext | tag 16

Record of a key, as a ledger keeps it::

    mark of the data key that wraps it 4 octets | subject key id 16 | wrapped key 40 (RFC 3394)

Key and id are HMAC-SHA-256 of a label and the person's digest, keyed with the secret of one pass
(a key derivation function of NIST SP 800-108 revision 1, section 4.1, of one round). The secret is
random and kept nowhere, so all tasks of a pass make the same key, and no later one can. To destroy
a key where its values can't be is what NIST SP 800-88 revision 1, section 2.5, calls cryptographic
erase.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.errors import DataError, KeyUnavailableError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.arrow_udf import Batch, by_batch, once_by_batch
from tasks.transforms.protection.aes_gcm_encryption import (
    NONCE_OCTETS,
    TAG_OCTETS,
    carried_key,
    cipher_of,
    ciphers_by_mark,
    opened_token,
)
from tasks.transforms.protection.key_transport import CarriedSecret, carried
from tasks.transforms.protection.plaintext_encoding import plaintext, tag, value_of
from tasks.transforms.protection.token_layout import (
    AES_256_GCM,
    AES_256_GCM_OF_SUBJECT,
    KEY_ID_OCTETS,
    VERSION,
    associated,
    header,
    key_mark,
    refused,
)

SUBJECT_KEY_ID_OCTETS = 16
_KEY_OCTETS = 32
_BEGINNING = bytes([VERSION, AES_256_GCM_OF_SUBJECT])
_HEADER_OCTETS = len(_BEGINNING) + SUBJECT_KEY_ID_OCTETS
_RECORD_OCTETS = KEY_ID_OCTETS + SUBJECT_KEY_ID_OCTETS + _KEY_OCTETS + 8
_WHAT = "the key of a person"


@dataclass(frozen=True, slots=True)
class SubjectKeyring:
    """What makes and opens the keys of persons in one pass, as it travels to the workers.

    Attributes:
        secret: What keys are made from; another one in each pass.
        wrapping: The data key that wraps those that are made.
        opening: Every data key that opens the table's values.
    """

    secret: CarriedSecret = field(repr=False)
    wrapping: CarriedSecret = field(repr=False)
    opening: tuple[CarriedSecret, ...] = field(repr=False)

    def persons(self) -> PersonKeys:
        """The keys of single persons; called in a worker."""
        return PersonKeys(
            secret=self.secret.opened(),
            wrapping=(key_mark(self.wrapping.name), self.wrapping.opened()),
            opening=_by_mark(self.opening),
        )


def subject_keyring(wrapping: DataKey, opening: Mapping[str, DataKey]) -> SubjectKeyring:
    """A keyring with a new secret.

    Args:
        wrapping: The data key that encrypts the table's values now.
        opening: The keys that open them, by id; that one among them.
    """
    return SubjectKeyring(
        carried("of persons' keys", secrets.token_bytes(_KEY_OCTETS)),
        carried_key(wrapping),
        tuple(map(carried_key, opening.values())),
    )


@dataclass(frozen=True, slots=True)
class PersonKeys:
    """The keys of single persons, in a worker: a batch has many rows about one of them."""

    secret: bytes = field(repr=False)
    wrapping: tuple[bytes, bytes] = field(repr=False)
    opening: Mapping[bytes, list[bytes]] = field(repr=False)
    found: dict[str, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)

    def of(self, digest: str, record: bytes | None) -> tuple[bytes, bytes]:
        """The id and the key of a person: that of the record, or else one that is made."""
        if digest not in self.found:
            made = self._made(digest) if record is None else opened_record(record, self.opening)
            self.found[digest] = made
        return self.found[digest]

    def record(self, digest: str) -> bytes:
        """The record of a key that is made."""
        return _record(*self.wrapping, *self._made(digest))

    def _made(self, digest: str) -> tuple[bytes, bytes]:
        key_id = self._derived("id", digest)[:SUBJECT_KEY_ID_OCTETS]
        return key_id, self._derived("key", digest)

    def _derived(self, label: str, digest: str) -> bytes:
        # Counter, label, separator, context, length: SP 800-108, 4.1.
        message = b"\0\0\0\1" + label.encode() + b"\0" + digest.encode() + b"\0\0\1\0"
        return hmac.digest(self.secret, message, hashlib.sha256)


def subject_token(
    value: Column,
    digest: Column,
    record: Column,
    keyring: SubjectKeyring,
    *,
    kind: str,
    key: DataKey,
    table: str,
    column: str,
) -> Column:
    """The value of Spark SQL type `kind` as a BINARY token; null for null.

    Args:
        value: The values.
        digest: The digest of the person whom the row is about; where it is null, the table's own
            key makes the token.
        record: The record of the person's key; null: it is made.
        keyring: The keys of persons.
        kind: The type.
        key: The table's own key.
        table: What the token is bound to, `namespace.table`.
        column: The same, of columns.
    """
    seal = once_by_batch(_sealing(keyring, key, table, column), "binary")
    return seal(plaintext(value, kind), digest, record)


def made_record(digest: Column, record: Column, keyring: SubjectKeyring) -> Column:
    """The records of keys that the pass makes (BINARY); null where there is one, or no person."""

    def made(digests: pa.Array, records: pa.Array) -> pa.Array:
        persons = keyring.persons()
        return pa.array(
            [
                persons.record(digest) if digest is not None and record is None else None
                for digest, record in zip(digests.to_pylist(), records.to_pylist(), strict=True)
            ],
            pa.binary(),
        )

    return by_batch(made, "binary")(digest, record)


def subject_decrypted(
    tokens: Column,
    records: Column,
    keys: Mapping[str, DataKey],
    *,
    table: str,
    column_name: str,
    kind: str,
) -> Column:
    """The values of type `kind` from tokens of persons' keys or of the table's; null for null.

    Args:
        tokens: The tokens.
        records: The record of the key that made each, null where the table's did.
        keys: The data keys of the table, by id.
        table: What the tokens are bound to.
        column_name: The same.
        kind: The type.

    The query stops with a `KeyUnavailableError` where a key is gone, with a `DataError` where a
    token was changed, or made for another table, column or kind of value.
    """
    open_all = by_batch(_opening(keys, table, column_name, tag(kind)), "binary")
    return value_of(open_all(tokens, records), kind)


def key_id_of_token(token: Column) -> Column:
    """The id of the person's key that made a token (BINARY); null of others."""
    is_of_subject = F.substring(token, 1, len(_BEGINNING)) == F.lit(_BEGINNING)
    key_id = F.substring(token, len(_BEGINNING) + 1, SUBJECT_KEY_ID_OCTETS)
    return F.when(is_of_subject, key_id)


def key_id_of_record(record: Column) -> Column:
    """The id of a person's key (BINARY)."""
    return F.substring(record, KEY_ID_OCTETS + 1, SUBJECT_KEY_ID_OCTETS)


def wrapped_by(record: Column, key_ids: frozenset[str]) -> Column:
    """Whether one of these data keys wraps the person's key."""
    marks = [F.lit(key_mark(each)) for each in sorted(key_ids)]
    return F.substring(record, 1, KEY_ID_OCTETS).isin(*marks)


def rewrapped(record: Column, wrapping: DataKey, opening: Mapping[str, DataKey]) -> Column:
    """The record with the same key wrapped by another data key (BINARY).

    The query stops with a `KeyUnavailableError` where none of the opening keys wraps it.
    """
    new, old = carried_key(wrapping), tuple(map(carried_key, opening.values()))

    def again(records: pa.Array) -> pa.Array:
        mark, key, by_mark = key_mark(new.name), new.opened(), _by_mark(old)
        found = (opened_record(each, by_mark) for each in records.to_pylist())
        return pa.array([_record(mark, key, *each) for each in found], pa.binary())

    return by_batch(again, "binary")(record)


def _record(mark: bytes, wrapping: bytes, key_id: bytes, key: bytes) -> bytes:
    return mark + key_id + aes_key_wrap(wrapping, key)


def opened_record(record: bytes, opening: Mapping[bytes, list[bytes]]) -> tuple[bytes, bytes]:
    """The id and the key in a record; `opening` are data keys by their marks.

    Raises:
        KeyUnavailableError: None of them wraps it.
        DataError: It is not as it was made.
    """
    if len(record) != _RECORD_OCTETS:
        found = f"a record of {len(record)} octets, not {_RECORD_OCTETS}"
        raise _damaged_record(found)
    mark, rest = record[:KEY_ID_OCTETS], record[KEY_ID_OCTETS:]
    candidates = opening.get(mark)
    if candidates is None:
        raise KeyUnavailableError(
            where=_WHAT,
            expected="the data key that wraps it",
            found=f"no key with the mark {mark.hex()}",
            next_step="Add the key to the key ring, or accept that the values were erased.",
        )
    for key in candidates:
        try:
            opened = aes_key_unwrap(key, rest[SUBJECT_KEY_ID_OCTETS:])
        except InvalidUnwrap:
            continue
        return rest[:SUBJECT_KEY_ID_OCTETS], opened
    found = "one that was changed, or another table's"
    raise _damaged_record(found)


def _sealing(keyring: SubjectKeyring, key: DataKey, table: str, column: str) -> Batch:
    own, beginning = carried_key(key), header(AES_256_GCM, key.id)
    bound = associated(AES_256_GCM, key.id, table, column)

    def seal(values: pa.Array, digests: pa.Array, records: pa.Array) -> pa.Array:
        if values.null_count == len(values):
            return pa.nulls(len(values), pa.binary())
        persons, ciphers, of_table = keyring.persons(), _Ciphers(table, column), cipher_of(own)
        tokens: list[bytes | None] = []
        for plain, who, known in _rows(values, digests, records):
            if plain is None:
                tokens.append(None)
                continue
            nonce = os.urandom(NONCE_OCTETS)
            if who is None:
                tokens.append(beginning + nonce + of_table.encrypt(nonce, plain, bound))
                continue
            key_id, person = persons.of(who, known)
            cipher, ours = ciphers.of(key_id, person)
            tokens.append(_BEGINNING + key_id + nonce + cipher.encrypt(nonce, plain, ours))
        return pa.array(tokens, pa.binary())

    return seal


def _opening(keys: Mapping[str, DataKey], table: str, column: str, letter: str) -> Batch:
    opening, wanted = tuple(map(carried_key, keys.values())), letter.encode()
    where = f"{table}, column {column}"

    def open_all(tokens: pa.Array, records: pa.Array) -> pa.Array:
        # A batch has many tokens of one person.
        open_record = cache(partial(opened_record, opening=_by_mark(opening)))
        of_table = ciphers_by_mark(opening, table, column)
        ciphers = _Ciphers(table, column)
        values: list[bytes | None] = []
        for token, record in zip(tokens.to_pylist(), records.to_pylist(), strict=True):
            if token is None:
                values.append(None)
            elif token[: len(_BEGINNING)] == _BEGINNING:
                values.append(_opened(token, record, open_record, ciphers, wanted, where))
            else:
                values.append(opened_token(token, of_table, wanted, where))
        return pa.array(values, pa.binary())

    return open_all


def _opened(
    token: bytes,
    record: bytes | None,
    open_record: Callable[[bytes], tuple[bytes, bytes]],
    ciphers: _Ciphers,
    letter: bytes,
    where: str,
) -> bytes:
    if len(token) < _HEADER_OCTETS + NONCE_OCTETS + TAG_OCTETS:
        raise refused(where, f"{len(token)} octets, which is no whole token")
    key_id = token[len(_BEGINNING) : _HEADER_OCTETS]
    if record is None:
        raise KeyUnavailableError(
            where=where,
            expected=_WHAT + ", which made the token",
            found=f"no record of the key {key_id.hex()}",
            next_step="Accept that the value was erased: the key goes with its person.",
        )
    found, person = open_record(record)
    cipher, bound = ciphers.of(found, person)
    nonce, rest = token[_HEADER_OCTETS:][:NONCE_OCTETS], token[_HEADER_OCTETS + NONCE_OCTETS :]
    try:
        plain = cipher.decrypt(nonce, rest, bound) if found == key_id else None
    except InvalidTag:
        plain = None
    if plain is None:
        raise refused(where, "a token that was changed, or made for another table or column")
    if plain[:1] != letter:
        raise refused(where, "a value of another type than the column's")
    return plain


class _Ciphers:
    """The ciphers of persons' keys for one column, with what they authenticate."""

    def __init__(self, table: str, column: str) -> None:
        self._table, self._column = table, column
        self._made: dict[bytes, tuple[AESGCM, bytes]] = {}

    def of(self, key_id: bytes, key: bytes) -> tuple[AESGCM, bytes]:
        if key_id not in self._made:
            bound = associated(AES_256_GCM_OF_SUBJECT, key_id.hex(), self._table, self._column)
            self._made[key_id] = (AESGCM(key), bound)
        return self._made[key_id]


def _by_mark(opening: tuple[CarriedSecret, ...]) -> Mapping[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for secret in opening:
        found.setdefault(key_mark(secret.name), []).append(secret.opened())
    return found


def _rows(
    values: pa.Array, digests: pa.Array, records: pa.Array
) -> Iterator[tuple[bytes | None, str | None, bytes | None]]:
    return zip(values.to_pylist(), digests.to_pylist(), records.to_pylist(), strict=True)


def _damaged_record(found: str) -> DataError:
    return DataError(
        where=_WHAT,
        expected="its record as it was made",
        found=found,
        next_step="Compare the ledger of persons' keys with an earlier snapshot of it.",
    )
