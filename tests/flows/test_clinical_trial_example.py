"""The example of a clinical trial: its database at three dates, loaded by its contracts."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import timedelta

import pytest
import yaml

from strandline.command_line import main
from tools.clinical_trial import FOLDER, STATES, fill, intervals


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """A workplace with the example's contracts, their block under the name that it has here."""
    tables = tmp_path_factory.mktemp("example") / "tables"
    shutil.copytree(FOLDER / "tables", tables)
    for path in tables.glob("*.yaml"):
        text = path.read_text("utf-8")
        path.write_text(text.replace("trial_db", "source_db_conn"), encoding="utf-8")
    return make_workplace(tables)


@pytest.fixture(scope="module")
def loads(place):
    """What each of the three loads of both tables told."""
    return []


def test_three_states_of_the_database_are_loaded_without_a_line_of_python(place, loads, capfd):
    for day in STATES:
        fill(place.dsn.get_secret_value(), day)
        assert main(["run", "*", "--json"]) == 0
        loads.append(
            {each["contract"]: each for each in json.loads(capfd.readouterr().out)["loads"]}
        )

    follow_up = [each["follow_up"] for each in loads]
    assert [each["rows_read"] for each in follow_up] == [72, 144, 180]
    patients = [each["patients"] for each in loads]
    assert [each["rows_read"] for each in patients] == [67, 128, 128]
    assert [each["deleted"] for each in follow_up] == [0, len(left(1)), len(left(2))]


def left(state):
    """The keys that a state of the database no longer has."""
    return {*known(STATES[state - 1])} - {*known(STATES[state])}


def known(day):
    """By key, what the database has of the intervals on a day, in plain Python."""
    last = {}
    for each in intervals():
        last[each.patient] = max(last.get(each.patient, each.ends), each.ends)
    return {
        (each.patient, each.number): (
            each.number,
            each.begins,
            each.ends if each.ends <= day else None,
        )
        for each in intervals()
        if each.begins <= day < last[each.patient]
    }


def test_each_state_of_an_interval_is_a_version(place):
    states = [known(day) for day in STATES]
    expected = Counter()
    for key in {key for state in states for key in state}:
        said = [state.get(key) for state in states]
        changes = [now for before, now in zip([None, *said], said, strict=False) if now != before]
        expected.update(each for each in changes if each is not None)

    rows = place.table("trial.follow_up").select("interval_no", "begins_on", "ends_on").collect()

    assert Counter(tuple(row) for row in rows) == expected
    current = place.table("trial.follow_up").where("is_current").count()
    assert current == len(states[-1])


def test_a_version_begins_when_the_trial_wrote_it_down(place):
    rows = place.table("trial.follow_up").where("ends_on IS NOT NULL").collect()
    dated = [row for row in rows if row.valid_from.date() == row.ends_on]

    assert len(dated) == len(rows) > 60
    ended = place.table("trial.follow_up").where("NOT is_current AND ends_on IS NULL").collect()
    assert all(row.valid_to - row.valid_from > timedelta(0) for row in ended)


def test_a_patient_of_impossible_weight_is_held_and_persons_are_not_in_the_clear(place):
    held = place.table("governance.quarantine").where("target_table LIKE '%trial.patients'")
    (row,) = held.collect()
    open_patients = place.table("trial.patients").where("is_current")

    assert [each.check for each in row.reasons] == ["body_mass_plausible"]
    assert open_patients.count() == 127
    kinds = dict(open_patients.dtypes)
    assert (kinds["patient_id"], kinds["inheritance"], kinds["weight_kg"]) == (
        "string",
        "binary",
        "binary",
    )
    assert {row.age % 10 for row in open_patients.collect()} == {0}
    assert {row.enrolled_on.day for row in open_patients.collect()} == {1}


def test_the_example_names_its_block_and_no_credential():
    blocks = yaml.safe_load((FOLDER / "blocks.yaml").read_text("utf-8"))
    contracts = [yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("tables/*.yaml")]

    (source,) = blocks["source-database"]
    connections = {
        each["value"]["source"]["connection"]
        for contract in contracts
        for each in contract["customProperties"]
    }
    assert connections == {source.replace("-", "_")}
    assert not [*FOLDER.rglob("*.py")]
    assert "password" not in str(blocks)
