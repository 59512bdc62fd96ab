"""One small table, loaded, loaded again, and loaded with its changes."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from flows.load_table import load_table
from tasks.run.progress_listeners import STEPS, listening
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, TABLE, versions
from tools.trace_load_path import followed, walks_back


@pytest.fixture(scope="module")
def loaded(make_workplace, contracts):
    """The summaries of three loads, and what lay in the warehouse between their steps."""
    place = make_workplace(contracts)
    place.execute(TABLE)
    place.update(*FIRST)
    told = SimpleNamespace(place=place, heard=[], clear=[], snapshots=[], calls=[])

    def look(progress):
        told.heard.append((progress.step, progress.state))
        if (progress.step, progress.state) == ("protect", "done"):
            told.clear.append(_files_with(place.root / "warehouse", CANARY))

    def load(name):
        summary = load_table(name)
        told.clear.append(_files_with(place.root / "warehouse", CANARY))
        told.snapshots.append(place.snapshots("clinic.patients"))
        return summary

    with listening(look):
        told.first = load("readings")
    told.again = load("readings")
    place.update(*SECOND)
    with followed(told.calls):
        told.second = load("clinic.patients")
    return told


def test_a_table_that_only_a_yaml_knows_of_is_loaded_with_its_changes(loaded):
    first, second = loaded.first, loaded.second

    assert loaded.heard == [(step, state) for step in STEPS for state in ("begun", "done")]
    assert versions(loaded.place) == AFTER_BOTH
    assert (first.staged.rows_read, first.staged.refused, first.report.opened) == (5, 2, 3)
    assert (second.report.opened, second.report.closed, second.report.deleted) == (2, 2, 1)
    assert loaded.place.leftovers == []


def test_a_load_goes_down_once_and_up_once(loaded):
    assert walks_back(loaded.calls) == []


def test_loading_again_changes_nothing_and_makes_no_snapshot(loaded):
    after_first, after_again, after_second = loaded.snapshots

    assert not loaded.again.report.published
    assert after_again == after_first < after_second


def test_refused_rows_lie_in_quarantine_once_with_their_reasons(loaded):
    rows = loaded.place.table("governance.quarantine").orderBy("record_key").collect()

    reasons = sorted({reason.check for reason in row.reasons} for row in rows)
    assert len(rows) == 2
    assert {"weight_plausible"} in reasons
    assert any("patient_required" in checks for checks in reasons)
    assert {row.source_table for row in rows} == {"clinic.readings"}


def test_every_opened_version_has_its_lineage_and_every_run_its_metrics(loaded):
    lineage = loaded.place.table("governance.data_lineage")
    recorded = {(row.record_id, row.batch_id) for row in lineage.collect()}
    patients = loaded.place.table("clinic.patients")
    opened = patients.select("surrogate_key", "batch_id").collect()
    metrics = loaded.place.table("governance.run_metrics").orderBy("start_time").collect()

    assert recorded == {(row.surrogate_key, row.batch_id) for row in opened}
    assert lineage.select("lineage_id").distinct().count() == len(opened)
    assert [row.state for row in metrics] == ["published", "unchanged", "published"]
    # Three each time from the overlap on: what was refused moves no watermark.
    assert [row.rows_read for row in metrics] == [5, 3, 6]
    assert all(row.memory_usage_mb > 0 and row.cpu_usage_percent > 0 for row in metrics)


def test_no_file_ever_holds_a_protected_value_in_the_clear(loaded):
    """Looked at while the stage was there, and when each load was done."""
    wards = _files_with(loaded.place.root / "warehouse", "NORTH")

    assert loaded.clear == [[]] * 4
    assert wards  # the search does find what is not protected


def _files_with(folder, text):
    """The files that hold the text: in their bytes, or in a cell of a compressed column."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    return [path.name for path in files if _holds(path, text)]


def _holds(path, text):
    if text.encode() in path.read_bytes():
        return True
    if path.suffix != ".parquet":
        return False
    cells = pq.read_table(path).to_pylist()
    return any(text in str(value) for row in cells for value in row.values())


@pytest.mark.nightly
def test_a_late_reading_takes_its_place(readings):
    def reading(ward, changed_at):
        return (2, ward, "Ada Pell", "63.00", "IN", "2024-01-01 09:00", changed_at)

    readings.update(reading("North", "2024-01-02 09:00"))
    load_table("readings")
    readings.update(reading("East", "2024-01-03 09:30"))
    load_table("readings")
    readings.update(reading("West", "2024-01-03 09:00"))  # within the overlap of an hour

    summary = load_table("readings")

    assert (summary.report.late, summary.report.opened) == (1, 1)
    assert [(ward, begin, is_open) for _, ward, begin, _, is_open in versions(readings)] == [
        ("NORTH", "2024-01-02 09:00:00", False),
        ("WEST", "2024-01-03 09:00:00", False),
        ("EAST", "2024-01-03 09:30:00", True),
    ]
