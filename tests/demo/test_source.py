from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import psycopg
import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError, SourceUnavailableError
from demo.demo_source_database import Filled, create, fill_until
from demo.flights_dataset import ALL_REPORTED, MID_YEAR, naive_utc

CUT = pd.Timestamp(naive_utc(MID_YEAR))
TIMES = ["departed_at", "arrived_at", "created_date", "updated_date"]
FINGERPRINT = """
SELECT count(*), sum(hashtextextended(a::text, 0)) FROM source_schema.aircraft AS a
"""


def state_of(dsn):
    """The times of every row, by flight_id."""
    with psycopg.connect(dsn.get_secret_value()) as connection:
        rows = connection.execute(
            """
            SELECT flight_id, departed_at, arrived_at, created_date, updated_date
            FROM source_schema.aircraft ORDER BY flight_id
            """
        ).fetchall()
    state = pd.DataFrame(rows, columns=["flight_id", *TIMES]).set_index("flight_id")
    return state.astype("datetime64[ns]")


@pytest.fixture(scope="module")
def dsn(database):
    created = database()
    create(created)
    return created


@pytest.fixture(scope="module")
def mid_year(dsn):
    """What the first step did, and the state it left."""
    return fill_until(dsn, MID_YEAR), state_of(dsn)


@pytest.fixture(scope="module")
def year_end(dsn, mid_year):
    """What the second step did, and the state it left."""
    return fill_until(dsn, ALL_REPORTED), state_of(dsn)


@pytest.fixture(scope="module")
def by_id(log):
    return log.set_index("flight_id")


def test_at_the_cut_exactly_the_flights_scheduled_by_then_are_there(mid_year, raw):
    filled, state = mid_year
    scheduled = pd.to_datetime(raw.time_hour) + pd.to_timedelta(raw.minute, unit="m")
    by_then = raw.index[scheduled <= MID_YEAR] + 1

    assert filled == Filled(inserted=len(by_then), corrected=0)
    assert state.index.tolist() == sorted(by_then)


def test_at_the_cut_nothing_of_the_future_is_known(mid_year):
    _, state = mid_year

    assert state.max().max() <= CUT
    assert (state.updated_date >= state.created_date).all()


def test_at_the_cut_a_flight_in_the_air_has_neither_departed_nor_arrived(mid_year, by_id):
    _, state = mid_year
    log = by_id.loc[state.index]
    in_the_air = (log.departed_at <= CUT) & (log.arrived_at > CUT)

    assert in_the_air.sum() == 78
    assert state.loc[in_the_air, ["departed_at", "arrived_at"]].isna().all(axis=None)
    assert (state.updated_date == state.created_date)[in_the_air].all()


def test_at_the_cut_a_landed_flight_has_both_times_and_was_updated_at_its_landing(mid_year, by_id):
    _, state = mid_year
    log = by_id.loc[state.index]
    landed = log.arrived_at <= CUT

    assert landed.sum() > 150_000
    assert (state.departed_at == log.departed_at)[landed].all()
    assert (state.arrived_at == log.arrived_at)[landed].all()
    assert (state.updated_date == log.arrived_at)[landed].all()


def test_at_the_cut_diverted_flights_are_known_up_to_the_last_report(mid_year, raw):
    _, state = mid_year
    diverted = raw[raw.dep_time.notna() & raw.air_time.isna()]
    reported = diverted.index[diverted.month <= 5] + 1
    waiting = (diverted.index[diverted.month == 6] + 1).intersection(state.index)

    assert state.departed_at[reported].notna().all()
    assert state.arrived_at[reported].isna().all()
    assert state.updated_date[reported].max() == pd.Timestamp("2013-07-01")
    assert len(waiting) > 100
    assert state.departed_at[waiting].isna().all()


def test_flights_looked_up_by_hand_are_as_they_were_at_the_cut(mid_year):
    _, state = mid_year
    # UA 1545 landed in Houston on New Year's Day; B6 718 is on its way to Boston.
    houston, boston = state.loc[1], state.loc[249_534]

    assert str(houston.departed_at) == "2013-01-01 10:17:00"
    assert str(houston.updated_date) == str(houston.arrived_at) == "2013-01-01 14:30:00"
    assert str(boston.created_date) == str(boston.updated_date) == "2013-07-01 03:00:00"
    assert boston[["departed_at", "arrived_at"]].isna().all()


def test_between_the_states_open_flights_are_corrected_and_nothing_else(mid_year, year_end):
    _, before = mid_year
    filled, after = year_end
    after = after.loc[before.index]
    corrected = after.updated_date != before.updated_date

    assert filled.corrected == corrected.sum() == 240
    pd.testing.assert_frame_equal(after[~corrected], before[~corrected])
    assert before.departed_at[corrected].isna().all()
    assert after.departed_at[corrected].notna().all()
    assert (after.created_date == before.created_date).all()
    assert after.updated_date[corrected].min() > CUT


def test_diverted_flights_come_after_later_flights_of_their_aircraft(mid_year, year_end, by_id):
    _, before = mid_year
    _, after = year_end
    known = before.departed_at.groupby(by_id.tail_number.loc[before.index]).max()
    corrected = before.index[after.updated_date.loc[before.index] != before.updated_date]
    latest_known = by_id.tail_number[corrected].map(known)
    late = corrected[after.departed_at[corrected] < latest_known]

    assert len(late) > 100
    assert after.arrived_at[late].isna().all()
    assert by_id.tail_number[late].nunique() > 100


def test_at_the_end_the_table_counts_what_the_package_counts(dsn, year_end, ask):
    assert year_end[0].inserted == 336_776 - 166_158
    assert ask(
        dsn,
        """
        SELECT
            count(*),
            count(*) FILTER (WHERE tail_number IS NULL),
            count(*) FILTER (WHERE departed_at IS NULL),
            count(*) FILTER (WHERE departed_at IS NOT NULL AND arrived_at IS NULL),
            count(*) FILTER (WHERE departed_at IS NULL AND updated_date <> created_date),
            count(DISTINCT tail_number)
        FROM source_schema.aircraft
        """,
    ) == [(336_776, 2_512, 8_255, 1_175, 0, 4_043)]


def test_at_the_end_every_row_is_as_the_log_has_it(year_end, by_id):
    _, state = year_end

    for column in ("departed_at", "arrived_at"):
        pd.testing.assert_series_equal(state[column], by_id[column])
    completed = by_id.completed_at.fillna(by_id.scheduled_departure)
    pd.testing.assert_series_equal(state.updated_date, completed, check_names=False)


def test_an_aircraft_carries_what_the_package_knows_of_it(dsn, year_end, ask, package):
    plane = pd.read_csv(package / "planes.csv").set_index("tailnum").loc["N14228"]
    known = ask(
        dsn,
        """
        SELECT DISTINCT manufacturer, model, built_year, engines, seats, engine_kind
        FROM source_schema.aircraft WHERE tail_number = %(tail_number)s
        """,
        tail_number="N14228",
    )

    assert known == [
        (plane.manufacturer, plane.model, plane.year, plane.engines, plane.seats, plane.engine)
    ]
    assert ask(
        dsn,
        """
        SELECT count(*) FROM source_schema.aircraft
        WHERE tail_number IS NOT NULL AND manufacturer IS NULL
        """,
    ) == [(50_094,)]


def test_doing_a_step_again_or_going_back_changes_nothing(dsn, year_end, ask):
    before = ask(dsn, FINGERPRINT)

    assert fill_until(dsn, ALL_REPORTED) == Filled(0, 0)
    assert fill_until(dsn, MID_YEAR) == Filled(0, 0)
    create(dsn)
    assert ask(dsn, FINGERPRINT) == before


def test_the_state_does_not_depend_on_the_steps_that_led_to_it(dsn, year_end, database, ask):
    other = database()
    create(other)
    for moment in (datetime(2013, 3, 10, 7, 30, tzinfo=UTC), ALL_REPORTED + timedelta(days=9)):
        fill_until(other, moment)

    assert ask(other, FINGERPRINT) == ask(dsn, FINGERPRINT)


def test_a_log_that_a_crash_has_emptied_is_read_again(dsn, year_end, ask):
    with psycopg.connect(dsn.get_secret_value()) as connection:
        connection.execute("TRUNCATE carrier_log.flights")

    assert fill_until(dsn, ALL_REPORTED) == Filled(0, 0)
    assert ask(dsn, "SELECT count(*) FROM carrier_log.flights") == [(336_776,)]


def test_a_moment_without_a_zone_is_refused_before_anything_is_written(dsn):
    with pytest.raises(SettingsError, match="time zone"):
        fill_until(dsn, datetime(2013, 7, 1))


def test_a_database_that_does_not_answer_is_named_without_its_credentials(tmp_path):
    nobody = SecretStr(f"host={tmp_path} user=demo password=opensesame")

    with pytest.raises(SourceUnavailableError) as raised:
        create(nobody)

    assert "opensesame" not in str(raised.value)
    assert isinstance(raised.value.__cause__, psycopg.OperationalError)
