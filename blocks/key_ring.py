"""The keys that protect the tables' personal data.

Promise: keys are on disk wrapped only (RFC 3394); unwrapped they never show in a repr, a message
or a log. A key is in the file before it is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from pathlib import Path
from typing import ClassVar, TypedDict

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator

from blocks.operating_system.owner_only_file import locked, write_private
from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, KEY_LOGO
from contracts.errors import KeyUnavailableError
from contracts.model.encryption_keys import DataKey, ProtectionKeys

__all__ = ["LocalKeyRing"]

_PURPOSES = ("fingerprint", "pseudonym", "encryption")
_DETERMINISTIC = "deterministic"
_KEY_BYTES = 32
_DETERMINISTIC_KEY_BYTES = 64


class Entry(TypedDict):
    """One data key as it is in the file."""

    table: str
    purpose: str
    wrapped: str


Entries = dict[str, Entry]


class LocalKeyRing(Block):
    """Data keys of each table, in a file, wrapped by a key-encryption key that is kept apart.

    Without the file or without the key-encryption key, what the data keys protect is lost: keep
    a copy of each, in different places.

    Example:
        Load the block and make a table's keys, or find those made before:
        ```python
        from blocks.key_ring import LocalKeyRing

        ring = LocalKeyRing.load("BLOCK_NAME")
        keys = ring.keys_for("lake.crm.customers", create=True)
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline Local Key Ring"
    _block_type_slug = "strandline-local-key-ring"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = KEY_LOGO

    path: Path = Field(description="The file with the wrapped data keys; made when it is missing.")
    key_encryption_key: SecretStr = Field(
        description="The key that wraps the data keys: 32 bytes in base64, of generate_key()."
    )

    @field_validator("key_encryption_key")
    @classmethod
    def _has_32_bytes(cls, key: SecretStr) -> SecretStr:
        try:
            fits = len(base64.b64decode(key.get_secret_value(), validate=True)) == _KEY_BYTES
        except (binascii.Error, ValueError):
            fits = False
        if not fits:
            message = "the key-encryption key must be 32 bytes in base64"
            raise ValueError(message)
        return key

    @staticmethod
    def generate_key() -> SecretStr:
        """A new key-encryption key."""
        return SecretStr(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())

    def keys_for(self, table: str, *, create: bool) -> ProtectionKeys:
        """The three keys of a table; with `create`, they are made when the table has none.

        Raises:
            KeyUnavailableError: The file is missing or damaged, the table has no keys, or the
                key-encryption key is not the one that wrapped them.
        """
        if not create and not self.path.exists():
            raise self._missing()
        self._make_folder()
        with locked(self._lock_file):
            entries = self._read()
            self._check_key_encryption_key(entries)
            own = {
                entry["purpose"]: id_
                for id_, entry in entries.items()
                if entry["table"] == table and entry["purpose"] in _PURPOSES
            }
            if not own and create:
                own = self._add(entries, table)
        if set(own) < set(_PURPOSES):
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected=f"the keys of {table}",
                found="none" if not own else f"only those for {', '.join(sorted(own))}",
                next_step="Restore the key ring's file from its copy, or load the table once.",
            )
        fingerprint, pseudonym, encryption = (
            DataKey(own[purpose], self._unwrap(entries, own[purpose])) for purpose in _PURPOSES
        )
        return ProtectionKeys(fingerprint, pseudonym, encryption)

    def deterministic_key(self, owner: str, *, create: bool) -> DataKey:
        """The key of deterministic tokens of a table or of a join domain, 64 bytes.

        `owner` is the table's name, or `join domain ` and the domain's. With `create`, the key is
        made when there is none.

        Raises:
            KeyUnavailableError: The file is missing or damaged, the owner has no such key, or the
                key-encryption key is not the one that wrapped it.
        """
        if not create and not self.path.exists():
            raise self._missing()
        self._make_folder()
        with locked(self._lock_file):
            entries = self._read()
            self._check_key_encryption_key(entries)
            of_owner = (
                key_id
                for key_id, entry in entries.items()
                if (entry["table"], entry["purpose"]) == (owner, _DETERMINISTIC)
            )
            key_id = next(of_owner, None)
            if key_id is None and create:
                key_id = self._add_key(entries, owner, _DETERMINISTIC, _DETERMINISTIC_KEY_BYTES)
                self._write(entries)
        if key_id is None:
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected=f"the key of deterministic tokens of {owner}",
                found="none",
                next_step="Restore the key ring's file from its copy. A column that was encrypted "
                "otherwise until now needs another name.",
            )
        return DataKey(key_id, self._unwrap(entries, key_id))

    def data_key(self, key_id: str) -> DataKey:
        """The key with this id, as a token names it.

        Raises:
            KeyUnavailableError: The file is missing or damaged, has no such key, or the
                key-encryption key is not the one that wrapped it.
        """
        if not self.path.exists():
            raise self._missing()
        entries = self._read()
        if key_id not in entries:
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected=f"data key {key_id}",
                found="none of this id",
                next_step="Restore the copy of the file that has it; an erased key is gone.",
            )
        return DataKey(key_id, self._unwrap(entries, key_id))

    @property
    def _lock_file(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _key(self) -> bytes:
        return base64.b64decode(self.key_encryption_key.get_secret_value())

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected="a folder that can be made",
                found=error.strerror or type(error).__name__,
                next_step="Correct `path` in the key ring's block.",
            ) from error

    def _read(self) -> Entries:
        """The entries of the file; empty if there is no file yet."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return {
                key_id: Entry(
                    table=entry["table"], purpose=entry["purpose"], wrapped=entry["wrapped"]
                )
                for key_id, entry in document["keys"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise KeyUnavailableError(
                where=f"key ring {self.path}",
                expected="a file with wrapped data keys",
                found=f"one that can't be read ({type(error).__name__})",
                next_step="Restore the file from its copy.",
            ) from None

    def _check_key_encryption_key(self, entries: Entries) -> None:
        """Refuse to mix keys wrapped by different keys in one file."""
        for key_id in entries:
            self._unwrap(entries, key_id)
            return

    def _add(self, entries: Entries, table: str) -> dict[str, str]:
        own = {purpose: self._add_key(entries, table, purpose, _KEY_BYTES) for purpose in _PURPOSES}
        self._write(entries)
        return own

    def _add_key(self, entries: Entries, owner: str, purpose: str, size: int) -> str:
        key_id = secrets.token_hex(4)
        while key_id in entries:
            key_id = secrets.token_hex(4)
        wrapped = aes_key_wrap(self._key(), secrets.token_bytes(size))
        entries[key_id] = Entry(
            table=owner, purpose=purpose, wrapped=base64.b64encode(wrapped).decode()
        )
        return key_id

    def _write(self, entries: Entries) -> None:
        write_private(self.path, json.dumps({"version": 1, "keys": entries}, indent=1))

    def _unwrap(self, entries: Entries, key_id: str) -> bytes:
        try:
            wrapped = base64.b64decode(entries[key_id]["wrapped"], validate=True)
            return aes_key_unwrap(self._key(), wrapped)
        except (InvalidUnwrap, ValueError):
            raise KeyUnavailableError(
                where=f"key ring {self.path}, data key {key_id}",
                expected="a key that the key-encryption key opens",
                found="one that it does not open",
                next_step="Give the block the key-encryption key that this file was made with.",
            ) from None

    def _missing(self) -> KeyUnavailableError:
        return KeyUnavailableError(
            where=f"key ring {self.path}",
            expected="the file with the wrapped data keys",
            found="none",
            next_step="Restore it from its copy; without it, protected values can't be opened.",
        )
