"""Key material as values that never appear in a repr, a log line or a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NoReturn

GCM_VALUES_PER_KEY: Final = 2**32
"""How many values one key may encrypt with random 96-bit nonces (NIST SP 800-38D, 8.3)."""


class KeyPurpose(StrEnum):
    """What a data key is for."""

    FINGERPRINT = "fingerprint"
    PSEUDONYM = "pseudonym"
    ENCRYPTION = "encryption"
    DETERMINISTIC = "deterministic"

    @property
    def key_bytes(self) -> int:
        """The length of its keys; AES-SIV needs two of 256 bits (RFC 5297)."""
        return 64 if self is KeyPurpose.DETERMINISTIC else 32


TABLE_PURPOSES = (KeyPurpose.FINGERPRINT, KeyPurpose.PSEUDONYM, KeyPurpose.ENCRYPTION)
"""What every table has a key for."""


def deterministic_owner(table: str, join_domain: str | None) -> str:
    """Whose key makes the deterministic tokens of a column: its table's, or its join domain's."""
    return table if join_domain is None else f"join domain {join_domain}"


class KeyState(StrEnum):
    """What a data key may be used for.

    The states of NIST SP 800-57 part 1 (revision 5, section 7) that a key ring tells apart: an
    active key protects and opens, a retired one ("deactivated" there) opens only, of a destroyed
    one nothing is left but its name.
    """

    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class DataKey:
    """One data key. `id` goes into every token, `material` never leaves the process.

    It has 32 bytes; that of deterministic tokens has 64 (RFC 5297: two keys of 256 bits). It can't
    be pickled: a function that Spark sends to its workers would carry it in the clear.
    """

    id: str
    material: bytes = field(repr=False)

    def __reduce__(self) -> NoReturn:
        message = "a data key is never pickled"
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class ProtectionKeys:
    """The keys one run works with.

    `fingerprint` keys the row fingerprint, `pseudonym` the pseudonyms, `encryption` is the data
    key of this table's tokens. `deterministic` are the keys of tokens that can be joined, by join
    domain; that of the table's own by None. They are independent: none can be derived from another.
    """

    fingerprint: DataKey
    pseudonym: DataKey
    encryption: DataKey
    deterministic: Mapping[str | None, DataKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """What is known of a data key without opening it.

    Attributes:
        id: Names the key in every token; 8 hexadecimal digits.
        table: The table whose values it protects.
        purpose: What it is for.
        state: What it may be used for.
        made_at: When it was made; None: by a release that did not record it.
        period: The period that it was made in, such as `2026` or `2026-Q4`; None: the ring has
            no periods.
        uses: How many values it may have encrypted, counted before they are; None: a release
            that did not count has used it. Other keys than those for encryption are not counted.
        limit: After so many the next load makes a new key.
        wrapped_by: The id of the key-encryption key that opens it; None: it was destroyed, or an
            earlier release did not record it.
        rewrite_pending: The values of older keys are being encrypted again with this one.
        ended_at: When it was retired or destroyed.
        reason: Why it was destroyed.
    """

    id: str
    table: str
    purpose: KeyPurpose
    state: KeyState
    made_at: datetime | None
    period: str | None
    uses: int | None
    limit: int | None
    wrapped_by: str | None
    rewrite_pending: bool = False
    ended_at: datetime | None = None
    reason: str | None = None
