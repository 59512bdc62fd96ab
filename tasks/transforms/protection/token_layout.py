"""What all tokens have in common: their first octets, what they authenticate, how they are refused.

Each token that a data key made begins with::

    version 1 octet | algorithm 1 octet | key id 4 octets

The key id is the first four octets of the SHA-256 of `DataKey.id`. A token that the key
of a person made has that key's whole id there instead
(`tasks.transforms.protection.subject_key_encryption`). Authenticated with the
ciphertext (associated data): version, algorithm, the whole key id, table and column, each behind
its length in four octets, big endian. So a token that was moved, or whose first octets were
changed, does not open.
"""

from __future__ import annotations

import hashlib

from contracts.errors import DataError, KeyUnavailableError

VERSION = 1
AES_256_GCM = 1
AES_256_SIV = 2
AES_256_GCM_OF_SUBJECT = 3
KEY_ID_OCTETS = 4
HEADER_OCTETS = 2 + KEY_ID_OCTETS


def key_mark(key_id: str) -> bytes:
    """The four octets that identify a token's key."""
    return hashlib.sha256(key_id.encode()).digest()[:KEY_ID_OCTETS]


def header(algorithm: int, key_id: str) -> bytes:
    """The first octets of a token."""
    return bytes([VERSION, algorithm]) + key_mark(key_id)


def associated(algorithm: int, key_id: str, table: str, column: str) -> bytes:
    """The associated data that a token authenticates beside its ciphertext."""
    parts = (
        bytes([VERSION]),
        bytes([algorithm]),
        key_id.encode(),
        table.encode(),
        column.encode(),
    )
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def read_header(token: bytes, algorithm: int, *, rest: int, where: str) -> bytes:
    """The mark of the token's key.

    Args:
        token: The token.
        algorithm: The one that it must be made with.
        rest: How many octets at least have to follow the header.
        where: The table and column, for messages.

    Raises:
        DataError: It is cut, of another version, or made with another algorithm.
    """
    if len(token) < HEADER_OCTETS + rest:
        raise refused(where, f"{len(token)} octets, which is no whole token")
    if token[0] != VERSION:
        raise refused(where, f"a token of version {token[0]}")
    if token[1] != algorithm:
        raise refused(where, f"a token of algorithm {token[1]}, not {algorithm}")
    return token[2:HEADER_OCTETS]


def missing_key(where: str, mark: bytes) -> KeyUnavailableError:
    """The error for a token that none of the given keys made."""
    return KeyUnavailableError(
        where=where,
        expected="the data key that made the token",
        found=f"no key with the mark {mark.hex()}",
        next_step="Add the key to the key ring, or accept that the value was erased.",
    )


def refused(where: str, found: str) -> DataError:
    """The error for a token that does not open here."""
    return DataError(
        where=where,
        expected="a token as it was made for this column",
        found=found,
        next_step="Compare the row with an earlier snapshot of the table.",
    )
