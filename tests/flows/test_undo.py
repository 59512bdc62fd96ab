"""Batches of real loads taken back by the command, and what the next loads make of it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from flows.load_table import load_table
from history.iceberg.current_snapshot import WATERMARK, current_state
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, versions

TARGET = "clinic.patients"
AFTER_FIRST = [
    (1, "NORTH", "2024-01-01 08:00:00", None, True),
    (2, "NORTH", "2024-01-01 09:00:00", None, True),
    (3, "SOUTH", "2024-01-02 10:00:00", None, True),
]


@pytest.fixture
def undo(capsys, monkeypatch):
    """Runs `strandline undo readings`: exit code, answer, standard error."""

    monkeypatch.setenv("COLUMNS", "240")

    def run(*arguments: str, table: str = "readings") -> SimpleNamespace:
        code = main(["undo", table, "--reason", "wrong file", "--by", "Ada", *arguments])
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def loaded(place, *rows) -> str:
    """Brings the source to the rows and loads it; the batch."""
    place.update(*rows)
    return load_table("readings").batch_id


def state(place):
    return current_state(place.spark, f"{place.settings.lakehouse.catalog}.{TARGET}")


def settled(place) -> list[tuple[str, str | None]]:
    rows = place.table("governance.quarantine").orderBy("refused_at", "record_key").collect()
    return [(row.record_key, row.settled_how) for row in rows]


def test_a_batch_is_shown_then_taken_back_and_comes_again_with_the_next_load(readings, undo):
    first, second = loaded(readings, *FIRST), loaded(readings, *SECOND)
    assert versions(readings) == AFTER_BOTH
    watermarks = state(readings).properties[WATERMARK]
    before = readings.snapshots(TARGET)

    shown = undo("--batch", second, "--dry-run", "--show", "5")

    assert shown.code == 0
    assert "3 events of 3 keys leave, 1 delete among them" in shown.out
    assert "2024-01-02" in shown.out
    assert "what the source still has of this batch comes again" in shown.out
    assert "shown only: nothing was changed" in shown.out
    assert CANARY not in shown.out
    assert (versions(readings), readings.snapshots(TARGET) - before) == (AFTER_BOTH, 2)
    assert undo("--batch", second).code == 65
    assert versions(readings) == AFTER_BOTH

    done = json.loads(undo("--batch", second, "--yes", "--json").out)

    assert done["state"] == "published"
    assert done["report"]["events"] == 3
    assert versions(readings) == AFTER_FIRST
    assert state(readings).properties[WATERMARK] == done["watermark"]["watermark"] < watermarks
    decisions = readings.table("governance.quality_decisions").where("action = 'undo batch'")
    (decided,) = decisions.collect()
    assert (decided.decided_by, decided.reason) == ("Ada", "wrong file")
    assert (decided.selected_by, decided.rows_selected) == (f"batch {second}", 3)
    log = readings.table("governance.audit_log").where("action IN ('undo batch', 'rebuild')")
    assert {row.action: row.actor for row in log.collect()}["undo batch"] == "Ada"
    assert log.count() == 2

    again = undo("--batch", second, "--yes")
    assert again.code != 0
    assert "undone already" in again.err
    load_table("readings")
    assert versions(readings) == AFTER_BOTH
    # The first batch, although others came since: what was refused with it leaves the quarantine.
    assert json.loads(undo("--batch", first, "--yes", "--json").out)["quarantine"] == {
        "refused": 2, "held_again": 0, "settled": True,
    }  # fmt: skip
    assert {how for _, how in settled(readings)} == {"undone"}
    assert state(readings).properties.get(WATERMARK) is None
    load_table("readings")
    assert versions(readings) == [AFTER_BOTH[1], *AFTER_BOTH[3:]]
    assert [how for _, how in settled(readings)].count(None) == 2


def test_with_the_watermark_kept_the_source_is_not_read_again(readings, undo):
    first, second = loaded(readings, *FIRST), loaded(readings, *SECOND)

    done = json.loads(undo("--batch", first, "--keep-watermark", "--yes", "--json").out)

    expected = [AFTER_BOTH[1], AFTER_BOTH[4]]
    assert (done["report"]["removed"], versions(readings)) == (3, expected)
    assert done["quarantine"] == {"refused": 2, "held_again": 0, "settled": False}
    assert {how for _, how in settled(readings)} == {None}
    load_table("readings")
    assert versions(readings) == expected
    assert second in {row.batch_id for row in readings.table(TARGET).collect()}


def test_what_a_batch_had_settled_is_held_again(readings, undo):
    loaded(readings, *FIRST)
    mended = loaded(readings, (4, "South", CANARY, "60.00", "IN", "2024-01-02 12:00", None))
    assert (json.dumps({"patient": 4}, separators=(",", ":")), "mended") in settled(readings)

    done = json.loads(undo("--batch", mended, "--yes", "--json").out)

    assert done["quarantine"]["held_again"] == 1
    assert {how for _, how in settled(readings)} == {None}
    assert versions(readings) == AFTER_FIRST


def test_what_can_not_be_taken_back_is_refused_and_nothing_is_changed(readings, undo):
    first = loaded(readings, *FIRST)
    unchanged = load_table("readings").batch_id
    before = readings.snapshots(TARGET)
    target = f"{readings.settings.lakehouse.catalog}.{TARGET}"

    for name in ("BATCH_20200101_000000_deadbeef", unchanged):
        unknown = undo("--batch", name, "--yes")
        assert unknown.code == 66
        assert "none of that name" in unknown.err
    with table_lock(readings.settings.state_directory, target, run_id="another"):
        assert undo("--batch", first, "--yes").code == 75
    assert undo("--batch", first, "--yes", table="nothing").code != 0
    assert main(["undo", "readings", "--batch", first, "--reason", " ", "--yes"]) == 64
    assert readings.snapshots(TARGET) == before
    assert versions(readings) == AFTER_FIRST
