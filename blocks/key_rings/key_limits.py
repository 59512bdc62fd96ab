"""How long and how often a data key may be used, and which keys are never replaced.

NIST SP 800-38D, 8.3: with random nonces one key of AES-GCM encrypts at most 2**32 values.
"""

from __future__ import annotations

from datetime import datetime

from blocks.key_rings.key_ring_document import Entry, Period, period_of
from contracts.errors import KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import GCM_VALUES_PER_KEY, KeyPurpose


def is_used_up(entry: Entry, values: int, at: datetime, limit: int, period: Period | None) -> bool:
    """Whether a load of so many values has to make a new key first."""
    if entry.uses is None:
        return True
    if entry.uses and entry.uses + values > limit:
        return True
    made = entry.made_at
    if period is None or made is None or at <= made:
        return False
    return period_of(at, period) != period_of(made, period)


def refuse_too_many(place: str, table: str, values: int) -> None:
    """Refuse more values than any one key may encrypt.

    Raises:
        KeyUnavailableError: They are more than 2**32.
    """
    if values > GCM_VALUES_PER_KEY:
        raise KeyUnavailableError(
            where=f"{place}, {table}",
            expected=f"at most {GCM_VALUES_PER_KEY:,} values under one key",
            found=f"{values:,}",
            next_step="Load the table in parts, or encrypt fewer of its columns. Nothing was "
            "changed.",
        )


def refuse_rotation(table: str, purpose: KeyPurpose) -> None:
    """Refuse to replace a key by which what is stored is recognised.

    Raises:
        SettingsError: It is for fingerprints, pseudonyms or deterministic tokens.
    """
    if purpose is not KeyPurpose.ENCRYPTION:
        raise SettingsError(
            where=f"{table}, keys for {purpose}",
            expected="a purpose whose keys can be replaced: encryption",
            found=f"{purpose}: what another key makes is not recognised beside what is stored",
            next_step="Load the table anew under another name to have another such key.",
        )
