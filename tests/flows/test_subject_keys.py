"""A table whose contract gives each person a key of their own, from its first load to erasure."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from pyspark.sql import functions as F

from flows.load_table import load_table
from strandline.command_line import main
from tasks.erasure.subject_key_ledger import key_records
from tasks.transforms.protection.column_protection import from_text
from tasks.transforms.protection.subject_key_encryption import (
    key_id_of_record,
    key_id_of_token,
    subject_decrypted,
    wrapped_by,
)
from tasks.transforms.subject_keys import KEY_OF_TOKENS, with_keys_of_tokens
from tests.flows.readings import CANARY, CONTRACT, FIRST, SECOND, TABLE, versions

TARGET, LEDGER = "clinic.patients", "governance.subject_keys"
DOCTOR = [{"property": "strandline", "value": {"level": "RESTRICTED", "decrypt": ["name"]}}]


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """Readings, loaded twice: versions, kept events, two refused rows."""
    folder = tmp_path_factory.mktemp("contracts")
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    (extension,) = [each["value"] for each in document["customProperties"]]
    extension["privacy"] = {"subject": ["patient"], "subjectKeys": True}
    document["roles"] = [{"role": "doctor", "access": "read", "customProperties": DOCTOR}]
    (folder / "readings.yaml").write_text(yaml.safe_dump(document), "utf-8")
    made = make_workplace(folder)
    made.execute(TABLE)
    for batch in (FIRST, SECOND):
        made.update(*batch)
        load_table("readings")
    return made


def full_target(place):
    return f"{place.settings.lakehouse.catalog}.{TARGET}"


def names(place, rows):
    """By patient, the names in rows of the table, as whoever has all keys of today reads them."""
    records = key_records(place.spark, place.settings, full_target(place))
    keyed = with_keys_of_tokens(rows, [rows["name"]], records)
    opening = place.settings.key_ring.decryption_keys(TARGET)
    value = subject_decrypted(
        keyed["name"],
        keyed[KEY_OF_TOKENS],
        opening,
        table=TARGET,
        column_name="name",
        kind="string",
    )
    return {(row[0], row[1]) for row in keyed.select("patient", value).collect()}


def ids(place):
    """By patient, the ids of the keys that made the tokens of the versions."""
    rows = place.table(TARGET).groupBy("patient").agg(F.collect_set(key_id_of_token(F.col("name"))))
    return {row[0]: [bytes(each) for each in row[1]] for row in rows.collect()}


def stored_names(place):
    rows = place.table(TARGET).select("surrogate_key", "name").collect()
    return {row[0]: bytes(row[1]) for row in rows}


def ledger_ids(place):
    rows = place.table(LEDGER).select(key_id_of_record(F.col("subject_key")))
    return [bytes(row[0]) for row in rows.collect()]


def test_each_person_has_one_key_over_all_loads_and_reads_by_right(place, capsys):
    one = ids(place)

    assert one.keys() == {1, 2, 3, 5}
    assert all(len(each) == 1 for each in one.values())
    # Refused is also a row that names a person; the one that names nobody has the table's key.
    held = ledger_ids(place)
    assert {each for (each,) in one.values()} < {*held}
    assert len(held) == len({*held}) == 5
    refused = [
        json.loads(row.row)["name"] for row in place.table("governance.quarantine").collect()
    ]
    texts = place.spark.createDataFrame([(each,) for each in refused], "name string")
    of_refused = texts.select(key_id_of_token(from_text(texts.name))).collect()
    assert sorted(row[0] is None for row in of_refused) == [False, True]
    assert names(place, place.table(TARGET)) == {
        (1, CANARY),
        (2, "Ada Pell"),
        (3, "Bo Finch"),
        (5, "Cy Rook"),
    }
    command = ("decrypt", "readings", "1", "--as", "doctor", "--reason", "case 12", "--json")
    assert main([*command]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in shown["versions"]} == {CANARY}


def test_a_refused_row_is_mended_and_released_under_its_persons_key(place):
    held = ledger_ids(place)
    why = ("readings", "--key", "4", "--by", "ada", "--reason", "typed wrong")

    assert main(["quarantine", "fix", *why, "--set", "weight=70"]) == 0
    assert main(["quarantine", "release", *why]) == 0

    # The key that was made when the row was refused is the person's for good.
    assert sorted(ledger_ids(place)) == sorted(held)
    assert ids(place)[4][0] in held
    assert (4, CANARY) in names(place, place.table(TARGET))


def test_rotation_wraps_the_keys_anew_and_no_token_changes(place, capsys):
    before, tokens = ids(place), stored_names(place)
    held = len(ledger_ids(place))

    assert main(["keys", "rotate", "readings", "--rewrite", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["subject_keys"], told["versions"]) == (held, 0)
    assert ids(place) == before
    assert stored_names(place) == tokens
    new = wrapped_by(F.col("subject_key"), frozenset({told["key"]["id"]}))
    assert place.table(LEDGER).where(new).count() == held
    assert (1, CANARY) in names(place, place.table(TARGET))


def test_nobody_reads_a_copy_of_an_erased_person(place, tmp_path, capsys):
    """What a backup keeps of a person is closed by the erasure, whatever keys are left."""
    paths = place.table(f"{TARGET}.files").select("file_path").collect()
    (data,) = {row[0].rsplit("/data/", 1)[0] for row in paths}
    shutil.copytree(f"{data}/data".removeprefix("file:"), tmp_path / "backup")
    copy = place.spark.read.option("pathGlobFilter", "*.parquet").parquet(f"{tmp_path}/backup")
    assert {(1, CANARY), (3, "Bo Finch")} <= names(place, copy)
    own = ids(place)[1][0]

    command = ("erase", "readings", "--subject", "1", "--reason", "asked for", "--yes", "--json")
    assert main([*command]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["subject_keys"], told["proof"]["keys_left"]) == (1, 0)
    assert own not in ledger_ids(place)
    assert place.snapshots(LEDGER) == place.snapshots("governance.quarantine") == 1
    with pytest.raises(Exception, match="the key goes with its person") as caught:
        names(place, copy.where("patient = 1"))
    assert CANARY not in str(caught.value)
    assert (3, "Bo Finch") in names(place, copy.where("patient = 3"))
    # He comes back: with a key of his own again, and what was erased stays closed.
    assert main(["erase", "readings", "--subject", "1", "--lift", "--reason", "came back"]) == 0
    load_table("readings", full=True)
    assert {row[0] for row in versions(place)} >= {1, 2, 3}
    (later,) = ids(place)[1]
    assert later != own
