"""Tables whose source changed without a word, compared with it as a whole and repaired."""

from __future__ import annotations

import json

import pytest
import yaml

from contracts.errors import MassClosingError, NotFoundError, SettingsError
from flows.load_table import load_table
from flows.verify_table import verify_table
from history.iceberg.current_snapshot import current_state
from strandline.command_line import main
from tasks.run.step_results import DifferingKey
from tests.flows.readings import CONTRACT, TABLE

ROWS = tuple(
    (number, "North", "Ada Pell", "70.00", "IN", "2024-01-01 08:00", "2024-01-02 08:00")
    for number in range(10, 16)
)


@pytest.fixture
def make_place(make_workplace, tmp_path):
    """Makes a workplace whose source is a state, or what else the contract is to say of it."""

    def make(**history):
        told = yaml.safe_load(CONTRACT.read_text())
        value = told["customProperties"][0]["value"]
        value["source"]["kind"] = history.pop("kind", "state")
        value["source"]["load"] = history.pop("load", "full")
        value["source"].pop("overlap", None)
        value["history"].update(history)
        (tmp_path / "readings.yaml").write_text(yaml.safe_dump(told))
        place = make_workplace(tmp_path)
        place.execute(TABLE)
        place.update(*ROWS)
        return place

    return make


def open_rows(place):
    rows = place.table("clinic.patients").where("is_current").orderBy("patient").collect()
    return [(row.patient, row.ward, str(row.weight)) for row in rows]


def change_without_a_word(place):
    """One key gone, one new with an old stamp, one that says otherwise at its stamp."""
    place.execute("DELETE FROM clinic.readings WHERE patient = 10")
    place.execute("UPDATE clinic.readings SET ward = 'West' WHERE patient = 11")
    place.update((16, "South", "Bo Finch", "80.00", "IN", "2024-01-01 08:00", "2024-01-01 09:00"))


def traces(place):
    """What a comparison might leave: states, branches, quarantined rows, recorded runs."""
    catalog = place.settings.lakehouse.catalog
    refs = {row.name for row in place.table("clinic.patients.refs").collect()}
    return (
        current_state(place.spark, f"{catalog}.clinic.patients").snapshot_id,
        refs,
        place.table("governance.quarantine").count(),
        place.table("governance.run_metrics").count(),
        place.leftovers,
    )


def test_what_differs_is_counted_and_named_and_nothing_is_changed_until_it_is_repaired(
    make_place, capsys
):
    place = make_place(absent="close")
    load_table("readings")
    equal = verify_table("readings")
    change_without_a_word(place)
    before = traces(place)

    found = verify_table("readings")

    assert (equal.unequal, equal.rows_read, equal.open_versions) == (0, 6, 6)
    assert (found.only_in_source, found.only_in_table, found.differing) == (1, 1, 1)
    assert (found.kept, found.refused, found.batch_id) == (0, 0, None)
    assert found.keys == (
        DifferingKey("only in table", '{"patient":10}'),
        DifferingKey("differs", '{"patient":11}'),
        DifferingKey("only in source", '{"patient":16}'),
    )
    assert traces(place) == before

    assert main(["verify", "readings", "--limit", "1", "--json"]) == 65
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["only_in_table"]) == ("different", 1)
    assert told["keys"] == [{"found": "only in table", "key": '{"patient":10}'}]

    assert main(["verify", "clinic.patients", "--repair"]) == 0
    assert "repaired" in capsys.readouterr().out
    assert [row[:2] for row in open_rows(place)] == [
        (11, "WEST"),
        *[(number, "NORTH") for number in range(12, 16)],
        (16, "SOUTH"),
    ]
    assert verify_table("readings").unequal == 0
    assert place.leftovers == []


def test_a_repair_closes_no_more_than_the_contract_allows_unless_it_is_accepted(make_place):
    place = make_place(absent="close")
    rows = [(number, *ROWS[0][1:]) for number in range(100, 120)]
    place.update(*rows)
    load_table("readings")
    place.execute("DELETE FROM clinic.readings WHERE patient >= 100")

    assert verify_table("readings").only_in_table == 20
    with pytest.raises(MassClosingError):
        verify_table("readings", repair=True)
    assert len(open_rows(place)) == 26
    assert verify_table("readings", repair=True, closes_at_most=20).batch_id
    assert len(open_rows(place)) == 6


def test_keys_that_the_contract_keeps_are_counted_apart(make_place):
    place = make_place(absent="keep", load="incremental")
    load_table("readings")
    change_without_a_word(place)

    found = verify_table("readings", repair=True)

    assert (found.only_in_source, found.only_in_table, found.differing) == (1, 0, 1)
    assert found.kept == 1
    assert [row[0] for row in open_rows(place)] == [*range(10, 17)]
    again = verify_table("readings")
    assert (again.unequal, again.kept) == (0, 1)


def test_a_log_and_a_table_that_was_never_loaded_are_no_subject(make_place):
    place = make_place(absent="keep", load="incremental", kind="events")
    with pytest.raises(NotFoundError, match="strandline run readings"):
        verify_table("readings")
    load_table("readings")
    with pytest.raises(SettingsError, match="log of changes"):
        verify_table("readings")
    assert place.leftovers == []
