from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import SchemaDriftError
from contracts.loader import TABLES
from demo import demo_source_database as demo
from strandline.command_line import main
from strandline.commands import run_command
from tasks.run.progress_listeners import STEPS
from tests.strandline.lakes import run_settings_in

ROOT = Path(__file__).parents[3]
AIRPORTS = 1_458


@pytest.fixture
def block_file(tmp_path, postgres):
    """Blocks for a run from a database that holds airports and one that is not there."""
    postgres.create_database("crm")
    demo.create(postgres.dsn_of("crm"))
    here = SourceDatabase(
        port=postgres.port, database="crm", user=postgres.user, password=postgres.password
    )
    return block_lookup.save_local(
        tmp_path / "blocks.yaml",
        ("default", run_settings_in(tmp_path, postgres, "run_lake")),
        ("source-db-conn", here),
    )


def test_a_source_that_does_not_fit_is_told_before_anything_is_started(
    block_file, tmp_path, monkeypatch, capsys
):
    def started(**_):
        pytest.fail("a server was started")

    text = (TABLES / "existing_table_1.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "tables"
    folder.mkdir()
    changed = text.replace("altitude_feet", "altitude_fet")
    (folder / "existing_table_1.yaml").write_text(changed, encoding="utf-8")
    blocks = yaml.safe_load(block_file.read_text(encoding="utf-8"))
    blocks["run-settings"]["default"]["contracts_directory"] = str(folder)
    block_file.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    monkeypatch.setenv(block_lookup.VARIABLE, str(block_file))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # somebody looks at it
    monkeypatch.setattr(run_command, "temporary_server", started)
    monkeypatch.setattr(run_command, "load_table", started)

    assert main(["run", "existing_table_1"]) == SchemaDriftError.exit_code

    assert "no column altitude_fet (but altitude_feet)" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )


def test_a_run_tells_its_steps_meanwhile_and_its_counts_at_the_end(
    spark, prefect_server, block_file, monkeypatch, capsys
):
    monkeypatch.setenv(block_lookup.VARIABLE, str(block_file))

    assert main(["run", "existing_table_1"]) == 0
    first = capsys.readouterr()
    assert main(["run", "existing_table_1", "--json"]) == 0
    second = capsys.readouterr()

    steps = [line.split()[1] for line in first.err.splitlines() if "existing_table_1" in line]
    # A step that takes long, as on a busy machine, is told again.
    assert [*dict.fromkeys(steps)] == list(STEPS)
    assert "run_lake.target_schema.existing_table_1  published" in first.out
    assert f"{AIRPORTS:,}" in first.out
    assert "next: strandline history existing_table_1 BUSINESS_KEY" in first.out
    (load,) = json.loads(second.out)["loads"]
    assert load["state"] == "unchanged"
    assert load["rows_read"] == load["rows_known"] == AIRPORTS
    assert load["versions_opened"] == 0

    assert main(["status", "--json"]) == 0
    told = {each["contract"]: each for each in json.loads(capsys.readouterr().out)["tables"]}
    assert told["existing_table_1"]["versions"] == AIRPORTS
    assert told["existing_table_1"]["last_run"]["state"] == "unchanged"


@pytest.mark.nightly
def test_a_run_that_fails_within_its_flow_shows_the_panel_alone(tmp_path, postgres):
    blocks = block_lookup.save_local(
        tmp_path / "blocks.yaml", ("default", run_settings_in(tmp_path, postgres, "run_lake"))
    )
    ended = subprocess.run(
        [sys.executable, "-m", "strandline", "run", "existing_table_1"],
        cwd=ROOT,
        env={**os.environ, block_lookup.VARIABLE: str(blocks)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ended.returncode == 78
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert "SettingsError" in lines[0]
    assert "source-db-conn" in ended.stderr
    assert lines[0].startswith("╭")
    assert lines[-1].startswith("╰")
    assert "Traceback" not in ended.stderr


def test_an_unknown_contract_stops_a_run_before_anything_is_started(
    block_file, monkeypatch, capsys
):
    monkeypatch.setenv(block_lookup.VARIABLE, str(block_file))

    assert main(["run", "existing_table_1", "airkraft"]) == 78

    told = capsys.readouterr()
    assert told.out == ""
    assert "did you mean aircraft?" in told.err
