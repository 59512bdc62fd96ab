from __future__ import annotations

import shutil

import pytest
import yaml

from contracts.errors import ContractError, SchemaDriftError
from flows.load_tables import TablesFailedError, load_tables
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


def test_an_unknown_contract_is_told_before_anything_is_loaded(two):
    with pytest.raises(ContractError, match="reading"):
        load_tables(["readings", "readinks"])

    assert two.spark.sql(f"SHOW NAMESPACES IN {two.settings.lakehouse.catalog}").count() == 0
