"""Refused rows are judged again and take the place that they would have had."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from pyspark.sql import functions as F

from contracts.errors import NotFoundError, UsageError
from flows.decisions import release_rows as flows
from flows.decisions.release_rows import correct_rows, discard_rows, release_rows
from flows.load_table import load_table
from history.iceberg.current_snapshot import WATERMARK, current_state
from tasks.correct_or_discard import Correction
from tasks.run.quarantine_decision import Action, Decision, Selection
from tests.flows.readings import CANARY, CONTRACT, TABLE, versions

EVERYTHING = Selection(lambda _spark, _settings: F.lit(True), "all")
KEYLESS = Selection(lambda _spark, _settings: F.col("record_key") == "{}", "keys")


def of_key(patient):
    return Selection(
        lambda _spark, _settings: F.col("record_key") == f'{{"patient":{patient}}}', "1 key"
    )


def decision(action=Action.RELEASE):
    return Decision(action, "Ada", "weighed again", datetime.now(UTC))


def contract_with(folder, *, low):
    """The contract of readings with an open gate, which refuses weights below `low`."""
    told = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    (weight,) = [each for each in told["schema"][0]["quality"] if each["id"] == "weight_plausible"]
    weight["implementation"]["arguments"]["low"] = low
    extension = told["customProperties"][0]["value"]
    extension["quality"] = {"threshold": 0, "refused_percent": 100}
    folder.mkdir(exist_ok=True)
    (folder / "readings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return folder


def reading(patient, ward, weight, changed_at, name=CANARY):
    return (patient, ward, name, weight, "IN", "2024-01-01 00:00", changed_at)


BATCHES = (
    [
        reading(1, "North", "0.50", "2024-01-01 08:00"),
        reading(2, "North", "60.00", "2024-01-01 08:00"),
        reading(3, "South", "61.00", "2024-01-01 08:00"),
        reading(None, "South", "61.00", "2024-01-01 08:00"),
    ],
    [
        reading(1, "South", "50.00", "2024-01-02 08:00"),
        reading(2, "East", "0.60", "2024-01-02 08:00", "Ida Crane"),
        reading(3, "East", "0.70", "2024-01-02 08:00"),
    ],
    [
        reading(1, "North", "0.80", "2024-01-03 08:00"),
        reading(3, "West", "62.00", "2024-01-03 08:00"),
    ],
)


def load_batches(place):
    place.execute(TABLE)
    for batch in BATCHES:
        place.update(*batch)
        load_table("readings")


def quarantined(place):
    """(key, reasons, how it was settled) of each row."""
    rows = place.table("governance.quarantine").orderBy("refused_at", "record_key").collect()
    return [
        (row.record_key, sorted({reason.check for reason in row.reasons}), row.settled_how)
        for row in rows
    ]


def state(place):
    target = f"{place.settings.lakehouse.catalog}.clinic.patients"
    return current_state(place.spark, target)


def content(place):
    """All that the table holds, but for what differs with each run or with the keys."""
    rows = place.table("clinic.patients").drop(
        "surrogate_key", "recorded_at", "batch_id", "name", "checksum"
    )
    return sorted(rows.toArrow().to_pylist(), key=lambda row: (row["patient"], row["valid_from"]))


@pytest.fixture(scope="module")
def expected(make_workplace, tmp_path_factory):
    """What the lenient contract makes of the log."""
    place = make_workplace(contract_with(tmp_path_factory.mktemp("lenient") / "c", low=0.1))
    load_batches(place)
    return content(place)


@pytest.fixture(scope="module")
def strict(expected, make_workplace, tmp_path_factory):
    """The log, loaded by a strict contract that is lenient from now on."""
    folder = tmp_path_factory.mktemp("strict") / "c"
    place = make_workplace(contract_with(folder, low=1))
    load_batches(place)
    contract_with(folder, low=0.1)
    return place


def test_released_events_have_the_place_as_if_they_had_never_been_refused(
    strict, expected, monkeypatch
):
    place, before = strict, content(strict)
    mark, lineage = state(place).properties[WATERMARK], place.table("governance.data_lineage")

    def stopped(*_args, **_kwargs):
        raise KeyboardInterrupt

    # One row, whose release is stopped between publishing and settling.
    with monkeypatch.context() as patch:
        patch.setattr(flows, "settle_claimed_rows", stopped)
        with pytest.raises(KeyboardInterrupt):
            release_rows("readings", "default", of_key(2), decision())
    claimed = quarantined(place)
    summary = release_rows("readings", "default", EVERYTHING, decision())

    assert before != content(place) == expected
    assert [how for *_, how in claimed] == [None] * 5
    assert [how for *_, how in quarantined(place)].count("released") == 4
    assert (summary.state, summary.selected, summary.released) == ("published", 4, 3)
    assert (summary.refused_again, summary.contested, dict(summary.left)) == (1, 0, {})
    assert ("{}", ["key_present", "patient_required"], None) in quarantined(place)
    assert state(place).properties[WATERMARK] == mark
    assert lineage.count() == len(expected)
    assert place.leftovers == []
    decisions = place.table("governance.quality_decisions").orderBy("decided_at").collect()
    assert [(row.action, row.decided_by, row.rows_selected) for row in decisions] == [
        ("release", "Ada", 1),
        ("release", "Ada", 4),
    ]


def test_what_was_released_is_neither_read_nor_kept_again(strict, expected):
    kept = quarantined(strict)

    summary = load_table("readings")

    assert not summary.report.published
    assert (quarantined(strict), content(strict)) == (kept, expected)


def test_a_corrected_row_is_protected_and_released(strict):
    """The row without a patient gets one, and another name; no file shows either name."""
    place, values = strict, {"patient": "9", "name": "Perpetua Vane"}
    with pytest.raises(UsageError, match="patient, which is int"):
        correct_rows(
            "readings", "default", KEYLESS, decision(Action.FIX), Correction({"patient": "x"})
        )
    corrected = correct_rows(
        "readings", "default", KEYLESS, decision(Action.FIX), Correction(values)
    )
    row = place.table("governance.quarantine").where("record_key = '{}'").collect()[0]

    summary = release_rows("readings", "default", KEYLESS, decision())

    assert corrected.changed == 1
    assert json.loads(row["row"])["patient"] == 9
    assert json.loads(row["row"])["ward"] == "South"
    assert len(json.loads(row["row"])["name"]) > 40
    assert (summary.state, summary.released) == ("published", 1)
    assert [each[:2] for each in versions(place) if each[0] == 9] == [(9, "SOUTH")]
    made = place.table("governance.quality_decisions").where("action = 'fix'").collect()
    assert [each.columns_changed for each in made] == ["patient, name"]
    with pytest.raises(NotFoundError):
        release_rows("readings", "default", KEYLESS, decision())


def test_a_discarded_row_is_not_kept_again_and_a_mended_one_is_settled(strict):
    place = strict
    bad = [(7, "North"), (8, "North")]
    rows = [reading(key, ward, "0.01", "2024-01-03 09:00") for key, ward in bad]
    place.execute("INSERT INTO clinic.readings VALUES (%s, %s, %s, %s, %s, %s, %s)", *rows)
    load_table("readings")
    discarded = discard_rows("readings", "default", of_key(7), decision(Action.DISCARD))
    place.execute("UPDATE clinic.readings SET weight = 70 WHERE patient = 8")

    summary = load_table("readings")

    own = [each for each in quarantined(place) if each[0] in ('{"patient":7}', '{"patient":8}')]
    assert discarded.changed == 1
    assert [how for *_, how in own] == ["discarded", "mended"]
    assert (summary.mended, summary.gone) == (1, 0)
    assert [each[0] for each in versions(place) if each[0] in (7, 8)] == [8]
