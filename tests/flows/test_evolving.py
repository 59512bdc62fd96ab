"""A contract that changes its columns between two loads."""

from __future__ import annotations

import shutil

import pytest
import yaml

from contracts.errors import ContractError, SettingsError
from flows.load_table import load_table
from history.iceberg.table_properties import strandline_properties
from tests.flows.readings import CONTRACT, FIRST, TABLE


@pytest.fixture
def folder(tmp_path):
    """A folder with the contract of the readings, as a full load."""
    shutil.copy(CONTRACT, tmp_path / "readings.yaml")

    def full(_columns, plan):
        plan["source"]["load"] = "full"
        for name in ("overlap", "watermark"):
            plan["source"].pop(name)

    rewrite(tmp_path, full)
    return tmp_path


@pytest.fixture
def clinic(make_workplace, folder):
    place = make_workplace(folder)
    place.execute(TABLE)
    return place


def rewrite(folder, edit):
    """Edit the contract: its target columns, and what Strandline adds to the standard."""
    path = folder / "readings.yaml"
    document = yaml.safe_load(path.read_text())
    edit(document["schema"][0]["properties"], document["customProperties"][0]["value"])
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def with_bed(folder, *, tracked=True, protection=None):
    """The contract with one column more, in source and target."""

    def edit(columns, plan):
        told = {"transformation": {"name": "trim"}}
        if protection is not None:
            told["protection"] = {"kind": protection}
        bed = {
            "name": "bed",
            "description": "The bed in the ward.",
            "logicalType": "string",
            "physicalType": "VARCHAR(10)",
            "classification": "INTERNAL",
            "transformSourceObjects": ["readings.bed"],
            "customProperties": [{"property": "strandline", "value": told}],
        }
        columns.insert(5, bed)
        plan["source"]["columns"].append(
            {
                "name": "bed",
                "physicalType": "VARCHAR(10)",
                "classification": "INTERNAL",
                "description": "The column bed.",
            }
        )
        if tracked:
            plan["history"]["tracked"].append("bed")

    rewrite(folder, edit)


@pytest.mark.nightly
def test_a_column_added_to_source_and_contract_fills_the_versions_and_opens_none(clinic, folder):
    clinic.update(*FIRST)
    first = load_table("readings")
    clinic.execute("ALTER TABLE clinic.readings ADD COLUMN bed varchar(10)")
    clinic.execute("UPDATE clinic.readings SET bed = 'B' || patient WHERE patient < 3")
    with_bed(folder)

    second = load_table("readings")
    again = load_table("readings")
    clinic.execute(
        "UPDATE clinic.readings SET bed = 'C1', changed_at = '2024-01-05' WHERE patient = 1"
    )
    third = load_table("readings")

    assert (first.report.opened, second.report.opened, second.report.closed) == (3, 0, 0)
    assert (again.report.published, third.report.opened, third.report.closed) == (False, 1, 1)
    rows = clinic.table("clinic.patients").orderBy("patient", "valid_from").collect()
    told = [(row.patient, row.ward, row.bed, row.is_current) for row in rows]
    assert told == [
        *[(1, "NORTH", "B1", False), (1, "NORTH", "C1", True)],
        *[(2, "NORTH", "B2", True), (3, "SOUTH", None, True)],
    ]
    table = f"{clinic.settings.lakehouse.catalog}.clinic.patients"
    properties = strandline_properties(clinic.spark, table)
    assert properties["strandline.fingerprint"] == (
        '{"column": "checksum", "covers": ["ward", "name"]}'
    )
    (bed,) = [
        row for row in clinic.spark.sql(f"DESCRIBE TABLE {table}").collect() if row[0] == "bed"
    ]
    assert bed.comment == "The bed in the ward. [INTERNAL]"
    assert "bed" in clinic.table("clinic.patients_current").columns


@pytest.mark.nightly
def test_what_the_target_cannot_become_is_refused_before_the_rows_are_read(clinic, folder):
    clinic.update(*FIRST)
    load_table("readings")
    before = clinic.snapshots("clinic.patients"), clinic.table("clinic.patients").columns
    clinic.execute("ALTER TABLE clinic.readings ADD COLUMN bed varchar(10)")
    clinic.execute("UPDATE clinic.readings SET bed = 'B1' WHERE patient = 1")
    original = (folder / "readings.yaml").read_text()

    with_bed(folder, protection="encrypt")
    with pytest.raises(ContractError, match="bed: tracked, encrypted"):
        load_table("readings")
    (folder / "readings.yaml").write_text(original)
    rewrite(folder, lambda _columns, plan: plan["history"]["tracked"].append("weight"))
    with pytest.raises(SettingsError, match="strandline rebuild"):
        load_table("readings")
    (folder / "readings.yaml").write_text(original)
    refused = clinic.snapshots("clinic.patients"), clinic.table("clinic.patients").columns
    with_bed(folder, tracked=False, protection="encrypt")
    untracked = load_table("readings")

    assert refused == before
    assert untracked.report.opened == 0
    beds = clinic.table("clinic.patients").where("bed IS NOT NULL").collect()
    assert [row.patient for row in beds] == [1]
    assert clinic.leftovers == []
