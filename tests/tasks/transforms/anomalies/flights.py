"""Rows that look like flights: two features that go together, twice, with long tails and nulls."""

from __future__ import annotations

import numpy as np
import pandas as pd

from contracts.model import AnomalySettings, Feature

NAMES = ("departure_delay", "arrival_delay", "air_time", "distance")
FEATURES = tuple(Feature(name, (name,)) for name in NAMES)
SETTINGS = AnomalySettings(features=FEATURES)


def flights(rows=3000, seed=5):
    """Delays and times in minutes, distances in miles; one row in thirty has only a distance."""
    chance = np.random.default_rng(seed)
    distance = chance.choice([200.0, 700.0, 1000.0, 2400.0], rows) + chance.normal(0, 20, rows)
    air_time = 20 + distance / 8 + chance.normal(0, 8, rows)
    departure = chance.exponential(20, rows) - 8
    arrival = departure - 5 + chance.normal(0, 12, rows)
    frame = pd.DataFrame(dict(zip(NAMES, (departure, arrival, air_time, distance), strict=True)))
    frame.loc[frame.index % 30 == 0, list(NAMES[:3])] = np.nan
    return frame.round(1)
