"""Refused rows of a table that is read as it is now: released, they stand for their own reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from pyspark.sql import functions as F

from flows.decisions.release_rows import release_rows
from flows.load_table import load_table
from history.iceberg.current_snapshot import current_state
from tasks.run.quarantine_decision import Action, Decision, Selection
from tests.flows.state_contracts import write_contract
from tests.source_model.reference import Read, Row, history

EVERYTHING = Selection(lambda _spark, _settings: F.lit(True), "all")


def contract(folder, *, high, load, absent):
    """A contract of `parts`, that refuses grades above `high`."""
    write_contract(
        folder,
        "parts",
        {"id": "INTEGER", "value": "VARCHAR(10)", "grade": "INTEGER", "updated_at": "TIMESTAMP"},
        {"load": load, "watermark": ["updated_at"], "closing_limit": {"percent": 100}},
        {"absent": absent},
    )
    path = folder / "parts.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told["schema"][0]["quality"] = [
        {
            "id": "grade_known",
            "type": "custom",
            "engine": "strandline",
            "severity": "error",
            "implementation": {
                "rule": "between",
                "columns": ["grade"],
                "arguments": {"low": 0, "high": high},
            },
        }
    ]
    extension = told["customProperties"][0]["value"]
    extension["quality"] = {"threshold": 0, "refused_percent": 100}
    path.write_text(yaml.safe_dump(told), encoding="utf-8")


STATES = (
    # What the source has at each read: id -> (value, grade); stamps are of the day before.
    {1: ("a", 1), 2: ("a", 1), 3: ("a", 90), 4: ("a", 90), 5: ("a", 1)},
    {1: ("b", 90), 2: ("b", 1), 3: ("a", 90), 4: ("a", 90), 5: ("b", 90)},
    {1: ("c", 91), 2: ("b", 1), 3: ("b", 92), 4: ("a", 90)},
    {1: ("b", 90), 2: ("b", 1), 3: ("b", 92), 4: ("c", 1)},
)


def stamp(read):
    return datetime(2024, 1, 1 + read, 8, tzinfo=UTC)


def versions(place):
    found = {}
    rows = place.table("states.parts").orderBy("id", "valid_from").toArrow().to_pylist()
    for row in rows:
        found.setdefault(row["id"], []).append(
            (row["value"], row["grade"], row["read_at"], row["valid_from"], row["valid_to"])
        )
    return found


@pytest.mark.parametrize(("load", "absent"), [("full", "close"), ("incremental", "keep")])
def test_a_released_state_has_the_place_as_if_it_had_never_been_refused(
    make_workplace, tmp_path, load, absent
):
    contract(tmp_path, high=9, load=load, absent=absent)
    place = make_workplace(tmp_path)
    place.execute(
        "CREATE TABLE parts (id integer, value varchar(10), grade integer, updated_at timestamp)"
    )
    target = f"{place.settings.lakehouse.catalog}.states.parts"
    known, stamps, reads = {}, {}, []
    for number, rows in enumerate(STATES):
        place.execute("TRUNCATE parts")
        for key, row in rows.items():
            if known.get(key) != row:
                stamps[key] = stamp(number)
            known[key] = row
            place.execute(
                "INSERT INTO parts VALUES (%s, %s, %s, %s)",
                (key, *row, stamps[key].replace(tzinfo=None)),
            )
        load_table("parts")
        last = current_state(place.spark, target).last_read
        told = [Row(key, (row[0], row[1]), None, stamps[key]) for key, row in rows.items()]
        reads.append(Read(last.at, full=load == "full", rows=tuple(told)))
    before = versions(place)
    contract(tmp_path, high=99, load=load, absent=absent)
    kept = place.table("governance.quarantine").where("settled_how IS NULL").count()

    summary = release_rows(
        "parts", "default", EVERYTHING, Decision(Action.RELEASE, "Ada", "graded", datetime.now(UTC))
    )

    # Key 4 was mended, key 5 is gone where a full read says so: both were settled before.
    settled = {4, 5} if load == "full" else {4}
    expected = {
        key: [(*each.tracked, each.read_at, each.start, each.end) for each in mine]
        for key, mine in history(reads).items()
    }
    found = versions(place)
    assert summary.released == kept == (5 if load == "full" else 6)
    assert {key: found.get(key) for key in known if key not in settled} == {
        key: expected[key] for key in known if key not in settled
    }
    assert {key: found.get(key) for key in settled} == {key: before.get(key) for key in settled}
