from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from contracts.errors import ContractError
from contracts.loader import (
    LEDGERS,
    TABLES,
    find_contract,
    load_contract,
    load_contracts,
    load_ledger,
    problems,
)
from contracts.model import Absence, LoadKind, Operator, ProtectionKind, Severity
from contracts.model.sensitivity import SENSITIVE, effective_classifications

LONG = Path(__file__).parents[1] / "long_form"
SHIPPED = sorted([*TABLES.glob("*.yaml"), *LEDGERS.glob("*.yaml")])


def stem(path):
    return path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=stem)
def test_every_shipped_file_is_free_of_problems(path):
    assert problems(path) == ()


@pytest.mark.parametrize("path", SHIPPED, ids=stem)
def test_every_shipped_file_is_valid_by_the_standard_own_schema_and_model(path):
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Of the file's own version, as the standard's linter has it.
    version = document["apiVersion"].removeprefix("v")
    schema = resources.files("datacontract").joinpath(f"schemas/odcs-{version}.schema.json")

    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))

    assert OpenDataContractStandard.model_validate(document).id == path.stem


def test_the_contracts_and_ledgers_the_project_needs_are_shipped():
    assert list(load_contracts(TABLES)) == ["aircraft", "existing_table_1", "new_source_table"]
    assert [path.stem for path in SHIPPED if path.parent == LEDGERS] == [
        "audit_log",
        "data_lineage",
        "erased_subjects",
        "held_batches",
        "legal_holds",
        "quality_decisions",
        "quality_findings",
        "quarantine",
        "retired_records",
        "run_metrics",
        "subject_keys",
        "unusual_rows",
    ]


def test_the_specified_table_says_what_the_specification_says():
    contract = find_contract("new_source_table", TABLES)
    source = contract.source

    assert contract.target == "target_schema.target_table_enhanced"
    assert (source.connection, source.relation) == (
        "source_db_conn",
        "source_schema.new_source_table",
    )
    assert (source.load, source.batch_size) == (LoadKind.INCREMENTAL, 50_000)
    assert (source.retry_attempts, source.timeout_seconds) == (5, 600)
    assert (source.partition_column, source.overlap) == ("created_date", timedelta(hours=1))
    assert source.sequence == source.watermark == ("updated_date", "created_date")
    assert [(c.column, c.operator, c.values) for c in source.membership] == [
        ("status", Operator.IN, ("ACTIVE", "PENDING"))
    ]
    assert contract.quality.threshold == 0.95
    assert (contract.service_level.load_hours, contract.service_level.run_hours) == (2, 4)
    assert contract.retention_days == 2555
    assert contract.key == ("business_key",)
    assert contract.history.open_end == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    status = contract.column("record_status").transformation
    assert status.arguments["codes"] == {"ACTIVE": "A", "INACTIVE": "I", "PENDING": "P"}
    assert status.arguments["otherwise"] == "U"
    amount = contract.column("new_source_column3")
    assert amount.protection is not None
    assert (amount.type, amount.protection.kind) == ("decimal(10,2)", ProtectionKind.ENCRYPT)
    assert {check.id for check in contract.checks if check.severity is Severity.WARN} == {
        "column3_range",
        "status_known",
        "change_unique",
    }


def test_a_full_load_closes_what_is_absent():
    contract = find_contract("existing_table_1", TABLES)

    assert (contract.source.load, contract.history.absent) == (LoadKind.FULL, Absence.CLOSE)
    assert (contract.source.batch_size, contract.source.timeout_seconds) == (100_000, 300)


@pytest.mark.parametrize("name", [path.stem for path in SHIPPED if path.parent == TABLES])
def test_every_sensitive_column_of_a_shipped_contract_is_protected(name):
    contract = find_contract(name, TABLES)
    classified = effective_classifications(contract.source.columns)
    sensitive = {name for name, how in classified.items() if how in SENSITIVE}

    bare = [column for column in contract.columns if column.protection is None]
    assert [c.name for c in bare if c.classification in SENSITIVE or sensitive & {*c.sources}] == []


@pytest.mark.parametrize(
    "name", ["new_source_table", "target_table_enhanced", "target_schema.target_table_enhanced"]
)
def test_a_contract_is_found_by_its_name_and_by_its_table(name):
    assert find_contract(name, TABLES).name == "new_source_table"


@pytest.mark.parametrize("name", ["new_sorce_table", "target_table_enhance", "New_Source_Table"])
def test_an_unknown_name_is_answered_with_what_was_probably_meant(name):
    with pytest.raises(ContractError) as caught:
        find_contract(name, TABLES)

    assert "did you mean" in caught.value.found
    assert "aircraft, existing_table_1, new_source_table" in caught.value.expected


def test_a_broken_neighbour_does_not_stand_in_the_way_of_a_contract_that_is_named(tmp_path):
    shutil.copy(TABLES / "aircraft.yaml", tmp_path)
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")

    assert find_contract("aircraft", tmp_path).table == "aircraft"
    with pytest.raises(ContractError):
        find_contract("target_schema.aircraft", tmp_path)


def test_a_table_name_that_two_contracts_share_has_to_be_qualified(tmp_path):
    shutil.copy(LONG / "aircraft.yaml", tmp_path)
    text = (LONG / "aircraft.yaml").read_text(encoding="utf-8")
    other = text.replace("\nname: aircraft", "\nname: planes").replace("target_schema.", "other.")
    (tmp_path / "planes.yaml").write_text(
        other.replace("name: aircraft\n    phys", "name: craft\n    phys"), encoding="utf-8"
    )
    (tmp_path / "aircraft.yaml").rename(tmp_path / "flown.yaml")
    flown = (tmp_path / "flown.yaml").read_text(encoding="utf-8")
    (tmp_path / "flown.yaml").write_text(
        flown.replace("\nname: aircraft", "\nname: flown"), encoding="utf-8"
    )

    assert find_contract("other.aircraft", tmp_path).name == "planes"
    with pytest.raises(ContractError, match=r"other\.aircraft, target_schema\.aircraft"):
        find_contract("aircraft", tmp_path)


def test_two_contracts_of_one_target_are_refused(tmp_path):
    text = (LONG / "aircraft.yaml").read_text(encoding="utf-8")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("\nname: aircraft", f"\nname: {name}"), encoding="utf-8"
        )

    with pytest.raises(ContractError, match=r"one and two for target_schema\.aircraft"):
        load_contracts(tmp_path)


def test_a_file_may_end_with_yml(tmp_path):
    shutil.copy(TABLES / "aircraft.yaml", tmp_path / "aircraft.yml")

    assert list(load_contracts(tmp_path)) == ["aircraft"]
    assert find_contract("target_schema.aircraft", tmp_path).name == "aircraft"
    with pytest.raises(ContractError, match="did you mean aircraft"):
        load_contract(tmp_path / "aircrafts.yaml")


def test_a_contract_in_two_files_is_refused(tmp_path):
    for suffix in ("yaml", "yml"):
        shutil.copy(TABLES / "aircraft.yaml", tmp_path / f"aircraft.{suffix}")

    with pytest.raises(ContractError, match=r"aircraft\.yaml and aircraft\.yml"):
        find_contract("aircraft", tmp_path)


def test_the_problems_of_all_files_are_told_at_once(tmp_path):
    text = (LONG / "aircraft.yaml").read_text(encoding="utf-8")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)

    assert "one.yaml" in caught.value.found
    assert "two.yaml" in caught.value.found
    assert caught.value.found.count("must be the file's name") == 2


def test_a_missing_file_or_folder_is_told_as_such(tmp_path):
    with pytest.raises(ContractError, match="did you mean aircraft"):
        load_contract(TABLES / "aircrafts.yaml")
    with pytest.raises(ContractError, match="no such folder"):
        load_contracts(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dated_by: decided_at", "partitioning: []", "retention without the other"),
        ("property: retention", "property: archive", "dated_by without the other"),
        ("dated_by: decided_at", "dated_by: reason", "reason is no timestamp column"),
        ("dated_by: decided_at", "dated_by: nowhere", "nowhere is no timestamp column"),
    ],
)
def test_a_ledgers_retention_and_the_column_it_is_counted_from_go_together(
    tmp_path, old, new, words
):
    text = (LEDGERS / "quality_decisions.yaml").read_text(encoding="utf-8")
    text = text.replace("        partitioning: [target_table]\n", "")
    assert old in text
    path = tmp_path / "quality_decisions.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(ContractError, match=words):
        load_ledger(path)


def test_a_ledger_may_have_maps():
    kinds = {each.name: each.type for each in load_ledger(LEDGERS / "audit_log.yaml").columns}

    assert (kinds["counts"], kinds["details"]) == ("map<string,bigint>", "map<string,string>")
    assert kinds["key_ids"] == "array<string>"


def test_a_ledger_is_no_contract_and_a_contract_no_ledger():
    with pytest.raises(ContractError, match="found a ledger"):
        load_contract(LEDGERS / "run_metrics.yaml")
    with pytest.raises(ContractError, match="found the contract of a table"):
        load_ledger(TABLES / "aircraft.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [a\n", "line 2, column 1"),
        ("name: a\nkind: b\nname: c\n", "line 3, column 1: the key name occurs twice"),
        ("a: &x 1\nb: *x\n", "line 2, column 4: aliases"),
        ("a: !!python/object:os.system x\n", "line 1, column 4: tags"),
        ("? [a]\n: b\n", "line 1, column 3: a key has to be a word"),
        ("a: \x07\n", "not readable as YAML"),
        ("a: 0b_\n", "not readable as YAML"),
        ("[" * 5000, "not readable as YAML"),
        ("just text", "a mapping at its top level"),
        ("", "a mapping at its top level"),
    ],
)
def test_yaml_that_is_broken_is_one_problem_with_its_place(text, words, written):
    found = problems(written(text))

    assert len(found) == 1
    assert words in str(found[0])


def test_a_file_that_is_no_text_is_one_problem(tmp_path):
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\x0d\x0a\x1a\x0a\xff\xfe")

    assert len(problems(path)) == 1
