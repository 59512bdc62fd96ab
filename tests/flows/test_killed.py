"""The process is killed at each stage; the next run leaves the history of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from flows.load_table import load_table
from tasks.run.progress_listeners import STEPS
from tests.flows.readings import FIRST, TABLE, versions
from tests.night import AT_NIGHT

ROOT = Path(__file__).parents[2]
BY_DAY = [("merge", "done")]
"""With a stage and a branch."""
MOMENTS = [(step, "done") for step in STEPS] + [("record", "begun")] if AT_NIGHT else BY_DAY
PUBLISHED = {("publish", "done"), ("record", "begun"), ("record", "done")}


@pytest.fixture(scope="module")
def ward_system(make_workplace, contracts):
    place = make_workplace(contracts)
    place.execute(TABLE)
    place.update(FIRST[0])
    load_table("readings")
    return place


@pytest.mark.parametrize("moment", MOMENTS, ids=" ".join)
def test_a_run_killed_at_a_stage_is_made_good_by_the_next(ward_system, moment):
    number = MOMENTS.index(moment)
    before = versions(ward_system)
    at = f"2024-02-{number + 1:02} 08:00:00"
    ward_system.update((1, f"W{number}", "Zephyrine", "70.00", "IN", "2024-01-01 08:00", at))

    killed = subprocess.run(
        [sys.executable, "-m", "tests.flows.killed_load", "readings", *moment],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()},
        capture_output=True,
        timeout=200,
        check=False,
    )
    between = versions(ward_system)
    load_table("readings")
    after = versions(ward_system)

    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    expected = [*before[:-1], (*before[-1][:3], at, False), (1, f"W{number}", at, None, True)]
    assert between == (expected if moment in PUBLISHED else before)
    assert after == expected
    assert ward_system.leftovers == []
    lineage = ward_system.table("governance.data_lineage").select("record_id").collect()
    assert sorted(row.record_id for row in lineage) == list(range(1, len(after) + 1))
