"""`strandline plan` and `strandline debug` before and after a load, and what would stop one."""

from __future__ import annotations

import json

import psycopg
import pytest

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from strandline.command_line import main
from tests.strandline.lakes import run_settings_in

DATABASE, READER = "plan_tests", "plan_reader"
PASSWORD = "for-tests"  # noqa: S105 - of a database that the test makes
TABLES = """
CREATE SCHEMA crm;
CREATE TABLE crm.people (
    id integer PRIMARY KEY, city text, note text, updated_at timestamptz NOT NULL
);
INSERT INTO crm.people
SELECT n, 'Ulm', 'x', timestamptz '2024-01-01' + n * interval '1 minute'
FROM generate_series(1, 100) AS n;
CREATE ROLE plan_reader LOGIN PASSWORD 'for-tests';
GRANT USAGE ON SCHEMA crm TO plan_reader;
GRANT SELECT ON crm.people TO plan_reader;
"""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
tags: [crm]
description: {purpose: People.}
team: {name: CRM}
schema:
  - name: people
    physicalName: plan_tests.people
    properties:
      - {name: id, physicalType: INTEGER, primaryKey: true}
      - {name: city, physicalType: TEXT}
      - {name: updated_at, physicalType: TIMESTAMP, required: true}
    quality:
      - {id: city_known, type: custom, engine: strandline, severity: warning,
         implementation: {rule: not_blank, columns: [city]}}
customProperties:
  - property: strandline
    value:
      source:
        connection: crm_db
        table: crm.people
        kind: state
        load: incremental
        sequence: [updated_at]
"""


@pytest.fixture(scope="module")
def database(postgres):
    postgres.create_database(DATABASE)
    with psycopg.connect(postgres.dsn_of(DATABASE).get_secret_value(), autocommit=True) as session:
        session.execute(TABLES)
        yield session
        session.execute(f"DROP OWNED BY {READER}".encode())
        session.execute(f"DROP ROLE {READER}".encode())
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as session:
        session.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def project(spark, postgres, database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plans")
    (folder / "tables").mkdir()
    (folder / "tables" / "people.yaml").write_text(CONTRACT)
    settings = run_settings_in(folder, postgres, "plan_lake")
    settings.contracts_directory = folder / "tables"
    source = SourceDatabase(port=postgres.port, database=DATABASE, user=READER, password=PASSWORD)
    block_lookup.save_local(folder / "blocks.yaml", ("default", settings), ("crm-db", source))
    return folder


@pytest.fixture
def ask(project, monkeypatch, capsys):
    """Type a command in the project: exit code and answer."""
    monkeypatch.setenv(block_lookup.VARIABLE, str(project / "blocks.yaml"))

    def run(*typed):
        code = main([*typed, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def planned(answer):
    code, told = answer
    (plan,) = told["plans"]
    return code, plan


def test_a_plan_says_what_a_run_then_does_and_what_has_changed_since(
    prefect_server, ask, database, project
):
    code, first = planned(ask("plan", "people"))
    assert (code, first["table"]["made"], first["read"], first["rows"]) == (
        0, True, "all rows", 100,
    )  # fmt: skip
    assert first["unread"] == ["note"]
    assert first["new_checks"] == ["city_known"]
    assert (first["estimate"], first["problems"]) == (None, [])

    assert ask("run", "tag:crm")[0] == 0
    _, after = planned(ask("plan", "tag:crm"))
    assert after["read"] == "rows since the watermark"
    assert after["watermark"] == "2024-01-01T01:40:00+00:00"
    assert (after["table"]["made"], after["table"]["added"]) == (False, [])
    assert (after["new_checks"], after["gone_checks"]) == ([], [])
    assert after["estimate"]["runs"] == 1
    read_again = after["rows"]

    # By the second load there are past ones to compare with, which no contract states.
    assert ask("run", "tag:crm")[0] == 0
    assert planned(ask("plan", "tag:crm"))[1]["gone_checks"] == []

    database.execute(
        "INSERT INTO crm.people VALUES (101, 'Bonn', 'y', '2024-01-02'), (102, 'Jena', 'z', now())"
    )
    changed = CONTRACT.replace("city_known", "city_not_blank").replace(
        "      - {name: updated_at",
        "      - {name: note, physicalType: TEXT}\n      - {name: updated_at",
    )
    (project / "tables" / "people.yaml").write_text(changed)
    code, later = planned(ask("plan"))
    assert later["rows"] == read_again + 2
    assert later["table"]["added"] == [["note", "string"]]
    assert later["new_checks"] == ["city_not_blank"]
    assert later["gone_checks"] == ["city_known"]
    assert [name for name, _, _ in later["table"]["settings"]] == ["tracked columns"]
    assert later["unread"] == []
    assert (code, later["problems"]) == (0, [])

    _, whole = planned(ask("plan", "--full"))
    assert (whole["read"], whole["rows"]) == ("all rows", 102)


def test_what_would_stop_a_run_is_told_at_once_in_the_runs_own_words(ask, database, project):
    file = project / "tables" / "people.yaml"
    mistyped = CONTRACT.replace("name: city,", "name: citty,").replace("[city]", "[citty]")
    file.write_text(mistyped)
    code, drifted = planned(ask("plan", "people"))
    assert code == 78
    assert "no column citty (but city)" in drifted["problems"][0]["found"]

    file.write_text(CONTRACT)
    database.execute("REVOKE SELECT ON crm.people FROM plan_reader")
    database.execute("GRANT SELECT (id, updated_at) ON crm.people TO plan_reader")
    code, refused = planned(ask("plan", "people"))
    assert code == 78
    assert refused["problems"][0]["kind"] == "SourceAccessError"
    assert refused["problems"][0]["found"] == "none for city"

    code, told = ask("debug", "people")
    failed = [each for each in told["trials"] if each["state"] == "failed"]
    assert code == 78
    assert [each["tried"] for each in failed] == ["crm.people"]
    assert failed[0]["error"]["found"] == "none for city"

    database.execute("GRANT SELECT ON crm.people TO plan_reader")
    assert ask("debug")[0] == 0


def test_each_part_that_fails_is_told_and_none_hides_the_next(ask, project, monkeypatch, tmp_path):
    text = (project / "blocks.yaml").read_text().replace("for-tests", "not-this")
    broken = tmp_path / "blocks.yaml"
    broken.write_text(text)
    broken.chmod(0o600)
    monkeypatch.setenv(block_lookup.VARIABLE, str(broken))

    code, told = ask("debug")

    states = {(each["part"], each["state"]) for each in told["trials"]}
    assert code == 78
    assert {
        ("source", "failed"),
        ("table", "failed"),
        ("lakehouse", "ok"),
        ("keys", "ok"),
    } <= states
    assert "not-this" not in json.dumps(told)

    monkeypatch.setenv(block_lookup.VARIABLE, str(tmp_path / "none.yaml"))
    code, told = ask("debug")
    assert code == 78
    assert [each["part"] for each in told["trials"]] == ["java", "prefect", "blocks"]
