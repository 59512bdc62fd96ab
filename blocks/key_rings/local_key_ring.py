"""A key ring in a file of this machine, its data keys wrapped by a key from the environment.

Promise: keys are on disk wrapped only (RFC 3394); unwrapped they never show in a repr, a message
or a log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from pydantic import Field, SecretStr, field_validator

from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.key_ring_storage import KeyRingFile, KeyRingStorage
from blocks.key_rings.wrapped_key import KEY_BYTES, KeyContext, WrappedKey
from contracts.errors import KeyUnavailableError

__all__ = ["LocalKeyRing"]

_ID_DOMAIN = b"strandline: id of a key-encryption key"
_WRAP_DOMAIN = "strandline: wrapping of a data key"


class LocalKeyRing(KeyRing):
    """Data keys of each table, in a file, wrapped by a key-encryption key that is kept apart.

    Without the file or without the key-encryption key, what the data keys protect is lost: keep
    a copy of each, in different places.

    Each data key is wrapped as RFC 3394 says, by a key that is derived from the key-encryption key
    for its table, purpose and id (HKDF, RFC 5869): moved to another entry of the file, it does not
    open. Earlier releases wrapped with the key-encryption key itself; such keys open as they are.

    Example:
        Load the block and make a table's keys, or find those made before:
        ```python
        from blocks.key_rings.local_key_ring import LocalKeyRing

        ring = LocalKeyRing.load("BLOCK_NAME")
        keys = ring.keys_for("lake.crm.customers", create=True)
        ```
    """

    _block_type_name = "Strandline Local Key Ring"
    _block_type_slug = "strandline-local-key-ring"

    kind: Literal["local-key-ring"] = Field(
        default="local-key-ring", description="The name of its type in block files."
    )
    path: Path = Field(description="The file with the wrapped data keys; made when it is missing.")
    key_encryption_key: SecretStr = Field(
        description="The key that wraps the data keys: 32 bytes in base64, of generate_key()."
    )
    previous_key_encryption_key: SecretStr | None = Field(
        default=None,
        description="The key that wrapped them before; it only opens. `strandline keys rewrap` "
        "makes it superfluous.",
    )

    @field_validator("key_encryption_key", "previous_key_encryption_key")
    @classmethod
    def _has_32_bytes(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _is_key(key):
            message = "the key-encryption key must be 32 bytes in base64"
            raise ValueError(message)
        return key

    @staticmethod
    def generate_key() -> SecretStr:
        """A new key-encryption key."""
        return SecretStr(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())

    def storage(self) -> KeyRingStorage:
        """The file."""
        return KeyRingFile(self.path)

    @property
    def wrapping_key_id(self) -> str:
        """`local:` and eight hexadecimal digits that only the key's owner can compute."""
        return _id_of(_octets(self.key_encryption_key))

    def wrap(self, material: bytes, context: KeyContext) -> WrappedKey:
        """See `KeyRing.wrap`."""
        key = _octets(self.key_encryption_key)
        return WrappedKey(aes_key_wrap(_derived(key, context), material), _id_of(key))

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """See `KeyRing.unwrap`."""
        for key in self._keys():
            if wrapped.wrapped_by not in (None, _id_of(key)):
                continue
            wrapping = _derived(key, context) if wrapped.bound else key
            try:
                return aes_key_unwrap(wrapping, wrapped.octets)
            except (InvalidUnwrap, ValueError):
                continue
        known = wrapped.wrapped_by in (None, *map(_id_of, self._keys()))
        found = "one that it does not open: a changed one, or another table's"
        if not known:
            found = f"one that the key {wrapped.wrapped_by} wrapped"
        elif wrapped.wrapped_by is None:
            found = "one that it does not open"
        raise KeyUnavailableError(
            where=f"key ring {self.path}, data key {context.key_id} of {context.table}",
            expected=f"a key that the key-encryption key {self.wrapping_key_id} opens",
            found=found,
            next_step="Restore the file from its copy."
            if known and wrapped.wrapped_by
            else "Give the block the key-encryption key that this file was made with.",
        )

    def with_key_encryption_key(self, reference: SecretStr) -> LocalKeyRing:
        """This ring with that key, 32 bytes in base64.

        Raises:
            KeyUnavailableError: It is none.
        """
        if not _is_key(reference):
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected="a key-encryption key: 32 bytes in base64",
                found="something else",
                next_step="Make one with LocalKeyRing.generate_key(). Nothing was changed.",
            )
        return LocalKeyRing(
            path=self.path,
            key_encryption_key=reference,
            use_limit=self.use_limit,
            period=self.period,
        )

    def _keys(self) -> Iterator[bytes]:
        yield _octets(self.key_encryption_key)
        if self.previous_key_encryption_key is not None:
            yield _octets(self.previous_key_encryption_key)


def _is_key(key: SecretStr) -> bool:
    try:
        return len(base64.b64decode(key.get_secret_value(), validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _octets(key: SecretStr) -> bytes:
    return base64.b64decode(key.get_secret_value())


def _id_of(key: bytes) -> str:
    return f"local:{hmac.new(key, _ID_DOMAIN, hashlib.sha256).hexdigest()[:8]}"


def _derived(key: bytes, context: KeyContext) -> bytes:
    """The key that wraps one data key: HKDF-SHA-256 (RFC 5869), its info the context.

    Each part of the info is behind its length in four octets, big endian.
    """
    parts = (_WRAP_DOMAIN, context.table, str(context.purpose), context.key_id)
    info = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)
