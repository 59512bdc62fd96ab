from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, ServiceLevel
from tasks.observability.service_level import MissedServiceLevel, missed_service_levels

HOUR = 3_600


@pytest.fixture
def promising():
    return replace(
        find_contract("new_source_table", TABLES),
        service_level=ServiceLevel(load_hours=1.0, run_hours=2.0),
    )


def test_a_load_within_its_times_misses_nothing(promising):
    assert missed_service_levels(promising, HOUR, full=False) == ()


def test_an_incremental_load_has_a_time_of_its_own(promising):
    (missed,) = missed_service_levels(promising, 1.5 * HOUR, full=False)

    assert missed == MissedServiceLevel("loadTime", promised_hours=1.0, taken_hours=1.5)
    assert missed_service_levels(promising, 1.5 * HOUR, full=True) == ()


def test_every_load_has_the_time_of_a_run(promising):
    full = replace(promising, source=replace(promising.source, load=LoadKind.FULL))

    assert [each.name for each in missed_service_levels(full, 3 * HOUR, full=False)] == ["runTime"]
    assert [each.name for each in missed_service_levels(promising, 3 * HOUR, full=False)] == [
        "runTime",
        "loadTime",
    ]
