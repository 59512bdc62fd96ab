"""`strandline hold`: persons are read without a command line, and never shown."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import pytest

from blocks.lookup import block_lookup
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tests.flows.readings import CONTRACT
from tests.strandline.lakes import run_settings_in
from tests.tasks.erasure.persons import AT, patients_by_name, store

CANARY = 71_345_900
TABLE = "hold_command.clinic.patients"


@pytest.fixture(scope="module")
def settings(spark, postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hold-command")
    (folder / "contracts").mkdir()
    shutil.copy(CONTRACT, folder / "contracts" / "readings.yaml")
    made = run_settings_in(folder, postgres, "hold_command").model_copy(
        update={"contracts_directory": folder / "contracts"}
    )
    blocks = block_lookup.save_local(
        folder / "blocks.yaml",
        ("default", made),
        ("local", made.spark),
        ("local", made.lakehouse),
        ("local", made.key_ring),
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(block_lookup.VARIABLE, str(blocks))
        environment.setenv("COLUMNS", "200")
        session = made.spark.session(made.lakehouse, shared=False)
        contract = patients_by_name("encrypted")
        row = {"surrogate_key": 1, "patient": CANARY, "name": "Ada Pell", "changed_at": AT}
        row |= {"valid_from": AT, "is_current": True, "recorded_at": AT}
        store(session, made, replace(contract, table="patients"), [row])
        yield made


def answered(capsys, *typed, code=0):
    assert main(["hold", *typed, "--json"]) == code
    shown = capsys.readouterr()
    assert str(CANARY) not in shown.out + shown.err
    return json.loads(shown.out)


def test_a_hold_is_placed_listed_and_released_and_nobody_is_shown(settings, capsys, monkeypatch):
    assert answered(capsys, "list") == {"holds": []}
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CANARY}\n\npatient=12\n"))
    why = ("--reason", "letter of 1 March", "--by", "ada")
    placed = answered(
        capsys, "place", "readings", "--subjects-from", "-", "--matter", "case 12", *why
    )
    assert (placed["table"], placed["persons"], placed["in_table"]) == (TABLE, 2, 1)

    (hold,) = answered(capsys, "list", "clinic.patients")["holds"]
    assert (hold["hold_id"], hold["matter"], hold["held"]) == (placed["hold_id"], "case 12", 2)
    assert all(len(each) == 12 for each in hold["digests"])
    assert main(["hold", "list"]) == 0
    assert "case 12" in capsys.readouterr().out

    released = answered(capsys, "release", "readings", "--subject", f"patient={CANARY}", *why)
    assert (released["persons"], released["still_held"]) == (1, 0)
    answered(capsys, "release", "readings", "--hold", placed["hold_id"], *why)
    assert answered(capsys, "list", "readings") == {"holds": []}
    (hold,) = answered(capsys, "list", "readings", "--all")["holds"]
    assert (hold["held"], hold["released"]) == (0, 2)
    assert main(["audit", "show", "--json"]) == 0
    shown = capsys.readouterr().out
    assert str(CANARY) not in shown
    records = json.loads(shown)["records"]
    assert [(each["action"], each["actor"], each["counts"]["persons"]) for each in records] == [
        ("release hold", "ada", 1), ("release hold", "ada", 1), ("legal hold", "ada", 2)
    ]  # fmt: skip
    assert records[-1]["details"]["matter"] == "case 12"


def test_what_can_not_be_done_is_named_without_a_value_and_changes_nothing(settings, capsys):
    why = ("--reason", "letter", "--matter", "case 12")
    release = ("release", "readings", "--reason", "letter")
    for code, typed in (
        (64, ("place", "readings", *why)),
        (64, ("place", "readings", "--subject", f"{CANARY}x", *why)),
        (64, ("place", "readings", "--subject", f"patient={CANARY},ward=x", *why)),
        (64, ("place", "readings", "--subjects-from", "/no/such/file", *why)),
        (64, ("place", "readings", "--subject", "1", "--matter", " ", "--reason", "letter")),
        (64, release),
        (66, (*release, "--hold", "HOLD_1")),
        (78, ("place", "reading", "--subject", "1", *why)),
    ):
        answered(capsys, *typed, code=code)
    with table_lock(settings.state_directory, TABLE, run_id="other"):
        answered(capsys, "place", "readings", "--subject", "1", *why, code=75)
