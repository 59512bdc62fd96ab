"""Key material as values that never appear in a repr, a log line or a plan."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataKey:
    """One data key. `id` goes into every token, `material` (32 bytes) never leaves the process."""

    id: str
    material: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProtectionKeys:
    """The keys one run works with.

    `fingerprint` keys the row fingerprint, `pseudonym` the pseudonyms, `encryption` is the data
    key of this table's tokens. They are independent: none can be derived from another.
    """

    fingerprint: DataKey
    pseudonym: DataKey
    encryption: DataKey
