from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from blocks.lookup import block_lookup
from strandline.command_line import main
from tasks.run.run_context import ledger_table
from tests.strandline.examples import AIRCRAFT, NOW, day
from tests.strandline.lakes import append, create_ledgers, flight, load_events, run_settings_in

TARGET = "traced.target_schema.aircraft"


@pytest.fixture(scope="module")
def lake(spark, postgres, tmp_path_factory):
    """One table of two batches, and ledgers that know the second one alone."""
    folder = tmp_path_factory.mktemp("traced")
    settings = run_settings_in(folder, postgres, "traced")
    session = settings.spark.session(settings.lakehouse)
    session.sql("CREATE NAMESPACE traced.target_schema")
    load_events(session, AIRCRAFT, TARGET, [flight("N1", day(0), "JFK")], batch_id="b1")
    later = [flight("N1", day(2), "BOS"), flight("N2", day(3), "LAX")]
    load_events(session, AIRCRAFT, TARGET, later, batch_id="b2")
    create_ledgers(session, "traced.governance", "run_metrics", "data_lineage")
    number = session.table(TARGET).where("batch_id = 'b2' AND tail_number = 'N1'").first()
    usual = {"target_table": TARGET, "batch_id": "b2"}
    entry = {
        **usual,
        "record_id": number.surrogate_key,
        "lineage_id": 4711,
        "source_table": "aircraft",
        "processed_timestamp": NOW,
    }
    append(session, ledger_table(settings, "data_lineage"), [entry])
    run = {
        **usual,
        "job_id": "run-2",
        "contract": "aircraft",
        "state": "published",
        "start_time": NOW,
        "end_time": NOW,
    }
    append(session, ledger_table(settings, "run_metrics"), [run])
    return block_lookup.save_local(folder / "blocks.yaml", ("default", settings))


@pytest.fixture
def strandline(lake, monkeypatch, capsys):
    monkeypatch.setenv(block_lookup.VARIABLE, str(lake))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> SimpleNamespace:
        code = main(("lineage", *arguments)) or 0
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def test_a_version_leads_back_to_its_source_row_its_batch_and_its_run(strandline):
    shown = strandline("aircraft", "--key", "N1")
    told = json.loads(strandline("aircraft", "--key", "N1", "--json").out)

    first, second = told["versions"]
    assert (second["batch_id"], second["run_id"], second["lineage_id"]) == ("b2", "run-2", 4711)
    assert (first["batch_id"], first["run_id"], first["lineage_id"]) == ("b1", None, None)
    assert second["source_moment"].startswith("2024-01-03")
    assert (told["source"], told["key"]) == ("source_schema.aircraft", {"tail_number": "N1"})
    assert "source_schema.aircraft of source_db_conn" in shown.out
    assert "run-2" in shown.out
    assert "BOS" not in shown.out
    held = json.loads(strandline("aircraft", "--key", "N1", "--as-of", "2024-01-02", "--json").out)
    assert [each["batch_id"] for each in held["versions"]] == ["b1"]
    assert strandline("aircraft", "--key", "N9").code == 66


def test_columns_are_shown_by_the_contract_alone(strandline):
    shown = strandline("aircraft")
    one = strandline("aircraft", "airport")

    assert "UPPER(TRIM(destination))" in shown.out
    assert len(json.loads(strandline("aircraft", "--json").out)["columns"]) == len(AIRCRAFT.columns)
    assert "tracked" in one.out
    assert "stored in the clear" in one.out
    missing = strandline("aircraft", "airprt")
    assert (missing.code, "airport" in missing.err) == (66, True)
    assert strandline("aircraft", "airport", "--key", "N1").code == 64
