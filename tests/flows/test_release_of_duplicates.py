"""What must be unique stays so: over batches of a log, and when refused rows are released."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from pyspark.sql import functions as F

from flows.decisions.release_rows import discard_rows, release_rows
from flows.load_table import load_table
from tasks.run.quarantine_decision import Action, Decision, Selection
from tests.flows import state_contracts
from tests.flows.readings import CONTRACT, INSERT, TABLE

EVERYTHING = Selection(lambda _spark, _settings: F.lit(True), "all")
WARDS = ["North", "East", "South", "West"]


def of_key(patient):
    return Selection(
        lambda _spark, _settings: F.col("record_key") == f'{{"patient":{patient}}}', "1 key"
    )


def decision(action=Action.RELEASE):
    return Decision(action, "Ada", "weighed again", datetime.now(UTC))


def rule(name, kind, column, **arguments):
    words = {"rule": kind, "columns": [column], "arguments": arguments}
    return {
        "id": name, "type": "custom", "engine": "strandline", "severity": "error",
        "implementation": words,
    }  # fmt: skip


def write_contract(folder, wards):
    """The contract of readings with an open gate: only these wards, and no weight twice."""
    told = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    rules = (
        ("patient_required", "required", "patient", {}),
        ("ward_known", "in_set", "ward", {"values": wards}),
        ("weight_unique", "unique", "weight", {}),
    )
    told["schema"][0]["quality"] = [
        rule(name, kind, column, **arguments) for name, kind, column, arguments in rules
    ]
    told["customProperties"][0]["value"]["quality"] = {"threshold": 0, "refused_percent": 100}
    (folder / "readings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")


def tell(place, *rows, state="IN"):
    """Rows of the log: patient, ward, weight, and when; of another state, they end the record."""
    place.execute(
        INSERT, *[(p, w, "Ida", kg, state, "2024-01-01 00:00", at) for p, w, kg, at in rows]
    )


def kept(place):
    """(patient, day) of each row that is kept, and the checks that it failed last."""
    rows = place.table("governance.quarantine").where("settled_at IS NULL").collect()
    return {
        (json.loads(row.record_key)["patient"], json.loads(row.event_position)["changed_at"][:10]):
        sorted({reason.check for reason in row.reasons})
        for row in rows
    }  # fmt: skip


def versions(place):
    rows = place.table("clinic.patients").orderBy("patient", "valid_from").collect()
    return [(row.patient, row.ward, int(row.weight), row.is_current) for row in rows]


@pytest.fixture(scope="module")
def loaded(make_workplace, tmp_path_factory):
    """Two loads; the second reads 5 again, by the overlap, and not its rival 4."""
    folder = tmp_path_factory.mktemp("unique")
    write_contract(folder, WARDS)
    place = make_workplace(folder)
    place.execute(TABLE)
    tell(
        place,
        (1, "North", 50, "2024-01-01 08:00"),
        (2, "Attic", 60, "2024-01-01 08:00"),
        (4, "West", 70, "2024-01-01 08:00"),
        (5, "West", 70, "2024-01-01 09:30"),
        (7, "Attic", 65, "2024-01-01 08:00"),
        (9, "Attic", 80, "2024-01-01 08:00"),
        (6, "West", 71, "2024-01-01 09:30"),
    )
    load_table("readings")
    tell(
        place,
        (3, "East", 60, "2024-01-02 08:00"),
        (7, "North", 66, "2024-01-02 08:00"),
        (8, "East", 65, "2024-01-02 08:00"),
        (9, "Attic", 60, "2024-01-02 08:00"),
        (10, "East", 80, "2024-01-02 08:00"),
    )
    return place, load_table("readings")


OPENED = [
    (1, "NORTH", 50, True),
    (3, "EAST", 60, True),
    (6, "WEST", 71, True),
    (7, "NORTH", 66, True),
    (8, "EAST", 65, True),
    (10, "EAST", 80, True),
]


def test_a_row_whose_rival_is_kept_and_not_read_again_is_refused_again(loaded):
    place, second = loaded
    (finding,) = [each for each in second.verdict.findings if each.check == "weight_unique"]

    assert versions(place) == OPENED
    assert kept(place) == {
        (2, "2024-01-01"): ["ward_known"],
        (4, "2024-01-01"): ["weight_unique"],
        (5, "2024-01-01"): ["weight_unique"],
        (7, "2024-01-01"): ["ward_known"],
        (9, "2024-01-01"): ["ward_known"],
        (9, "2024-01-02"): ["ward_known"],
    }
    assert finding.failed == 1
    assert "the rows that are kept for it" in finding.note


def test_a_release_refuses_what_would_be_open_twice(loaded):
    """7 becomes a closed version; 9 falls back on its first row, whose weight 10 has by now."""
    place, _ = loaded
    write_contract(place.settings.contracts_directory, [*WARDS, "Attic"])

    summary = release_rows("readings", "default", EVERYTHING, decision())

    again = (2, "2024-01-01"), (4, "2024-01-01"), (5, "2024-01-01")
    again += (9, "2024-01-01"), (9, "2024-01-02")
    assert kept(place) == {row: ["weight_unique"] for row in again}
    assert (summary.selected, summary.released, summary.refused_again) == (6, 1, 5)
    assert versions(place) == sorted([*OPENED, (7, "ATTIC", 65, False)])


def test_what_is_unique_by_now_is_released(loaded):
    """5 is given up for 4; 3 gives up the weight of 2."""
    place, _ = loaded
    discard_rows("readings", "default", of_key(5), decision(Action.DISCARD))
    tell(place, (3, "East", 61, "2024-01-03 08:00"))
    load_table("readings")

    released = [
        release_rows("readings", "default", of_key(patient), decision()).released
        for patient in (4, 2)
    ]

    assert released == [1, 1]
    found = versions(place)
    assert [each for each in found if each[0] in (2, 4, 5)] == [
        (2, "ATTIC", 60, True),
        (4, "WEST", 70, True),
    ]
    weights = [weight for *_, weight, is_open in found if is_open]
    assert len(weights) == len({*weights})


def test_a_duplicate_that_was_released_or_given_up_is_not_kept_again(loaded):
    """The source still has both, and the overlap reads them again."""
    place, _ = loaded
    tell(place, (21, "East", 90, "2024-01-03 08:30"), (22, "East", 90, "2024-01-03 08:30"))
    load_table("readings")
    discard_rows("readings", "default", of_key(22), decision(Action.DISCARD))
    release_rows("readings", "default", of_key(21), decision())
    before = kept(place), versions(place)

    summary = load_table("readings")

    (finding,) = [each for each in summary.verdict.findings if each.check == "weight_unique"]
    assert finding.failed == len((21, 22))
    assert (21, "EAST", 90, True) in versions(place)
    assert (kept(place), versions(place)) == before


def test_a_record_that_ends_gives_up_its_value_to_another_of_the_same_batch(loaded):
    place, _ = loaded
    # 30 moves the watermark on: the first row of 31 is not read again.
    tell(place, (31, "East", 95, "2024-01-04 08:00"), (30, "East", 96, "2024-01-04 10:00"))
    load_table("readings")
    tell(place, (31, "East", 95, "2024-01-04 10:30"), state="OUT")
    tell(place, (32, "East", 95, "2024-01-04 10:40"))

    load_table("readings")

    assert [each for each in versions(place) if each[0] in (31, 32)] == [
        (31, "EAST", 95, False),
        (32, "EAST", 95, True),
    ]


def test_of_a_state_too_rivals_meet_over_reads_and_when_they_are_released(make_workplace, tmp_path):
    columns = {"id": "INTEGER", "code": "VARCHAR(10)", "updated_at": "TIMESTAMP"}
    source = {"load": "incremental", "watermark": ["updated_at"]}
    state_contracts.write_contract(tmp_path, "parts", columns, source)
    path = tmp_path / "parts.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told["schema"][0]["quality"] = [rule("code_unique", "unique", "code")]
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    place = make_workplace(tmp_path)
    place.execute("CREATE TABLE parts (id integer, code varchar(10), updated_at timestamp)")
    insert = "INSERT INTO parts VALUES (%s, %s, %s)"
    place.execute(insert, (1, "a", "2024-01-01"), (2, "x", "2024-01-01"), (3, "x", "2024-01-01"))
    load_table("parts")
    place.execute("UPDATE parts SET updated_at = '2024-01-02' WHERE id = 2")
    load_table("parts")
    place.execute("UPDATE parts SET code = 'x', updated_at = '2024-01-03' WHERE id = 1")
    load_table("parts")

    def state():
        rows = place.table("states.parts").where("is_current").orderBy("id").collect()
        held = place.table("governance.quarantine").where("settled_at IS NULL").collect()
        return [(r.id, r.code) for r in rows], sorted(json.loads(r.record_key)["id"] for r in held)

    before = state()
    both = release_rows("parts", "default", EVERYTHING, decision())
    unchanged = state()
    one = Selection(lambda _spark, _settings: F.col("record_key") == '{"id":2}', "1 key")
    released = release_rows("parts", "default", one, decision())

    assert before == unchanged == ([(1, "a")], [1, 2, 2, 3])
    assert (both.released, both.refused_again) == (0, 4)
    assert (released.released, state()) == (2, ([(1, "a"), (2, "x")], [1, 3]))
