"""A year of real flights: every version of every aircraft, against plain pandas."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from demo.demo_source_database import create, fill_until
from demo.expected_history import reference_history
from demo.flights_dataset import ALL_REPORTED, MID_YEAR
from flows.load_table import load_table

FIRST_DAY = datetime(2013, 1, 2, 5, tzinfo=UTC)
SECOND_DAY = datetime(2013, 1, 3, 5, tzinfo=UTC)


@pytest.mark.nightly
def test_the_history_of_every_aircraft_equals_one_computed_in_pandas(make_workplace):
    place, loads = _loaded(make_workplace, MID_YEAR, ALL_REPORTED)
    first, second, again = loads

    assert first.staged.rows_read == 166_158
    assert first.staged.refused > 0
    assert second.report.late == 138
    assert {"aircraft_registered", "destination_listed"} <= {
        finding.check for finding in second.verdict.findings if finding.failed
    }
    assert not again.report.published
    assert place.leftovers == []


def test_two_days_of_flights_are_the_history_computed_in_pandas(make_workplace):
    place, loads = _loaded(make_workplace, FIRST_DAY, SECOND_DAY)

    assert [load.report.published for load in loads] == [True, True, False]
    assert loads[0].staged.rows_read == 842
    assert place.leftovers == []


def _loaded(make_workplace, *moments):
    """A workplace, loaded at each moment and then once more; each time it is what pandas says."""
    place = make_workplace(many_rows=True)
    create(place.dsn)
    loads = []
    for moment in moments:
        fill_until(place.dsn, moment)
        loads.append(load_table("aircraft"))
        pd.testing.assert_frame_equal(_found(place), _expected(moment))
    snapshots = place.snapshots("target_schema.aircraft")
    loads.append(load_table("aircraft"))
    assert place.snapshots("target_schema.aircraft") == snapshots
    return place, loads


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
