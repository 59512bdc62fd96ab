"""`strandline contracts fmt`, `show --full` and `schema`, as somebody types them."""

from __future__ import annotations

import base64
import json
import shutil

import yaml

from blocks.lookup import block_lookup
from contracts.authoring.contract_json_schema import CONTRACT_SCHEMA
from contracts.loader import TABLES, contract_of_document, load_contract
from strandline.command_line import main


def test_a_folder_is_shortened_and_then_stays_as_it_is(tmp_path, capsys):
    shutil.copy(TABLES / "existing_table_1.yaml", tmp_path / "existing_table_1.yml")
    path = tmp_path / "existing_table_1.yml"
    assert main(["contracts", "show", "existing_table_1", "--full", "--folder", str(tmp_path)]) == 0
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    before, columns = path.read_text(encoding="utf-8"), load_contract(path).columns

    assert main(["contracts", "fmt", str(tmp_path), "--check"]) == 1
    assert "1 file of 1 can be shortened" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == before
    assert main(["contracts", "fmt", str(tmp_path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert main(["contracts", "fmt", str(tmp_path), "--check"]) == 0

    after = path.read_text(encoding="utf-8")
    assert told == {
        "file": str(path), "lines_before": len(before.splitlines()),
        "lines": len(after.splitlines()), "changed": True,
    }  # fmt: skip
    assert told["lines"] < told["lines_before"]
    assert load_contract(path).columns == columns


def test_a_contract_with_problems_is_not_shortened(tmp_path, capsys):
    path = tmp_path / "aircraft.yaml"
    path.write_text("no: contract", encoding="utf-8")

    assert main(["contracts", "fmt", str(path)]) == 78
    assert path.read_text(encoding="utf-8") == "no: contract"
    assert "apiVersion" in capsys.readouterr().err


def test_the_full_form_is_found_by_the_target_too(capsys):
    assert main(["contracts", "show", "target_schema.aircraft", "--full"]) == 0

    document = yaml.safe_load(capsys.readouterr().out)
    assert contract_of_document(document, "aircraft") == load_contract(TABLES / "aircraft.yaml")


def test_schemas_are_printed_and_written(tmp_path, capsys):
    assert main(["contracts", "schema"]) == 0
    contract = capsys.readouterr().out
    assert main(["contracts", "schema", "--blocks"]) == 0
    blocks = capsys.readouterr().out
    assert main(["contracts", "schema", "--output", str(tmp_path / "new")]) == 0

    assert (tmp_path / "new" / CONTRACT_SCHEMA).read_text(encoding="utf-8") == contract
    assert (tmp_path / "new" / "blocks.schema.json").read_text(encoding="utf-8") == blocks
    assert "source-database" in json.loads(blocks)["properties"]


def test_a_folder_that_cannot_be_made_is_an_error_of_use(tmp_path, capsys):
    (tmp_path / "file").touch()

    assert main(["contracts", "schema", "--output", str(tmp_path / "file")]) == 64
    assert "expected" in capsys.readouterr().err


BLOCKS = """
spark-runtime: {{local: {{driver_memory: 1g}}}}
lakehouse: {{local: {{warehouse: {folder}/w, embedded_directory: {folder}/p}}}}
local-key-ring: {{local: {{path: {folder}/k.json, key_encryption_key: {{env: STRANDLINE_KEY}}}}}}
run-settings:
  default: {{spark: local, lakehouse: local, key_ring: local, contracts_directory: {folder}/mine}}
"""


def test_where_a_block_file_is_named_its_contracts_are_shown(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine").mkdir()
    shutil.copy(TABLES / "aircraft.yaml", tmp_path / "mine")
    (tmp_path / "blocks.yaml").write_text(BLOCKS.format(folder=tmp_path), encoding="utf-8")
    key = base64.b64encode(bytes(32)).decode()
    monkeypatch.setenv("STRANDLINE_KEY", key)
    monkeypatch.setenv(block_lookup.VARIABLE, str(tmp_path / "blocks.yaml"))

    assert main(["contracts", "list", "--json"]) == 0

    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["contract"] == "aircraft"
