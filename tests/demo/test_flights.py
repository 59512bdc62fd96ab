from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from contracts.errors import EnvironmentUnfitError, SettingsError
from demo.flights_dataset import airports, flight_rows, naive_utc, planes

NO_ZONE = {"BQN", "PSE", "SJU", "STT"}


def test_the_log_has_every_row_of_the_package_in_its_order(log, raw):
    assert len(log) == len(raw) == 336_776
    assert log.flight_id.tolist() == list(range(1, 336_777))
    for ours, theirs in {
        "tail_number": "tailnum",
        "carrier": "carrier",
        "flight_number": "flight",
        "origin": "origin",
        "destination": "dest",
        "distance_miles": "distance",
    }.items():
        assert (log[ours].fillna("") == raw[theirs].fillna("")).all()


def test_what_is_missing_in_the_package_is_missing_in_the_log(log, raw):
    assert log.tail_number.isna().sum() == raw.tailnum.isna().sum() == 2_512
    assert log.departed_at.isna().sum() == raw.dep_time.isna().sum() == 8_255
    diverted = log.departed_at.notna() & log.arrived_at.isna()
    assert diverted.sum() == 1_175
    assert (diverted == (raw.dep_time.notna() & raw.air_time.isna())).all()
    assert log.departed_at[log.tail_number.isna()].isna().all()


def test_the_clock_in_new_york_shows_the_departure_that_was_recorded(log, raw):
    local = log.departed_at.dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    clock = local.dt.hour * 100 + local.dt.minute
    departed = raw.dep_time.notna()

    # Midnight is written as 2400.
    assert (clock[departed] == raw.dep_time[departed] % 2400).all()


def test_the_clock_at_the_destination_shows_the_arrival_that_was_recorded(log, raw, package):
    zones = log.destination.map(pd.read_csv(package / "airports.csv").set_index("faa").tzone)
    landed = log[log.arrived_at.notna() & zones.notna()]
    differs = []
    for zone, flights in landed.groupby(zones):
        local = flights.arrived_at.dt.tz_localize("UTC").dt.tz_convert(zone)
        clock = local.dt.hour * 100 + local.dt.minute
        differs.extend(flights.flight_id[clock != raw.arr_time[flights.index] % 2400])

    assert len(landed) == 319_809
    # B6 35 landed in West Palm Beach on 10 March at 3:03, 36 minutes of taxiing and 141 in the air
    # after 23:06. Its log says 2:03, an hour that clocks skipped that night.
    assert differs == [144_508]
    assert log.arrived_at[144_507] == pd.Timestamp("2013-03-10 07:03")


def test_a_flight_takes_its_air_time_and_some_taxiing(log, raw):
    known = log.arrived_at.notna()
    minutes = (log.arrived_at - log.departed_at)[known] / timedelta(minutes=1)
    taxiing = minutes - raw.air_time[known]

    has_zone = ~log.destination[known].isin(NO_ZONE)
    assert taxiing[has_zone].between(5, 240).all()
    assert (taxiing[~has_zone] == 0).all()
    assert set(log.destination) - set(airports().faa) == NO_ZONE


def test_a_row_is_completed_at_the_landing_or_by_the_report_or_never(log, raw):
    landed = log.arrived_at.notna()
    assert (log.completed_at[landed] == log.arrived_at[landed]).all()
    assert log.completed_at[log.departed_at.isna()].isna().all()

    diverted = log.departed_at.notna() & ~landed
    assert log.completed_at[diverted & (raw.month == 1)].eq(pd.Timestamp("2013-03-01")).all()
    assert log.completed_at[diverted & (raw.month == 11)].eq(pd.Timestamp("2014-01-01")).all()
    assert log.completed_at[diverted & (raw.month == 12)].eq(pd.Timestamp("2014-02-01")).all()
    assert set(raw.month[diverted]) == set(range(1, 13))


def test_nothing_is_completed_before_it_was_scheduled(log):
    done = log.completed_at.notna()

    assert (log.completed_at > log.scheduled_departure)[done].all()


def test_the_first_flight_of_the_year_reads_as_a_person_would_read_it(log):
    # 1 January, 5:15 scheduled, 5:17 left Newark, 8:30 landed in Houston an hour behind New York.
    first = log.iloc[0]

    assert (first.carrier, first.flight_number, first.tail_number) == ("UA", 1545, "N14228")
    assert first.scheduled_departure == pd.Timestamp("2013-01-01 10:15")
    assert first.departed_at == pd.Timestamp("2013-01-01 10:17")
    assert first.arrived_at == first.completed_at == pd.Timestamp("2013-01-01 14:30")


def test_reference_tables_are_complete():
    assert airports().faa.is_unique
    assert len(airports()) == 1_458
    assert airports().tzone.isna().sum() == 3
    assert planes().tailnum.is_unique
    assert len(planes()) == 3_322


def test_a_moment_is_taken_in_utc_whatever_its_zone():
    moment = datetime(2013, 7, 1, 1, tzinfo=timezone(timedelta(hours=-4)))

    assert naive_utc(moment) == datetime(2013, 7, 1, 5)
    assert naive_utc(datetime(2013, 7, 1, 5, tzinfo=UTC)) == datetime(2013, 7, 1, 5)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(SettingsError, match="time zone"):
        naive_utc(datetime(2013, 7, 1, 5))


def test_a_missing_package_is_said_with_the_command_that_helps(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(EnvironmentUnfitError, match=r"pip install 'strandline\[demo\]'"):
        flight_rows()
