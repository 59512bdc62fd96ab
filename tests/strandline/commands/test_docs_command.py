from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest

from blocks.lookup import block_lookup
from contracts.loader import TABLES, load_contracts
from strandline.command_line import main
from tests.strandline.examples import AIRCRAFT, NOW, day
from tests.strandline.lakes import append, create_ledgers, flight, load_events, run_settings_in

TARGET = "documented.target_schema.aircraft"


@pytest.fixture
def strandline(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: str) -> SimpleNamespace:
        code = main(("docs", *arguments)) or 0
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def test_the_pages_are_written_below_the_state_directory(strandline, tmp_path):
    ended = strandline()

    folder = tmp_path / ".strandline" / "docs"
    assert ended.code == 0
    assert str(folder / "index.html") in ended.out
    assert {path.stem for path in (folder / "contracts").iterdir()} == {*load_contracts(TABLES)}
    assert {path.name for path in folder.iterdir()} == {"index.html", "contracts"}


def test_contracts_are_chosen_as_elsewhere_and_pages_of_others_go(strandline, tmp_path):
    output = tmp_path / "catalogue"
    strandline("--output", str(output))
    (output / "notes.txt").write_text("kept")
    told = json.loads(strandline("air*", "--output", str(output), "--json").out)

    assert told["contracts"] == ["aircraft"]
    assert told["index"] == str(output / "index.html")
    assert [path.name for path in (output / "contracts").iterdir()] == ["aircraft.html"]
    assert (output / "notes.txt").read_text() == "kept"
    assert "existing_table_1" not in (output / "index.html").read_text()
    assert strandline("aircrafts", "--output", str(output)).code == 78


def test_a_folder_of_other_files_is_left_alone(strandline, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    ended = strandline("--output", str(tmp_path / "site"))

    assert ended.code == 78
    assert "--output" in ended.err
    assert (tmp_path / "site" / "index.html").read_text() == "mine"
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]


def test_a_place_that_cannot_be_written_is_said(strandline, tmp_path):
    (tmp_path / "file").write_text("")
    ended = strandline("--output", str(tmp_path / "file" / "docs"))

    assert ended.code == 78
    assert "--output" in ended.err


def test_without_status_prefect_is_not_loaded_and_no_java_started(tmp_path):
    program = (
        "import sys; from strandline.command_line import main; main(sys.argv[1:]); "
        "from pyspark import SparkContext; "
        "print('prefect' in sys.modules, SparkContext._gateway)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "docs", "--output", str(tmp_path / "docs"), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ended.stdout.rpartition("}")[2].split() == ["False", "None"]


def test_with_status_the_pages_say_how_loads_went(
    spark, postgres, strandline, tmp_path_factory, monkeypatch, tmp_path
):
    folder = tmp_path_factory.mktemp("documented")
    settings = run_settings_in(folder, postgres, "documented")
    session = settings.spark.session(settings.lakehouse)
    session.sql("CREATE NAMESPACE documented.target_schema")
    load_events(session, AIRCRAFT, TARGET, [flight("N1", day(0), "JFK")], watermark=day(0))
    create_ledgers(session, "documented.governance", "run_metrics")
    run = {
        "job_id": "j", "contract": "aircraft", "target_table": TARGET, "state": "published",
        "start_time": NOW, "end_time": NOW + timedelta(seconds=9), "data_quality_score": 0.987,
    }  # fmt: skip
    append(session, "documented.governance.run_metrics", [run])
    path = block_lookup.save_local(folder / "blocks.yaml", ("default", settings))
    monkeypatch.setenv(block_lookup.VARIABLE, str(path))

    ended = strandline("--status", "--output", str(tmp_path / "docs"))

    assert ended.code == 0
    page = (tmp_path / "docs" / "contracts" / "aircraft.html").read_text()
    assert "98.7%" in page
    assert "2024-01-01 00:00" in page
    assert "published" in page
    assert "JFK" not in page
    assert "never loaded" in (tmp_path / "docs" / "index.html").read_text()
