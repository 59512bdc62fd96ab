"""Key material as values that never appear in a repr, a log line or a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataKey:
    """One data key. `id` goes into every token, `material` never leaves the process.

    It has 32 bytes; that of deterministic tokens has 64 (RFC 5297: two keys of 256 bits).
    """

    id: str
    material: bytes = field(repr=False)


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
