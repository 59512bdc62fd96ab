"""From a table that nobody has seen to its published history: three commands, no file edited."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from contracts.loader import load_contract
from contracts.model import Classification
from strandline.command_line import main
from tests.flows.unknown_table import CANARY, CLEAR, INSERT, NUMBERS, TABLES, VALUES


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    made = make_workplace(tmp_path_factory.mktemp("mine") / "contracts")
    made.execute(TABLES)
    with psycopg.connect(made.dsn.get_secret_value()) as connection:
        connection.execute(INSERT, VALUES)
    return made


def typed(*words):
    return main([*words])


def test_three_commands_lead_from_an_unknown_table_to_its_history(place, capfd, caplog):
    new = ("contracts", "new", "--source", "source-db-conn", "--table")

    assert typed(*new, "clinic.Unknown Patients") == 0
    written = capfd.readouterr()
    assert typed("contracts", "check", "unknown_patients") == 0
    checked = capfd.readouterr()
    assert typed("run", "unknown_patients") == 0

    path = place.settings.contracts_directory / "unknown_patients.yaml"
    text = path.read_text(encoding="utf-8")
    assert "nothing to decide" in written.out
    assert "DECIDE" not in text
    assert "1 contract, no problems" in checked.out
    assert written.out.rstrip().endswith(
        "next: strandline contracts check unknown_patients\n      strandline run unknown_patients"
    )
    for secret in (CANARY, CANARY.lower(), *NUMBERS, "1234100"):
        assert secret not in text + written.out + written.err + caplog.text
    assert history(place) == source(place)
    capfd.readouterr()
    assert typed("verify", "unknown_patients", "--json") == 0
    assert json.loads(capfd.readouterr().out)["open_versions"] == 40


def history(place):
    rows = place.table("clinic.unknown_patients").where("is_current").orderBy("id")
    return [
        tuple(None if cell is None else str(cell).lower() for cell in row)
        for row in rows.select(*[f"`{name}`" for name in CLEAR]).collect()
    ]


def source(place):
    items = [SQL("lower({}::text)").format(Identifier(name)) for name in CLEAR.values()]
    query = SQL('SELECT {} FROM clinic."Unknown Patients" ORDER BY id')
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        connection.execute("SET DateStyle TO 'ISO, YMD'")
        rows = connection.execute(query.format(SQL(", ").join(items))).fetchall()
    # A boolean is `true` in both; the digits of a number are the same.
    return [tuple(row) for row in rows]


def test_what_may_be_personal_is_stored_protected(place):
    contract = load_contract(place.settings.contracts_directory / "unknown_patients.yaml")
    found = {each.name: each.classification for each in contract.columns}

    assert {name for name, how in found.items() if how is Classification.RESTRICTED} == {
        "card", "gehalt",
    }  # fmt: skip
    assert {name for name, how in found.items() if how is Classification.CONFIDENTIAL} == {
        "eMail", "vorname", "full_name", "Geburtsdatum", "telefon", "plz", "remarks",
        "email_digest", "email_lower",
    }  # fmt: skip
    derived = {each.name: each.derived_from for each in contract.source.columns}
    assert derived["email_digest"] == derived["email_lower"] == ("eMail",)
    (row,) = place.table("clinic.unknown_patients").where("id = 1").collect()
    assert {type(row[name]) for name in ("eMail", "card", "email_digest")} == {bytes}


def test_a_table_without_any_time_is_loaded_as_it_is(place, capfd):
    named = ("contracts", "new", "--source", "source-db-conn", "--table", "clinic.insurers")

    assert typed(*named, "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert typed("run", "insurers") == 0
    place.execute("DELETE FROM clinic.insurers WHERE code = 'BBB'")
    assert typed("run", "insurers") == 0

    assert (told["decisions"], told["load"], told["rows"]) == ([], "full", 2)
    rows = place.table("clinic.insurers").orderBy("code").collect()
    assert [(row.code, row.label, row.source_sequence, row.is_current) for row in rows] == [
        ("AAA", "first", None, True), ("BBB", "second", None, False),
    ]  # fmt: skip
    assert all(row.valid_from == row.read_at for row in rows)
