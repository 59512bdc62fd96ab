from __future__ import annotations

import json
import shutil

import pytest
import yaml

import flows.load_tables
from contracts.errors import ContractError, SchemaDriftError, UnexpectedError
from flows.load_steps import load
from flows.load_table import load_table
from flows.load_tables import TablesFailedError, load_tables
from strandline.command_line import main
from tests.flows.readings import CONTRACT, FIRST, TABLE, versions


@pytest.fixture
def two(make_workplace, tmp_path):
    """`readings`, and `visits`, whose source table is not there."""
    shutil.copy(CONTRACT, tmp_path / "readings.yaml")
    other = yaml.safe_load(CONTRACT.read_text())
    other.update(id="visits", name="visits")
    other["schema"][0].update(name="visits", physicalName="clinic.visits")
    other["customProperties"][0]["value"]["source"]["table"] = "visits"
    for each in other["schema"][0]["properties"]:
        if "transformSourceObjects" in each:
            each["transformSourceObjects"] = [
                name.replace("readings.", "visits.") for name in each["transformSourceObjects"]
            ]
    (tmp_path / "visits.yaml").write_text(yaml.safe_dump(other))
    place = make_workplace(tmp_path)
    place.execute(TABLE)
    place.update(*FIRST)
    return place


def test_a_table_that_fails_never_stops_another(two):
    state = load_tables(["visits", "readings"], return_state=True)

    assert state.is_failed()
    with pytest.raises(TablesFailedError) as caught:
        state.result()
    visits, readings = caught.value.outcomes
    assert isinstance(visits.error, SchemaDriftError)
    assert (visits.state, readings.state) == ("SchemaDriftError", "published")
    assert caught.value.exit_code == visits.error.exit_code
    assert len(versions(two)) == 3
    states = two.table("governance.run_metrics").select("contract", "state", "error_kind").collect()
    assert sorted(map(tuple, states)) == [
        ("readings", "published", None),
        ("visits", "failed", "SchemaDriftError"),
    ]
    assert load_tables(["readings"], return_state=True).is_completed()


CELL = "a-cell-of-the-table"


@pytest.fixture
def stumbling(two, tmp_path, monkeypatch):
    """`readings`; `visits`, whose load meets what nobody foresaw; and `orders`, which is broken."""

    def loaded_or_not(opened):
        if opened.run.name == "visits":
            try:
                {}[CELL]
            except KeyError as error:
                raise ValueError(CELL) from error
        return load(opened)

    (tmp_path / "orders.yaml").write_text("kind: DataContract\n")
    monkeypatch.setattr(flows.load_tables, "load", loaded_or_not)
    return two


def test_what_nobody_foresaw_and_a_broken_contract_never_stop_another(stumbling, capsys):
    code = main(["run", "visits", "orders", "readings", "--json"])

    said = capsys.readouterr()
    visits, orders, readings = json.loads(said.out)["loads"]
    assert code == 70
    assert (visits["state"], visits["error"]["exit_code"]) == ("UnexpectedError", 70)
    assert visits["error"]["found"].startswith("ValueError in test_load_tables.py, line ")
    assert (orders["state"], orders["error"]["exit_code"]) == ("ContractError", 78)
    assert (readings["state"], readings["versions_opened"]) == ("published", 3)
    assert "UnexpectedError" in said.err
    assert "ContractError" in said.err

    trace = stumbling.settings.state_directory / "unexpected.log"
    assert str(trace) in visits["error"]["next_step"]
    assert "in loaded_or_not" in trace.read_text()
    assert "KeyError" in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0
    assert CELL not in said.out + said.err + trace.read_text()
    states = stumbling.table("governance.run_metrics").select("contract", "state", "error_kind")
    assert sorted(map(tuple, states.collect())) == [
        ("readings", "published", None),
        ("visits", "failed", "UnexpectedError"),
    ]
    assert stumbling.leftovers == []


def test_what_nobody_foresaw_in_a_step_is_told_by_its_step(two, monkeypatch):
    def failing(*_):
        raise ValueError(CELL)

    monkeypatch.setattr("tasks.compiler.compile_contract.refuse_drift", failing, raising=True)
    state = load_table("readings", return_state=True)

    with pytest.raises(UnexpectedError, match="readings, step extract") as caught:
        state.result()
    assert CELL not in f"{caught.value}{state.message}"


def test_an_unknown_contract_is_told_before_anything_is_loaded(two):
    with pytest.raises(ContractError, match="reading"):
        load_tables(["readings", "readinks"])

    assert two.spark.sql(f"SHOW NAMESPACES IN {two.settings.lakehouse.catalog}").count() == 0
