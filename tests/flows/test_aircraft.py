"""A year of real flights: every version of every aircraft, against plain pandas."""

from __future__ import annotations

import pandas as pd

from demo.demo_source_database import create, fill_until
from demo.expected_history import reference_history
from demo.flights_dataset import ALL_REPORTED, MID_YEAR
from flows.load_table import load_table


def test_the_history_of_every_aircraft_equals_one_computed_in_pandas(make_workplace):
    place = make_workplace(many_rows=True)
    create(place.dsn)
    fill_until(place.dsn, MID_YEAR)
    first = load_table("aircraft")
    mid_year = _found(place)
    fill_until(place.dsn, ALL_REPORTED)
    second = load_table("aircraft")
    snapshots = place.snapshots("target_schema.aircraft")
    again = load_table("aircraft")

    pd.testing.assert_frame_equal(mid_year, _expected(MID_YEAR))
    pd.testing.assert_frame_equal(_found(place), _expected(ALL_REPORTED))
    assert first.staged.rows_read == 166_158
    assert first.staged.refused > 0
    assert second.report.late == 138
    assert {"aircraft_registered", "destination_listed"} <= {
        finding.check for finding in second.verdict.findings if finding.failed
    }
    assert not again.report.published
    assert place.snapshots("target_schema.aircraft") == snapshots
    assert place.leftovers == []


def _found(place):
    columns = ["tail_number", "airport", "carrier", "valid_from", "valid_to", "is_current"]
    table = place.table("target_schema.aircraft").select(*columns)
    return _plain(table.orderBy("tail_number", "valid_from").toArrow().to_pandas())


def _expected(until):
    return _plain(reference_history(until))


def _plain(frame):
    for name in ("valid_from", "valid_to"):
        frame[name] = pd.to_datetime(frame[name]).dt.tz_localize(None).astype("datetime64[us]")
    return frame.astype({"tail_number": object, "airport": object, "carrier": object}).reset_index(
        drop=True
    )
