"""What a load does for those who read with a right: views, tags, and their record."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import yaml

from contracts.errors import ContractError
from flows.load_table import load_table
from history.iceberg.table_properties import strandline_properties
from history.iceberg.tag_properties import TAG
from tests.flows.readings import CONTRACT, FIRST, TABLE

TARGET = "clinic.patients"


def words(level, **more):
    return [{"property": "strandline", "value": {"level": level, **more}}]


@pytest.fixture(scope="module")
def loaded(make_workplace, tmp_path_factory):
    """A loaded table whose contract has two roles, and a way to change what the contract says."""
    folder = tmp_path_factory.mktemp("with-roles")
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    document["roles"] = [
        {"role": "nurse", "access": "read", "customProperties": words("INTERNAL")},
        {"role": "doctor", "access": "read", "customProperties": words("RESTRICTED")},
    ]
    path = folder / "readings.yaml"

    def write():
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    write()
    place = make_workplace(folder)
    place.execute(TABLE)
    place.update(*FIRST)
    load_table("readings")
    return SimpleNamespace(place=place, document=document, write=write)


def grants(place):
    log = place.table("governance.audit_log").where("action = 'grant'").orderBy("sequence")
    return [json.loads(row.record)["details"] for row in log.collect()]


def test_a_load_makes_the_views_and_tags_and_the_audit_log_says_so(loaded):
    place = loaded.place

    nurse, doctor = (place.table(f"{TARGET}__{role}") for role in ("nurse", "doctor"))
    assert "name" not in nurse.columns
    assert nurse.count() == place.table(TARGET).count() > 0
    # The view shows what is stored, and that is a token.
    assert doctor.schema["name"].dataType.simpleString() == "binary"
    tags = strandline_properties(place.spark, f"{place.settings.lakehouse.catalog}.{TARGET}")
    assert json.loads(tags[f"{TAG}column.name"]) == {
        "classification": "RESTRICTED",
        "protection": "encrypt",
    }
    assert grants(place) == [{"written": "nurse, doctor", "dropped": ""}]


def test_a_load_that_publishes_nothing_narrows_and_drops_what_the_contract_no_longer_says(loaded):
    place, roles = loaded.place, loaded.document["roles"]
    snapshots = place.snapshots(TARGET)
    roles[0]["customProperties"] = words("INTERNAL", deny=["ward"])
    del roles[1]
    loaded.write()
    load_table("readings")

    assert "ward" not in place.table(f"{TARGET}__nurse").columns
    catalog = place.settings.lakehouse.catalog
    shown = place.spark.sql(f"SHOW VIEWS IN {catalog}.clinic").collect()
    assert {row.viewName for row in shown} == {"patients_current", "patients__nurse"}
    assert grants(place)[1:] == [{"written": "nurse", "dropped": "doctor"}]
    assert place.snapshots(TARGET) == snapshots


def test_a_view_that_can_not_be_made_fails_the_load_and_keeps_what_it_published(loaded):
    place, roles = loaded.place, loaded.document["roles"]
    catalog = place.settings.lakehouse.catalog
    place.spark.sql(f"CREATE VIEW {catalog}.{TARGET}__clerk AS SELECT 1 AS one")
    roles.append({"role": "clerk", "customProperties": words("PUBLIC", allow=["ward"])})
    loaded.write()

    with pytest.raises(ContractError, match="Rename the role"):
        load_table("readings")

    assert place.leftovers == []
    assert place.table(f"{TARGET}__clerk").columns == ["one"]
