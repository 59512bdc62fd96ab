"""Which columns the fingerprints of a table were made of, as far as its loads have said.

A fingerprint can't be taken apart: versions that were told apart by one set of columns can't be
told apart by another. The table's newest snapshot therefore names the set.
"""

from __future__ import annotations

import json

from contracts.errors import SettingsError
from history.settings import HistorySettings
from history.table import Published

FINGERPRINTED = "strandline.fingerprinted"
"""The entry of the snapshot summary: the tracked columns as JSON, or `_SEVERAL`."""

_SEVERAL = "several"


def entry(state: Published, settings: HistorySettings) -> dict[str, str]:
    """The entry of a snapshot that follows on the state; none for a table without fingerprints."""
    if settings.fingerprint is None:
        return {}
    mine = json.dumps(settings.tracked)
    return {FINGERPRINTED: mine if state.properties.get(FINGERPRINTED, mine) == mine else _SEVERAL}


def check(state: Published, settings: HistorySettings, table: str) -> None:
    """Refuse a tracked set that the table's fingerprints were not made of.

    A table whose loads have not said what theirs were made of is taken to fit.

    Raises:
        SettingsError: The table has fingerprints of another set, or of several.
    """
    if settings.fingerprint is None:
        return
    mine = json.dumps(settings.tracked)
    told = state.properties.get(FINGERPRINTED, mine)
    if told != mine:
        raise SettingsError(
            where=table,
            expected="the tracked columns that the table's fingerprints were made of",
            found="fingerprints of several sets" if told == _SEVERAL else f"fingerprints of {told}",
            next_step="Restore `tracked`, or load a new table from the source: the tracked columns "
            "are inside the fingerprint, so a rebuild can mend structure only.",
        )
