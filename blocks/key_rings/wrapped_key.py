"""What a ring's wrapping takes and gives: a wrapped data key, and what it is bound to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from contracts.model.encryption_keys import KeyPurpose

__all__ = ["KEY_BYTES", "KeyContext", "RewrapReport", "WrappedKey"]

KEY_BYTES: Final = 32
"""The length of every data key, and of a local key-encryption key: AES-256."""


@dataclass(frozen=True, slots=True)
class KeyContext:
    """What a wrapped key is bound to: it opens for this table, purpose and id alone."""

    table: str
    purpose: KeyPurpose
    key_id: str

    def as_mapping(self) -> dict[str, str]:
        """The context as names and texts, such as AWS KMS takes."""
        return {
            "strandline:table": self.table,
            "strandline:purpose": str(self.purpose),
            "strandline:key-id": self.key_id,
        }


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped data key.

    Attributes:
        octets: The wrapped key.
        wrapped_by: The id of the key-encryption key, which says nothing about the key itself; None
            in a file of an earlier release.
        bound: The context is part of the wrapping; earlier releases did not bind it.
    """

    octets: bytes = field(repr=False)
    wrapped_by: str | None
    bound: bool = True


@dataclass(frozen=True, slots=True)
class RewrapReport:
    """How many keys were wrapped anew, how many were so already, and the id of the wrapping key."""

    rewrapped: int
    unchanged: int
    wrapped_by: str
