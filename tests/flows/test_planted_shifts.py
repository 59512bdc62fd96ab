"""Shifts planted in batches of real data: volume, drift and freshness find them, through a load.

Three like batches come first, so that there is something to compare with. Then follows one batch
per shift, which differs from them in nothing else.
"""

from __future__ import annotations

import psycopg
import pytest
import yaml

from demo.flights_dataset import airports
from flows.load_table import load_table
from tasks.transforms.checks.quality_score import Outcome
from tests.flows.state_contracts import write_contract

COLUMNS = {
    "id": "INTEGER", "name": "VARCHAR(200)", "latitude": "DOUBLE", "altitude": "INTEGER",
    "updated_at": "TIMESTAMP",
}  # fmt: skip
BATCH = 300
"""Rows that change before each load."""

CHECKS = (
    {"id": "usual_rows", "rule": "volume", "arguments": {"percent": 20}},
    {"id": "like_before", "rule": "drift", "columns": ["latitude", "altitude"]},
)
NAMES = {"usual_rows", "like_before.nulls_percent", "like_before.distinct", "freshness"} | {
    f"like_before.{part}_quartile" for part in ("lower", "upper")
} | {"like_before.median"}  # fmt: skip


@pytest.fixture(scope="module")
def shifted(make_workplace, tmp_path_factory):
    """The findings of the last like batch and of one with each shift, by what was planted."""
    folder = tmp_path_factory.mktemp("shifts")
    source = {"load": "incremental", "watermark": ["updated_at"]}
    write_contract(folder, "places", COLUMNS, source)
    path = folder / "places.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["schema"][0]["quality"] = [
        {
            "id": each["id"],
            "type": "custom",
            "engine": "strandline",
            "severity": "warning",
            "implementation": {name: each[name] for name in each if name != "id"},
        }
        for each in CHECKS
    ]
    document["slaProperties"] = [{"property": "latency", "value": 48, "unit": "h"}]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    place = make_workplace(folder)
    _fill(place)
    found = {"first": _findings(), "second": _load(place)}
    for _ in range(2):
        found["like before"] = _load(place)
    found["rows"] = _load(place, rows=BATCH * 3 // 2)
    found["nulls"] = _load(place, latitude="CASE WHEN o.id % 10 > 0 THEN o.latitude END")
    found["quartiles"] = _load(place, altitude="o.altitude + 20000")
    found["distinct"] = _load(place, altitude="7 + o.id % 2")
    found["after all"] = _load(place)
    return found


def _fill(place):
    real = airports()
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        connection.execute(
            "CREATE TABLE places (id integer PRIMARY KEY, name text, latitude double precision, "
            "altitude integer, updated_at timestamp)"
        )
        connection.cursor().executemany(
            "INSERT INTO places VALUES (%s, %s, %s, %s, '2013-01-01')",
            [
                (number, name, float(latitude), int(altitude))
                for number, (name, latitude, altitude) in enumerate(
                    zip(real.name, real.lat, real.alt, strict=True)
                )
            ],
        )
        connection.execute("CREATE TABLE original AS SELECT * FROM places")


def _load(place, rows=BATCH, latitude="o.latitude", altitude="o.altitude"):
    """Change as many rows, to their first values where nothing else is said, and load them."""
    place.execute(
        f"UPDATE places p SET latitude = {latitude}, altitude = {altitude}, updated_at = now() "  # noqa: S608
        f"FROM original o WHERE o.id = p.id AND o.id < {rows}"
    )
    return _findings()


def _findings():
    findings = load_table("places").verdict.findings
    return {(each.check, *each.columns): each for each in findings if each.check in NAMES}


def failed(found):
    return {name for name, each in found.items() if each.outcome == "failed"}


def test_like_batches_are_found_alike_and_too_few_are_not_judged(shifted):
    second = {name: each for name, each in shifted["second"].items() if name != ("freshness",)}

    assert {each.outcome for each in second.values()} == {Outcome.NOT_EVALUATED}
    assert all("0 earlier batches were published" in each.note for each in second.values())
    assert failed(shifted["like before"]) == failed(shifted["after all"]) == set()


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        # More places lie on more latitudes.
        ("rows", {("usual_rows",), ("like_before.distinct", "latitude")}),
        ("nulls", {("like_before.nulls_percent", "latitude")}),
        ("quartiles", {
            ("like_before.lower_quartile", "altitude"), ("like_before.median", "altitude"),
            ("like_before.upper_quartile", "altitude"),
        }),
        ("distinct", {
            ("like_before.distinct", "altitude"), ("like_before.median", "altitude"),
            ("like_before.upper_quartile", "altitude"),
        }),
    ],
)  # fmt: skip
def test_a_shift_is_found_by_its_own_check_and_by_no_other(shifted, planted, found):
    assert failed(shifted[planted]) == found


def test_what_was_planted_is_what_is_told(shifted):
    rows, nulls = shifted["rows"]["usual_rows",], shifted["nulls"]

    assert rows.metric == BATCH * 3 // 2
    assert nulls["like_before.nulls_percent", "latitude"].metric == pytest.approx(10)


def test_a_source_that_stands_still_is_told(shifted):
    assert shifted["first"]["freshness",].outcome == "failed"
    assert shifted["like before"]["freshness",].outcome == "passed"
    assert shifted["like before"]["freshness",].metric < 1
