"""`strandline config`: each value and what says so, and never a secret."""

from __future__ import annotations

import json

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from strandline.command_line import main

BLOCKS = """
source-database:
  crm-db: {host: db.internal, user: reader, password: {env: CRM_PASSWORD}}
  other: {user: reader, password: hunter2}
  third: {user: reader, password: {file: secrets/third}}
run-settings:
  default: {spark: local, lakehouse: {warehouse: w, password: hunter3}, key_ring: local}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "shop"
    (folder / "deep").mkdir(parents=True)
    (folder / "strandline.yaml").write_text("blocks: blocks.yaml\nsettings: prod\n")
    (folder / "blocks.yaml").write_text(BLOCKS)
    for name in ("BLOCKS", "PROJECT", "SETTINGS", "STATE", "ALERTS", "JAVA"):
        monkeypatch.setenv(f"STRANDLINE_{name}", "")
        monkeypatch.delenv(f"STRANDLINE_{name}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("STRANDLINE_STATE", "kept")
    monkeypatch.setenv("CRM_PASSWORD", "hunter1")
    monkeypatch.chdir(folder / "deep")
    return folder


def test_each_value_says_where_it_comes_from_and_no_secret_is_shown(project, capsys):
    assert main(["config", "--json"]) == 0
    text = capsys.readouterr().out
    assert main(["config"]) == 0
    text += capsys.readouterr().out

    told = json.loads(text.partition("\n}")[0] + "\n}")
    found = {each["setting"]: (each["value"], each["origin"]) for each in told["settings"]}
    file = str(project / "strandline.yaml")
    assert found["project"] == (str(project), "the nearest strandline.yaml")
    assert found["blocks"] == (str(project / "blocks.yaml"), file)
    assert found["settings"] == ("prod", file)
    assert found["state"] == ("kept", "environment STRANDLINE_STATE")
    assert found["java"] == ("installed", "default")
    fields = {(each["block"], each["field"]): each for each in told["blocks"]}
    assert fields["source-database/crm-db", "host"]["value"] == "db.internal"
    origins = {
        name: fields[f"source-database/{name}", "password"]["origin"]
        for name in ("crm-db", "other", "third")
    }
    assert origins == {
        "crm-db": "environment CRM_PASSWORD, set",
        "other": "the block file",
        "third": "file secrets/third, MISSING",
    }
    assert "hunter" not in text


def test_a_folder_that_is_typed_goes_before_where_one_stands(project, capsys, monkeypatch):
    monkeypatch.chdir(project.parent)

    assert main(["--project", "shop", "config", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    found = {each["setting"]: (each["value"], each["origin"]) for each in told["settings"]}
    assert found["project"] == (str(project), "option --project")
    assert main(["config", "--project"]) == 64
    assert main(["config", "--project", "nowhere"]) == 78


def test_the_settings_say_which_run_settings_a_command_takes(project, capsys):
    assert main(["contracts", "list"]) == 78
    assert "run-settings prod" in capsys.readouterr().err

    assert main(["contracts", "list", "--settings", "other"]) == 78
    assert "run-settings other" in capsys.readouterr().err


@pytest.mark.parametrize("server", ["", "http://127.0.0.1:9/api"], ids=["no server", "a server"])
def test_a_file_that_is_wrong_is_told_beside_what_is_known(project, capsys, server):
    (project / "strandline.yaml").write_text("bloks: x")

    with temporary_settings({PREFECT_API_URL: server or None}):
        assert main(["config"]) == 78

    told = capsys.readouterr().out
    assert "unknown: bloks" in told
    assert str(project) in told
