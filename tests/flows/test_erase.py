"""Persons are erased from a loaded table: from all of it, for good, with a certificate."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from pyspark.sql import functions as F

from contracts.errors import (
    ErasureIncompleteError,
    LegalHoldError,
    NotFoundError,
    SettingsError,
    TableBusyError,
    UsageError,
)
from flows.erase_subjects import erase_subjects
from flows.load_table import load_table
from history.iceberg.current_snapshot import current_state
from history.restatement.rebuild_from_events import rebuild
from strandline.command_line import main
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.erasure import erase_from_table as erasing
from tasks.erasure.erasure_certificate import ErasureRequest
from tasks.erasure.verify_erasure import ErasureProof
from tasks.lifecycle.open_run import contract_and_settings
from tasks.lifecycle.table_lock import table_lock
from tests.flows.readings import CANARY, CONTRACT, FIRST, SECOND, TABLE, versions

TARGET, QUARANTINE, LISTED = (
    "clinic.patients",
    "governance.quarantine",
    "governance.erased_subjects",
)
WHY = ErasureRequest(reason="asked for on 2024-05-01")


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """Readings, loaded, by a contract that names persons by their encrypted name, and the usual."""
    folder = tmp_path_factory.mktemp("contracts")
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    (folder / "readings.yaml").write_text(yaml.safe_dump(document), "utf-8")
    made = make_workplace(folder)
    made.execute(TABLE)
    for batch in (FIRST, SECOND):
        made.update(*batch)
        load_table("readings")
    # Another client of the source tells the same again, which opens no version.
    made.execute("UPDATE clinic.readings SET changed_at = '2024-01-03 11:00' WHERE patient = 5")
    load_table("readings")
    return made


def name_persons_by(place, *columns):
    path = place.settings.contracts_directory / "readings.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    (extension,) = [each["value"] for each in document["customProperties"]]
    extension["privacy"] = {"subject": [*columns]}
    path.write_text(yaml.safe_dump(document), "utf-8")


def full_target(place):
    return f"{place.settings.lakehouse.catalog}.{TARGET}"


def audited(place):
    log = place.table("governance.audit_log").where("action = 'erase'").orderBy("sequence")
    return [(row.details["state"], dict(row.counts)) for row in log.collect()]


def state_of_everything(place):
    names = (TARGET, f"{TARGET}__kept_events", QUARANTINE)
    return [place.snapshots(name) for name in names], versions(place), len(audited(place))


@pytest.mark.nightly
def test_what_can_not_be_done_changes_nothing(place, capsys, monkeypatch):
    target, before = full_target(place), state_of_everything(place)

    def refused(error, match, persons, request=WHY):
        with pytest.raises(error, match=match) as caught:
            erase_subjects("readings", "default", persons, request)
        assert "4711" not in str(caught.value)

    refused(NotFoundError, "none about 1 of them", [{"patient": "1"}, {"patient": "4711"}])
    refused(UsageError, "no value of patient", [{"patient": "4711th"}])
    refused(UsageError, r"patient \(int\)", [{"name": "4711"}])
    snapshot = current_state(place.spark, target).snapshot_id
    place.spark.sql(f"ALTER TABLE {target} CREATE TAG year_end AS OF VERSION {snapshot}")
    hold = ("readings", "--subject", "1", "--by", "ada", "--reason", "ordered")
    assert main(["hold", "place", *hold, "--matter", "case 12"]) == 0
    refused(LegalHoldError, "1 of 2 under hold", [{"patient": "1"}, {"patient": "2"}])
    assert main(["hold", "release", *hold]) == 0
    refused(SettingsError, "clinic.patients: year_end", [{"patient": "1"}])
    with table_lock(place.settings.state_directory, target, run_id="other"):
        refused(TableBusyError, "no other run", [{"patient": "1"}])
    with pytest.raises(UsageError, match="a reason"):
        ErasureRequest(reason=" ")
    assert main(["erase", "readings", "--subject", "1", "--reason", "asked for"]) == 65
    assert "nothing was erased" in capsys.readouterr().err

    assert (
        main(["erase", "readings", "--subject", "1", "--reason", "r", "--dry-run", "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    (person,) = told["subjects"]
    assert (told["dry_run"], person["versions"], told["proof"]) == (True, 2, None)
    assert told["foreign_refs"] == [f"{target}: year_end"]
    assert state_of_everything(place) == before
    place.spark.sql(f"ALTER TABLE {target} DROP TAG year_end")


@pytest.mark.nightly
def test_persons_named_by_their_key_are_erased_and_stay_away(place, capsys, monkeypatch):
    request = ErasureRequest(reason="asked for", skip_missing=True)
    persons = [{"patient": "2"}, {"patient": "5"}, {"patient": "4711"}]
    proof = ErasureProof(states=1, rows_left=0, files_left=("data/broken-off.parquet",))
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "verify_erasure", lambda *_: proof)
        with pytest.raises(ErasureIncompleteError, match="1 files of writes that were broken off"):
            erase_subjects("readings", "default", persons, request)
    # Readers see nothing of them, and the command completes it.
    assert {row[0] for row in versions(place)} == {1, 3}
    done = erase_subjects("readings", "default", persons, request)

    assert (len(done.subjects), done.missing, done.proof.rows_left) == (2, 1, 0)
    assert done.proof.states == 1
    states = [state for state, _ in audited(place)]
    assert states == ["begun", "begun", "begun", "begun", "verified"]
    first, second = (counts for _, counts in audited(place)[:2])
    assert first["versions"] + second["versions"] == 2
    assert first["kept_events"] + second["kept_events"] == 2
    assert main(["audit", "verify"]) == 0
    listed = place.table(LISTED).collect()
    assert len(listed) == 2
    assert all(row.verified_at is not None and row.lifted_at is None for row in listed)

    # No load brings them back: not what changes, not all of it, and no rebuild.
    place.execute("UPDATE clinic.readings SET ward = 'Attic', changed_at = '2024-01-04 11:00'")
    changed = load_table("readings")
    everything = load_table("readings", full=True)
    again = rebuild(place.spark, full_target(place), settings_of(place), time=datetime.now(UTC))

    assert (changed.staged.erased, everything.staged.erased) == (2, 2)
    assert not again.published
    assert [row[:2] for row in versions(place)] == [
        (1, "NORTH"),
        (1, "EAST"),
        (1, "ATTIC"),
        (3, "SOUTH"),
        (3, "ATTIC"),
    ]
    refused = place.table(QUARANTINE).where(F.col("record_key").contains("5")).count()
    metrics = place.table("governance.run_metrics").orderBy("start_time").collect()
    assert (refused, [row.rows_erased for row in metrics]) == (0, [0, 0, 0, 2, 2])

    # Until that is lifted.
    assert main(["erase", "readings", "--subject", "5", "--lift", "--reason", "came back"]) == 0
    assert "1 person" in capsys.readouterr().out
    lifted = place.table("governance.audit_log").where("action = 'lift erasure'").collect()
    assert [dict(row.counts) for row in lifted] == [{"subjects": 1}]
    load_table("readings", full=True)
    assert {row[0] for row in versions(place)} == {1, 3, 5}


def settings_of(place):
    contract, _ = contract_and_settings("readings", "default")
    return history_settings(contract)


def test_persons_named_by_an_encrypted_column_are_found_in_all_places(
    place, tmp_path, capsys, caplog
):
    name_persons_by(place, "name")
    refused = place.table(QUARANTINE).count()
    assert refused >= 2
    before = versions(place)
    asked = tmp_path / "persons.txt"
    asked.write_text(f"{CANARY}\n\n{CANARY}\n", "utf-8")

    command = ("erase", "readings", "--subjects-from", str(asked), "--reason", "asked", "--yes")
    assert main([*command, "--json"]) == 0

    output = capsys.readouterr()
    told = json.loads(output.out)
    (person,) = told["subjects"]
    own = len([row for row in before if row[0] == 1])
    assert (person["versions"], person["quarantined"]) == (own, refused)
    assert told["purged"]["snapshots"] > 5
    assert place.table(QUARANTINE).count() == 0
    assert place.snapshots(QUARANTINE) == 1
    assert versions(place) == [row for row in before if row[0] != 1]
    assert CANARY not in output.out + output.err + caplog.text
    # The row that was refused before is about the person too: it is not kept again.
    load = load_table("readings", full=True)
    by_key = place.table(LISTED).where("lifted_at IS NULL AND subject_columns[0] = 'patient'")
    assert (load.staged.erased - by_key.count(), load.staged.refused) == (3, 0)
    assert place.table(QUARANTINE).count() == 0
    assert main(command) == 66
    assert "none about 1 of them" in capsys.readouterr().err
