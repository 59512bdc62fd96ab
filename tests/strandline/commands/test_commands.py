from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.spark_runtime import SparkRuntime
from strandline.command_line import main
from tests.strandline.examples import AIRCRAFT, NOW, day
from tests.strandline.lakes import append, create_ledgers, flight, load_events

TARGET = "house.target_schema.aircraft"


@pytest.fixture(scope="module")
def block_file(spark, postgres, tmp_path_factory):
    """Run settings whose lakehouse holds a loaded table with its ledgers, and others of an empty
    one."""
    folder = tmp_path_factory.mktemp("lake")
    named = {}
    for name in ("house", "empty"):
        postgres.create_database(name)
        lakehouse = Lakehouse(
            catalog=name,
            warehouse=str(folder / name),
            uri=f"jdbc:postgresql://127.0.0.1:{postgres.port}/{name}",
            user=postgres.user,
            password=postgres.password,
        )
        named[name] = RunSettings(
            spark=SparkRuntime(master="local[2]", log_directory=folder),
            lakehouse=lakehouse,
            key_ring=LocalKeyRing(
                path=folder / "keys.json",
                key_encryption_key=base64.b64encode(b"k" * 32).decode(),
            ),
            state_directory=folder,
        )
    house = named["house"]
    _fill(house.spark.session(house.lakehouse))
    return block_lookup.save_local(
        folder / "blocks.yaml", ("default", house), ("empty", named["empty"])
    )


def _fill(session):
    create_ledgers(session, "house.governance", "run_metrics", "quarantine")
    session.sql("CREATE NAMESPACE house.target_schema")
    torn = [flight("N9", day(1), "JFK"), flight("N9", day(1), "LAX")]
    events = [flight("N1", day(0), "JFK"), flight("N1", day(2), "LAX"), *torn]
    load_events(
        session,
        AIRCRAFT,
        TARGET,
        events,
        batch_id="b7",
        quarantine="house.governance.quarantine",
        watermark=day(2),
    )
    run = {
        "job_id": "j1",
        "batch_id": "b7",
        "contract": "aircraft",
        "target_table": TARGET,
        "start_time": NOW,
        "end_time": NOW.replace(second=9),
        "state": "published",
        "rows_read": 4,
        "data_quality_score": 0.5,
    }
    append(session, "house.governance.run_metrics", [run])


@pytest.fixture
def strandline(block_file, monkeypatch, capsys):
    """Runs a command against the lakehouse: exit code, standard output, standard error."""
    monkeypatch.setenv(block_lookup.VARIABLE, str(block_file))
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str) -> SimpleNamespace:
        code = main(arguments)
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def test_history_draws_the_versions_of_a_key(strandline):
    ended = strandline("history", "aircraft", "N1")

    assert ended.code == 0
    assert f"{TARGET}  tail_number N1  2 versions" in ended.out
    assert "2024-01-01 → 2024-01-03" in ended.out
    assert "2024-01-03 → open" in ended.out
    assert "airport=LAX" in ended.out
    assert ended.err == ""


def test_history_takes_the_name_of_the_table_and_gives_json_alone(strandline):
    ended = strandline("history", "target_schema.aircraft", "tail_number=N1", "--json")

    told = json.loads(ended.out)
    assert ended.code == 0
    assert ended.err == ""
    assert told["key"] == {"tail_number": "N1"}
    assert [each["from"] for each in told["versions"]] == [
        "2024-01-01T00:00:00+00:00",
        "2024-01-03T00:00:00+00:00",
    ]
    assert [each["open"] for each in told["versions"]] == [False, True]


def test_history_as_of_a_moment_is_what_held_then(strandline):
    ended = strandline("history", "aircraft", "N1", "--as-of", "2024-01-02", "--json")

    (version,) = json.loads(ended.out)["versions"]
    assert version["values"]["airport"] == "JFK"


def test_history_of_an_unknown_key_is_not_found_and_does_not_repeat_the_key(strandline):
    ended = strandline("history", "aircraft", "N4242")

    assert ended.code == 66
    assert ended.out == ""
    assert "NotFoundError" in ended.err
    assert "N4242" not in ended.err


def test_history_of_a_table_that_was_never_loaded_says_how_to_load_it(strandline):
    ended = strandline("history", "existing_table_1", "5")

    assert ended.code == 66
    assert "strandline run existing_table_1" in ended.err


def test_a_key_of_another_type_is_a_matter_of_usage(strandline):
    assert strandline("history", "existing_table_1", "five").code == 64


def test_status_tells_each_contract_loaded_or_not(strandline):
    ended = strandline("status", "--json")

    told = {each["contract"]: each for each in json.loads(ended.out)["tables"]}
    assert ended.code == 0
    assert set(told) == {"aircraft", "existing_table_1", "new_source_table"}
    assert told["aircraft"]["versions"] == 2
    assert told["aircraft"]["open_versions"] == 1
    assert told["aircraft"]["batch_id"] == "b7"
    assert told["aircraft"]["watermark"] == "2024-01-03T00:00:00+00:00"
    assert told["aircraft"]["last_run"]["state"] == "published"
    assert told["aircraft"]["last_run"]["data_quality_score"] == 0.5
    assert told["existing_table_1"]["exists"] is False


def test_runs_are_those_of_the_ledger(strandline):
    assert "published" in strandline("runs").out
    told = json.loads(strandline("runs", "aircraft", "--json").out)["runs"]

    assert [(each["batch_id"], each["rows_read"]) for each in told] == [("b7", 4)]
    assert json.loads(strandline("runs", "existing_table_1", "--json").out) == {"runs": []}


def test_the_quarantine_shows_rows_only_where_they_are_asked_for(strandline):
    shut = json.loads(strandline("quarantine", "aircraft", "--json").out)
    wide = json.loads(strandline("quarantine", "aircraft", "--rows", "--json").out)

    assert shut["held"] == wide["held"] == 2
    assert [each["record_key"] for each in shut["newest"]] == ["N9", "N9"]
    assert {each["row"] for each in shut["newest"]} == {None}
    assert all('"tail_number":"N9"' in each["row"] for each in wide["newest"])
    assert "2 rows held in quarantine" in strandline("quarantine", "aircraft").out


def test_the_quarantine_shows_the_rows_that_were_selected(strandline):
    shown = json.loads(strandline("quarantine", "show", "aircraft", "--key", "N9", "--json").out)
    other = json.loads(strandline("quarantine", "aircraft", "--check", "no_such", "--json").out)

    assert (shown["held"], other["held"], shown["batches"]) == (2, 0, [])


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        (("release", "aircraft", "--all"), "--reason"),
        (("release", "aircraft", "--reason", "why"), "none of them"),
        (("release", "aircraft", "--all", "--reason", " "), "a reason (--reason)"),
        (("discard", "aircraft", "--all", "--reason", "why", "--by", ""), "a person (--by)"),
        (("fix", "aircraft", "--all", "--reason", "why"), "--set COLUMN=VALUE"),
        (("fix", "aircraft", "--all", "--reason", "why", "--set", "carrier"), "COLUMN=VALUE"),
        (("release", "aircraft", "--where", "1", "--reason", "why"), "SQL condition"),
    ],
)
def test_a_decision_needs_rows_a_person_and_a_reason(strandline, typed, part):
    ended = strandline("quarantine", *typed)

    assert ended.code == 64
    assert part in " ".join(ended.err.split())


def test_a_limit_below_one_is_a_matter_of_usage(strandline):
    assert strandline("runs", "--limit", "0").code == 64


def test_an_empty_lakehouse_is_no_error(strandline):
    settings = ("--settings", "empty")

    status = strandline("status", *settings)
    assert status.code == 0
    assert status.out.count("never loaded") == 3
    assert "strandline run CONTRACT" in strandline("runs", *settings).out
    assert "0 rows held" in strandline("quarantine", "aircraft", *settings).out


def test_unknown_settings_are_named_with_what_to_do(strandline):
    ended = strandline("status", "--settings", "nowhere")

    assert ended.code == 78
    assert "SettingsError" in ended.err
    assert "nowhere" in ended.err
