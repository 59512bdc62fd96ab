"""Batches of real loads taken back by the command, and what the next loads make of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import yaml

from flows.load_table import load_table
from history.iceberg.current_snapshot import WATERMARK, current_state
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tasks.undo import undo_of_batch
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, versions
from tests.flows.state_contracts import write_contract

TARGET = "clinic.patients"
AFTER_FIRST = [
    (1, "NORTH", "2024-01-01 08:00:00", None, True),
    (2, "NORTH", "2024-01-01 09:00:00", None, True),
    (3, "SOUTH", "2024-01-02 10:00:00", None, True),
]


@pytest.fixture
def undo(capsys):
    """Runs `strandline undo readings`: exit code, answer, standard error."""

    def run(*arguments: str, table: str = "readings") -> SimpleNamespace:
        code = main(["undo", table, "--reason", "wrong file", "--by", "Ada", *arguments])
        told = capsys.readouterr()
        # As one line each: a page and a panel are wrapped where they end.
        out, err = (" ".join(text.replace("│", " ").split()) for text in (told.out, told.err))
        return SimpleNamespace(code=code, out=told.out if "--json" in arguments else out, err=err)

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


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_what_a_batch_had_settled_is_held_again_also_by_a_command_that_was_stopped(
    readings, undo, monkeypatch
):
    loaded(readings, *FIRST)
    mended = loaded(readings, (4, "South", CANARY, "60.00", "IN", "2024-01-02 12:00", None))
    assert (json.dumps({"patient": 4}, separators=(",", ":")), "mended") in settled(readings)

    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(undo_of_batch, "settle_undone", stop)
        assert undo("--batch", mended, "--yes").code == 130
    assert versions(readings) == AFTER_FIRST
    assert (json.dumps({"patient": 4}, separators=(",", ":")), "mended") in settled(readings)

    assert "undone already" in undo("--batch", mended, "--yes").err
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


@pytest.mark.nightly
def test_holds_erasures_and_new_keys_are_heeded(readings, undo):
    loaded(readings, *FIRST)
    second = loaded(readings, *SECOND)
    first_run = readings.table("governance.run_metrics").orderBy("end_time").first()
    why = ("--by", "Ada", "--reason", "case 12")
    person = ("readings", "--subject", "1", *why)
    assert main(["hold", "place", *person, "--matter", "case 12"]) == 0

    held = undo("--batch", second, "--yes")
    assert "1 rows about such persons" in held.err
    assert versions(readings) == AFTER_BOTH

    assert main(["hold", "release", *person]) == 0
    assert main(["erase", "readings", "--subject", "2", "--reason", "asked for", "--yes"]) == 0
    shown = undo("--batch", second, "--dry-run")
    assert shown.code == 0, shown.err
    assert "what its events had displaced: the state before is gone" in shown.out
    done = json.loads(undo("--batch", second, "--yes", "--json").out)
    # The states are gone, and the ledger of runs knows how far the load before had read.
    watermark = datetime.fromisoformat(done["watermark"]["watermark"])
    assert watermark == first_run.watermark.replace(tzinfo=UTC)
    assert versions(readings) == [AFTER_FIRST[0], AFTER_FIRST[2]]
    third = load_table("readings").batch_id
    assert versions(readings) == [each for each in AFTER_BOTH if each[0] != 2]

    assert main(["keys", "rotate", "readings", "--rewrite"]) == 0
    readings.update((1, "West", CANARY, "72.00", "IN", "2024-01-01 08:00", "2024-01-05 08:00"))
    fourth = load_table("readings").batch_id
    assert undo("--batch", third, "--keep-watermark", "--yes").code == 0
    assert versions(readings) == [
        (1, "NORTH", "2024-01-01 08:00:00", "2024-01-05 08:00:00", False),
        (1, "WEST", "2024-01-05 08:00:00", None, True),
        AFTER_FIRST[2],
    ]
    assert undo("--batch", fourth, "--yes").code == 0
    assert versions(readings) == [AFTER_FIRST[0], AFTER_FIRST[2]]
    load_table("readings")
    assert [row[1] for row in versions(readings)] == ["NORTH", "WEST", "SOUTH", "WEST"]


@pytest.fixture(scope="module")
def states(make_workplace, tmp_path_factory):
    """A table that is read whole as it is now, and one whose contract has no batches."""
    folder = tmp_path_factory.mktemp("states")
    columns = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
    for name in ("whole", "nameless"):
        write_contract(folder, name, columns, {"load": "full"}, {"absent": "close"})
    document = yaml.safe_load((folder / "whole.yaml").read_text("utf-8"))
    batch = {"name": "batch_id", "description": "The batch.", "logicalType": "string"}
    named = {"property": "strandline", "value": {"transformation": {"name": "batch_id"}}}
    batch |= {"physicalType": "VARCHAR(100)", "customProperties": [named]}
    document["schema"][0]["properties"].append(batch | {"classification": "INTERNAL"})
    (folder / "whole.yaml").write_text(yaml.safe_dump(document), "utf-8")
    made = make_workplace(folder)
    for name in ("whole", "nameless"):
        made.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, v text, updated_at timestamp)")
        rows = ((number, "a", "2024-01-01") for number in (1, 2, 3))
        made.execute(f"INSERT INTO {name} VALUES (%s, %s, %s)", *rows)  # noqa: S608 - our own
    return made


@pytest.mark.nightly
def test_a_full_read_that_closed_keys_is_taken_back_and_the_next_one_finds_the_same(states, undo):
    def told():
        rows = states.table("states.whole").orderBy("id", "valid_from").collect()
        return [(row.id, row.v, row.is_current) for row in rows]

    load_table("whole")
    states.execute("DELETE FROM whole WHERE id = 2")
    states.execute("UPDATE whole SET v = 'b', updated_at = '2024-01-02' WHERE id = 1")
    wrong = load_table("whole").batch_id
    after = [(1, "a", False), (1, "b", True), (2, "a", False), (3, "a", True)]
    assert told() == after

    done = undo("--batch", wrong, "--yes", table="whole")

    assert "2 events of 2 keys leave, 1 delete among them" in done.out
    assert "reads the whole source: what the source still has" in done.out
    assert told() == [(1, "a", True), (2, "a", True), (3, "a", True)]
    again = load_table("whole").batch_id
    assert told() == after
    # A later read that found the same stands in for the one that is taken back.
    load_table("whole")
    shown = undo("--batch", again, "--yes", table="whole")
    assert "2 rows as a later read found them too" in shown.out
    assert told() == after


@pytest.mark.nightly
def test_without_a_column_for_the_batch_nobody_knows_its_events(states, undo):
    load_table("nameless")

    refused = undo("--batch", "b", "--yes", table="nameless")

    assert refused.code != 0
    assert "a column that is filled by `batch_id`" in refused.err
