"""The aircraft's history computed a second time, in plain pandas, to check the engine against.

Promise: nothing here uses Spark, the database or the engine; it starts from the carriers' log.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from demo.flights_dataset import flight_rows, naive_utc

__all__ = ["expected_history_of", "reference_history"]

_INSTANT = ["tail_number", "departed_at"]
_TRACKED = ["destination", "carrier"]


def reference_history(until: datetime) -> pd.DataFrame:
    """Where each aircraft was headed, and for which carrier, as of `until` (included).

    A flight counts when its row was completed by then and names its aircraft. Shape and order as
    `expected_history_of` gives them.

    Raises:
        SettingsError: `until` has no time zone.
    """
    moment = pd.Timestamp(naive_utc(until))
    log = flight_rows()
    counted = log["completed_at"].le(moment) & log["tail_number"].notna()
    return expected_history_of(log.loc[counted, _INSTANT + _TRACKED])


def expected_history_of(events: pd.DataFrame) -> pd.DataFrame:
    """Versions by key `tail_number` in the order of `departed_at`.

    Takes tail_number, departed_at, destination, carrier, in any order and with repeats. Events of
    one aircraft and instant that differ are all left out; an event that repeats its predecessor's
    destination and carrier opens no version. Gives tail_number, airport, carrier, valid_from
    (included), valid_to (excluded; NaT while open) and is_current, sorted by tail_number and
    valid_from.
    """
    distinct = events.drop_duplicates(_INSTANT + _TRACKED)
    consistent = distinct[~distinct.duplicated(_INSTANT, keep=False)].sort_values(_INSTANT)
    previous = consistent[["tail_number", *_TRACKED]].shift()
    opens = consistent[["tail_number", *_TRACKED]].ne(previous).any(axis="columns")
    versions = consistent[opens].reset_index(drop=True)
    valid_to = versions.groupby("tail_number")["departed_at"].shift(-1)
    return pd.DataFrame(
        {
            "tail_number": versions["tail_number"],
            "airport": versions["destination"],
            "carrier": versions["carrier"],
            "valid_from": versions["departed_at"],
            "valid_to": valid_to,
            "is_current": valid_to.isna(),
        }
    )
