from __future__ import annotations

import pyarrow.parquet as pq

from flows.load_table import load_table
from tasks.progress import STEPS, listening
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, versions


def test_a_table_that_only_a_yaml_knows_of_is_loaded_with_its_changes(readings):
    readings.update(*FIRST)
    heard = []
    with listening(lambda progress: heard.append((progress.step, progress.state))):
        first = load_table("readings")
    readings.update(*SECOND)
    second = load_table("clinic.patients")

    assert heard == [(step, state) for step in STEPS for state in ("begun", "done")]
    assert versions(readings) == AFTER_BOTH
    assert (first.staged.rows_read, first.staged.refused, first.report.opened) == (5, 2, 3)
    assert (second.report.opened, second.report.closed, second.report.deleted) == (2, 2, 1)
    assert readings.leftovers == []


def test_loading_again_changes_nothing_and_makes_no_snapshot(readings):
    readings.update(*FIRST)
    load_table("readings")
    before = readings.snapshots("clinic.patients")

    again = load_table("readings")

    assert not again.report.published
    assert readings.snapshots("clinic.patients") == before
    assert readings.table("governance.quarantine").count() == 2


def test_refused_rows_lie_in_quarantine_with_their_reasons(readings):
    readings.update(*FIRST)
    load_table("readings")

    rows = readings.table("governance.quarantine").orderBy("record_key").collect()

    reasons = sorted({reason.check for reason in row.reasons} for row in rows)
    assert len(rows) == 2
    assert {"weight_plausible"} in reasons
    assert any("patient_required" in checks for checks in reasons)
    assert {row.source_table for row in rows} == {"clinic.readings"}


def test_every_opened_version_has_its_lineage_and_every_run_its_metrics(readings):
    readings.update(*FIRST)
    load_table("readings")
    readings.update(*SECOND)
    load_table("readings")

    lineage = readings.table("governance.data_lineage")
    recorded = {(row.record_id, row.batch_id) for row in lineage.collect()}
    opened = readings.table("clinic.patients").select("surrogate_key", "batch_id").collect()
    metrics = readings.table("governance.run_metrics").orderBy("start_time").collect()

    assert recorded == {(row.surrogate_key, row.batch_id) for row in opened}
    assert lineage.select("lineage_id").distinct().count() == len(opened)
    assert [row.state for row in metrics] == ["published", "published"]
    assert [row.rows_read for row in metrics] == [5, 5]  # two of them again, from the overlap
    assert all(row.memory_usage_mb > 0 and row.cpu_usage_percent > 0 for row in metrics)


def test_no_file_ever_holds_a_protected_value_in_the_clear(readings):
    """Read twice: while the stage is there, and when all is done."""
    readings.update(*FIRST)
    found = []

    def look(progress):
        if (progress.step, progress.state) == ("protect", "done"):
            found.append(_files_with(readings.root / "warehouse", CANARY))

    with listening(look):
        load_table("readings")
    found.append(_files_with(readings.root / "warehouse", CANARY))
    wards = _files_with(readings.root / "warehouse", "NORTH")

    assert found == [[], []]
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
