"""The drill: a thousand persons with five versions each are erased among others, and stay away.

`make test-nightly` runs it and prints what it costs.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import pytest
import yaml

from flows.erase_subjects import erase_subjects
from flows.load_table import load_table
from history.restatement.rebuild_from_events import rebuild
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.erasure.erasure_certificate import ErasureRequest
from tasks.lifecycle.open_run import contract_and_settings
from tasks.run.progress_listeners import listening
from tests.canaries.byte_search import pieces_of, search
from tests.flows.readings import CONTRACT, TABLE

PERSONS, OTHERS, VERSIONS = 1_000, 500, 5
GONE, STAYS = "ERASEDVILLE", "STAYINGHAM"
SAMPLE = 40
"""So many of the persons' pseudonyms and tokens are looked for in every byte."""

TARGET = "clinic.patients"


@pytest.fixture
def place(make_workplace, tmp_path):
    """The readings, by a contract that keeps pseudonyms of patients and names encrypted."""
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    (patient,) = [each for each in document["schema"][0]["properties"] if each["name"] == "patient"]
    own = patient["customProperties"][0]["value"]
    patient["classification"] = "CONFIDENTIAL"
    own["protection"] = {"kind": "pseudonymise"}
    extension = document["customProperties"][0]["value"]
    extension["privacy"] = {"subject": ["patient"]}
    extension["quality"] = {"threshold": 0.1, "refused_percent": 90}
    (tmp_path / "readings.yaml").write_text(yaml.safe_dump(document), "utf-8")
    made = make_workplace(tmp_path)
    made.execute(TABLE)
    return made


def tell_all(place, version):
    """A version of everybody, in a ward that is unique to person and version."""
    place.execute("DELETE FROM clinic.readings")
    place.execute(
        f"""
        INSERT INTO clinic.readings
        SELECT n, CASE WHEN n <= {PERSONS} THEN '{GONE}' ELSE '{STAYS}' END || n || 'V{version}',
            'Name of ' || n, CASE WHEN n % 10 = 0 AND {version} = 3 THEN 0.1 ELSE 70 END, 'IN',
            timestamp '2024-01-01 08:00', timestamp '2024-01-01 09:00' + interval '{version} day'
        FROM generate_series(1, {PERSONS + OTHERS}) n
        """  # noqa: S608
    )


def lakehouse_pieces(place):
    return pieces_of(place.root / "warehouse")


@pytest.mark.nightly
def test_a_thousand_persons_are_in_no_byte_and_no_load_brings_them_back(place, capsys):
    for version in range(VERSIONS):
        tell_all(place, version)
        load_table("readings")
    spark, steps, began = place.spark, {}, {}

    def timed(progress):
        if progress.state == "begun":
            began[progress.step] = time.monotonic()
        else:
            steps[progress.step] = time.monotonic() - began[progress.step]

    mine = place.table(TARGET).where(f"ward LIKE '{GONE}%'").limit(SAMPLE).collect()
    secrets = {"clear": GONE.encode()}
    for number, row in enumerate(mine):
        secrets[f"pseudonym {number}"] = row.patient.encode()
        secrets[f"token {number}"] = bytes(row.name)
    before = {hit.canary for hit in search(secrets, lakehouse_pieces(place))}
    assert before == set(secrets)
    files = place.table(f"{TARGET}.files").count()

    persons = [{"patient": str(number)} for number in range(1, PERSONS + 1)]
    request = ErasureRequest(reason="the drill")
    with listening(timed):
        certificate = erase_subjects("readings", "default", persons, request)

    assert len(certificate.subjects) == PERSONS
    # A tenth of the third versions was refused.
    assert certificate.total("versions") == PERSONS * VERSIONS - PERSONS // 10
    assert certificate.total("quarantined") == PERSONS // 10
    assert certificate.proof.rows_left == 0
    left = search(secrets, lakehouse_pieces(place))
    assert [(hit.canary, hit.where) for hit in left] == []
    others = OTHERS * VERSIONS - OTHERS // 10
    assert place.table(TARGET).count() == others

    tell_all(place, VERSIONS)
    loaded = load_table("readings")
    again = load_table("readings", full=True)
    contract, _ = contract_and_settings("readings", "default")
    target = f"{place.settings.lakehouse.catalog}.{TARGET}"
    rebuilt = rebuild(spark, target, history_settings(contract), time=datetime.now(UTC))

    assert (loaded.staged.erased, again.staged.erased) == (PERSONS, PERSONS)
    assert not rebuilt.published
    assert place.table(TARGET).count() == others + OTHERS
    assert [hit.canary for hit in search(secrets, lakehouse_pieces(place))] == []
    costs = "".join(f"  {step:<12}{seconds:6.1f} s\n" for step, seconds in steps.items())
    with capsys.disabled():
        sys.stdout.write(
            f"\nerased {PERSONS:,} persons with {certificate.total('versions'):,} versions; "
            f"{files} files before, {certificate.purged.files} removed\n{costs}"
        )
