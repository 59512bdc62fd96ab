from __future__ import annotations

import json
import stat
from datetime import timedelta
from types import SimpleNamespace

import pytest

from blocks.lookup import block_lookup
from contracts.model import Protection, ProtectionKind
from flows.flow_run import run_in
from strandline.command_line import main
from strandline.queries.open_lakehouse import open_lakehouse
from strandline.queries.quality_report import read_report
from tests.strandline.examples import AIRCRAFT, NOW
from tests.strandline.lakes import append, create_ledgers, protecting, run_settings_in

TARGET = "reports.target_schema.aircraft"
FLOW_RUN = "7d3c1c55-0f0e-4a0e-8f5e-9a9b5f0d2f11"
ODD_DAY = NOW.replace(hour=23, minute=59, second=59, microsecond=999_999)


def batch(number: int, **given) -> dict:
    usual = {
        "contract": "aircraft",
        "contract_version": "1.4.0",
        "target_table": TARGET,
        "batch_id": f"BATCH_{number}",
        "job_id": f"job-{number}",
        "judged_at": NOW + timedelta(days=number),
        "grain": "batch",
        "outcome": "passed",
        "rows_read": 110,
        "rows_judged": 100,
        "rows_quarantined": 1,
        "score": 0.99,
        "threshold": 0.95,
        "refused_percent": 1.0,
        "refused_limit": 5.0,
        "reasons": [],
    }
    return usual | given


def check(number: int, name: str, **given) -> dict:
    about = ("contract", "contract_version", "target_table", "batch_id", "job_id", "judged_at")
    usual = {
        "grain": "check",
        "outcome": "failed",
        "check": name,
        "rule": "not_null",
        "columns": ["carrier"],
        "dimension": "completeness",
        "severity": "refuse",
        "failed": 1,
        "evaluated": 100,
        "weight": 1.0,
        "metric": None,
        "limit": "",
        "note": "",
    }
    return {name: batch(number)[name] for name in about} | usual | given


QUALITY = [
    batch(0),
    check(0, "carrier_required"),
    batch(1, job_id=run_in(FLOW_RUN, "aircraft")),
    check(1, "carrier_required"),
    batch(2, outcome="failed", score=0.5, refused_percent=40.0, reasons=["the score is 50.00%"]),
    check(2, "carrier_required", failed=40),
    check(2, "drift", outcome="not evaluated", evaluated=0, failed=0, note="too few loads"),
    # Another table's batch is newer, and in the same flow run.
    batch(9, target_table="reports.s.other", contract="existing_table_1",
          job_id=run_in(FLOW_RUN, "existing_table_1")),
]  # fmt: skip
REFUSED = [
    {"refused_at": NOW},
    {"refused_at": ODD_DAY, "settled_how": "discarded"},
    {"refused_at": NOW, "released_at": NOW},
    {"refused_at": NOW, "settled_how": "replaced"},
    {"refused_at": NOW + timedelta(days=1), "settled_how": "mended"},
]
UNUSUAL = [
    {"batch_id": "BATCH_2", "feature": "delay", "distance": 3.5, "feature_rows": 9, "key": "N1"},
    {"batch_id": "BATCH_2", "feature": "speed", "distance": 8.5, "feature_rows": 2, "key": "N2"},
    {"batch_id": "BATCH_1", "feature": "delay", "distance": 99.0, "feature_rows": 1, "key": "N3"},
]


@pytest.fixture(scope="module")
def settings(spark, postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    made = run_settings_in(folder, postgres, "reports")
    session = made.spark.session(made.lakehouse)
    names = ("quality_findings", "unusual_rows", "quarantine", "run_metrics")
    create_ledgers(session, "reports.governance", *names)
    append(session, "reports.governance.quality_findings", QUALITY)
    refused = [
        {"target_table": TARGET, "row_digest": str(i)} | row for i, row in enumerate(REFUSED)
    ]
    append(session, "reports.governance.quarantine", refused)
    unusual = [
        {
            "target_table": TARGET,
            "judged_at": NOW,
            "record_key": json.dumps({"tail_number": row["key"]}),
        }
        | row
        for row in UNUSUAL
    ]
    append(session, "reports.governance.unusual_rows", unusual)
    run = {"job_id": "j", "contract": "aircraft", "target_table": TARGET, "batch_id": "BATCH_2",
           "start_time": NOW, "end_time": NOW}  # fmt: skip
    steps = {"extract": 1200, "protect": 800}
    later = {"start_time": NOW + timedelta(days=3), "end_time": NOW + timedelta(days=3)}
    before = {"start_time": NOW - timedelta(days=1), "end_time": NOW}
    runs = [
        run | {"state": "refused", "rows_read": 110},
        run | before | {"state": "published", "batch_id": "BATCH_1", "step_milliseconds": steps},
        run | later | {"state": "published", "batch_id": "BATCH_9"},
    ]
    append(session, "reports.governance.run_metrics", runs)
    return made


@pytest.fixture
def strandline(settings, monkeypatch, capsys):
    path = block_lookup.save_local(
        settings.state_directory / "blocks.yaml",
        ("default", settings),
    )
    monkeypatch.setenv(block_lookup.VARIABLE, str(path))

    def run(*arguments: str) -> SimpleNamespace:
        code = main(arguments)
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def test_a_report_of_a_table_is_that_of_its_newest_batch(strandline, settings):
    ended = strandline("report", "aircraft")

    page = settings.state_directory / "reports" / "aircraft-BATCH_2.html"
    assert ended.code == 0
    assert ended.err == ""
    assert str(page) in ended.out
    assert "the gate closed, quality 50%, 1 of 2 checks failed" in ended.out
    assert "the score is 50.00%" in ended.out
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "BATCH_1" in text
    assert "existing_table_1" not in text
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    assert "next: strandline quarantine aircraft" in ended.out
    assert 'id="lineage"' in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("BATCH_1",), "BATCH_1"),
        (("aircraft", "--run", "BATCH_0"), "BATCH_0"),
        (("aircraft", "--run", "job-0"), "BATCH_0"),
        (("target_schema.aircraft", "--run", FLOW_RUN), "BATCH_1"),
        ((run_in(FLOW_RUN, "aircraft"),), "BATCH_1"),
    ],
)
def test_a_run_is_found_by_its_batch_its_id_or_its_flow_run(strandline, tmp_path, words, expected):
    ended = strandline("report", *words, "--output", str(tmp_path / "a" / "page.html"), "--json")

    told = json.loads(ended.out)
    assert ended.code == 0
    assert (told["batch_id"], told["contract"]) == (expected, "aircraft")
    assert told["report"] == str(tmp_path / "a" / "page.html")
    page = (tmp_path / "a" / "page.html").read_text()
    assert f"<code>{expected}</code>" in page
    assert "BATCH_2" not in page, "what came later is not part of it"


def test_a_flow_run_of_several_tables_has_to_be_told_which(strandline):
    ended = strandline("report", FLOW_RUN)

    assert ended.code == 64
    assert "aircraft, existing_table_1" in ended.err
    assert f"strandline report aircraft --run {FLOW_RUN}" in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("aircraft", "--run", "BATCH_99"), 66, "none of that name"),
        (("BATCH_99",), 66, "none of that name"),
        (("new_source_table",), 66, "strandline run new_source_table"),
        (("aircrafts",), 78, "aircraft"),
        (("aircraft", "--limit", "0"), 64, "limit"),
    ],
)
def test_what_is_not_there_is_said(strandline, words, code, said):
    ended = strandline("report", *words)

    assert ended.code == code
    assert said in ended.err


def test_a_place_that_cannot_be_written_is_said(strandline, tmp_path):
    (tmp_path / "file").write_text("")
    ended = strandline("report", "aircraft", "--output", str(tmp_path / "file" / "page.html"))

    assert ended.code == 78
    assert "--output" in ended.err


def test_open_shows_the_page_in_the_browser_or_says_that_there_is_none(
    strandline, tmp_path, monkeypatch
):
    browser, shown = tmp_path / "browser", tmp_path / "shown"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    page = tmp_path / "page.html"
    for command, found in ((str(browser), True), ("false", False)):
        monkeypatch.setenv("BROWSER", f"{command} %s")
        monkeypatch.setattr("webbrowser._tryorder", None)
        ended = strandline("report", "aircraft", "--open", "--output", str(page))

        assert ended.code == 0
        assert shown.read_text().strip() == page.as_uri()
        assert ("No browser was found" in ended.err) is not found


def test_the_report_has_the_quarantine_by_day_and_the_unusual_rows_of_its_batch(settings):
    report = read_report(open_lakehouse(settings), AIRCRAFT, None, limit=2)

    assert [each.batch_id for each in report.batches] == ["BATCH_1", "BATCH_2"]
    assert [each.state for each in report.batches] == ["published", "refused"]
    assert report.batch.judged_at == NOW + timedelta(days=2)
    days = {day.day: dict(day.settled) for day in report.quarantine}
    assert days == {
        NOW.date(): {"held": 1, "discarded": 1, "released": 1},
        NOW.date() + timedelta(days=1): {"mended": 1},
    }
    assert dict(report.unusual_counts) == {"delay": 9, "speed": 2}
    assert [(row.key, row.distance) for row in report.unusual_rows] == [("N2", 8.5), ("N1", 3.5)]


def test_the_report_has_the_runs_up_to_its_batch_and_the_lineage_of_the_contract(settings):
    report = read_report(open_lakehouse(settings), AIRCRAFT, None, limit=2)

    assert [run.batch_id for run in report.runs] == ["BATCH_1", "BATCH_2"]
    assert report.runs[0].step_milliseconds == {"extract": 1200, "protect": 800}
    assert (report.runs[1].step_milliseconds, report.runs[1].rows_read) == (None, 110)
    assert [each.column for each in report.lineage] == [each.name for each in AIRCRAFT.columns]
    assert report.source == "source_schema.aircraft of source_db_conn"
    assert report.key_example == "TAIL_NUMBER"


def test_a_sensitive_key_is_not_even_read(settings):
    hidden = protecting(AIRCRAFT, "tail_number", Protection(ProtectionKind.PSEUDONYMISE))
    report = read_report(open_lakehouse(settings), hidden, None, limit=2)

    assert [row.key for row in report.unusual_rows] == [None, None]
