from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from contracts.errors import SettingsError
from demo.expected_history import expected_history_of, reference_history
from demo.flights_dataset import ALL_REPORTED, MID_YEAR, naive_utc

INSTANTS = tuple(pd.Timestamp(f"2013-01-0{day} 12:00") for day in range(1, 6))
EVENT = ["tail_number", "departed_at", "destination", "carrier"]
VERSION = ["airport", "carrier", "valid_from", "valid_to", "is_current"]


@pytest.fixture(scope="module")
def history():
    return reference_history(ALL_REPORTED)


def events(*rows):
    return pd.DataFrame(rows, columns=EVENT)


def versions(history, tail_number):
    """A tail number's versions as tuples; an open end is None."""
    rows = history.loc[history.tail_number == tail_number, VERSION]
    return [
        (airport, carrier, str(start), None if pd.isna(end) else str(end), current)
        for airport, carrier, start, end, current in rows.itertuples(index=False)
    ]


def test_every_aircraft_that_ever_departed_has_exactly_one_open_version(history, log):
    departed = set(log.tail_number[log.departed_at.notna()])

    assert set(history.tail_number) == departed
    assert history.groupby("tail_number").is_current.sum().eq(1).all()
    assert (history.is_current == history.valid_to.isna()).all()


def test_versions_of_an_aircraft_touch_without_overlap_and_differ_from_their_neighbours(history):
    same = history.tail_number.eq(history.tail_number.shift(-1))
    following = history.shift(-1)

    assert (history.valid_to[same] == following.valid_from[same]).all()
    assert history.is_current[~same].all()
    assert (history.valid_to[same] > history.valid_from[same]).all()
    changed = history.airport.ne(following.airport) | history.carrier.ne(following.carrier)
    assert changed[same].all()


def test_the_history_answers_every_departure_with_its_own_destination(history, log):
    # As-of join: a way to look a moment up that shares nothing with how the versions were made.
    departures = log[log.departed_at.notna()].sort_values("departed_at")
    found = pd.merge_asof(
        departures,
        history.sort_values("valid_from"),
        left_on="departed_at",
        right_on="valid_from",
        by="tail_number",
        suffixes=("", "_found"),
    )

    assert len(found) == 328_521
    assert (found.airport == found.destination).all()
    assert (found.carrier_found == found.carrier).all()
    assert (found.valid_to.isna() | (found.departed_at < found.valid_to)).all()


def test_it_is_sorted_and_complete_in_its_columns(history):
    assert list(history.columns) == ["tail_number", *VERSION]
    assert history.equals(history.sort_values(["tail_number", "valid_from"]))
    assert history.drop(columns="valid_to").notna().all(axis=None)


def test_the_history_of_one_aircraft_is_what_a_person_reads_off_the_log(history):
    # Southwest's N384SW, five times in New York: 11 March 6:57 to Houston (diverted), 10 July 6:59
    # to St. Louis, 15 August 12:42 to Houston, 21 September 7:07 to St. Louis, 24 September 15:28
    # to Chicago; summer time on all of these days.
    assert versions(history, "N384SW") == [
        ("HOU", "WN", "2013-03-11 10:57:00", "2013-07-10 10:59:00", False),
        ("STL", "WN", "2013-07-10 10:59:00", "2013-08-15 16:42:00", False),
        ("HOU", "WN", "2013-08-15 16:42:00", "2013-09-21 11:07:00", False),
        ("STL", "WN", "2013-09-21 11:07:00", "2013-09-24 19:28:00", False),
        ("MDW", "WN", "2013-09-24 19:28:00", None, True),
    ]


def test_flights_to_the_same_place_are_one_version(history):
    # Delta's D942DN flew to Orlando on 23 and on 24 March.
    assert versions(history, "D942DN") == [
        ("ATL", "DL", "2013-02-11 20:08:00", "2013-03-23 17:40:00", False),
        ("MCO", "DL", "2013-03-23 17:40:00", "2013-07-05 16:53:00", False),
        ("ATL", "DL", "2013-07-05 16:53:00", None, True),
    ]


def test_a_diverted_flight_takes_its_place_only_when_the_report_is_in():
    # N396SW left for Houston on 14 August and was diverted; it left for Houston again on
    # 24 September. The report about August comes at the end of September.
    before = versions(reference_history(datetime(2013, 9, 30, 23, 59, tzinfo=UTC)), "N396SW")
    after = versions(reference_history(datetime(2013, 10, 1, tzinfo=UTC)), "N396SW")

    assert before[-1] == ("HOU", "WN", "2013-09-24 16:41:00", None, True)
    assert after[-1] == ("HOU", "WN", "2013-08-14 22:11:00", None, True)
    assert after[:-2] == before[:-2]
    assert before[-2][3] == "2013-09-24 16:41:00"
    assert after[-2][3] == "2013-08-14 22:11:00"


def test_a_flight_in_the_air_is_not_in_the_history_yet():
    # JetBlue's N216JB left for Boston at 4:21 UTC and landed at 5:16.
    history = reference_history(MID_YEAR)
    later = reference_history(datetime(2013, 7, 1, 5, 16, tzinfo=UTC))
    cut = pd.Timestamp(naive_utc(MID_YEAR))

    assert history.valid_from.max() < cut
    assert versions(history, "N216JB")[-1][2] < "2013-07-01 04:21:00"
    assert versions(later, "N216JB")[-1] == ("BOS", "B6", "2013-07-01 04:21:00", None, True)


def test_events_of_one_instant_that_differ_are_all_left_out():
    first, second, third, *_ = INSTANTS
    history = expected_history_of(
        events(
            ("N1", first, "ATL", "DL"),
            ("N1", second, "MCO", "DL"),
            ("N1", second, "BOS", "DL"),
            ("N1", third, "ATL", "DL"),
            ("N2", first, "ATL", "DL"),
            ("N2", first, "ATL", "UA"),
        )
    )

    assert versions(history, "N1") == [("ATL", "DL", str(first), None, True)]
    assert versions(history, "N2") == []


def test_repeats_and_the_order_of_events_change_nothing():
    first, second, third, *_ = INSTANTS
    stated = events(
        ("N1", first, "ATL", "DL"),
        ("N1", second, "ATL", "UA"),
        ("N1", third, "ATL", "DL"),
        ("N2", second, "ATL", "DL"),
    )
    shuffled = pd.concat([stated, stated]).iloc[[3, 6, 1, 0, 5, 2, 7, 4]]

    pd.testing.assert_frame_equal(expected_history_of(shuffled), expected_history_of(stated))
    assert len(expected_history_of(stated)) == 4


def test_no_event_makes_an_empty_history_with_the_same_columns():
    assert list(expected_history_of(events())) == ["tail_number", *VERSION]


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(SettingsError, match="time zone"):
        reference_history(datetime(2013, 7, 1, 5))
