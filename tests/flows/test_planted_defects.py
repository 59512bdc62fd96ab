"""Defects planted in real data: each kind of check finds its own, and touches nothing else."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import psycopg
import pytest
import yaml
from pyspark.sql import functions as F

from contracts.errors import QualityGateError
from contracts.model.check_registry import METRICS as KINDS_OF_METRICS
from contracts.model.check_registry import RULES
from demo.flights_dataset import airports
from flows.load_table import load_table
from tests.flows.state_contracts import write_contract

COLUMNS = {
    "id": "INTEGER", "code": "VARCHAR(8)", "name": "VARCHAR(200)", "latitude": "DOUBLE",
    "longitude": "DOUBLE", "altitude": "INTEGER", "zone": "VARCHAR(60)", "opened": "VARCHAR(20)",
    "closed": "VARCHAR(20)", "updated_at": "TIMESTAMP",
}  # fmt: skip
PLANTED = 3
"""Rows per defect."""


def own(identifier, rule, *columns, severity="error", **arguments):
    words = {"rule": rule, "columns": [*columns], "arguments": arguments}
    words = {name: value for name, value in words.items() if value}
    return {
        "id": identifier, "type": "custom", "engine": "strandline", "severity": severity,
        "implementation": words,
    }  # fmt: skip


# Per check: how a contract says it, and the assignment that plants its defect in a row.
DEFECTS = {
    "code_there": (own("code_there", "required", "code"), "code = NULL"),
    "name_not_blank": (own("name_not_blank", "not_blank", "name"), "name = '  '"),
    "name_short": (own("name_short", "max_length", "name", length=90), "name = repeat('x', 91)"),
    "code_length": (own("code_length", "length", "code", min=3, max=4), "code = 'AB'"),
    "opened_day": (own("opened_day", "type", "opened", type="date"), "opened = '2013-02-30'"),
    "zone_known": (
        own("zone_known", "in_set", "zone", values=["America", "Pacific", "Asia", "none"]),
        "zone = 'Atlantis'",
    ),
    "latitude_range": (own("latitude_range", "between", "latitude", low=-90, high=90),
                       "latitude = 90.5"),
    "code_form": (own("code_form", "matches", "code", pattern="[A-Z0-9]+"), "code = 'ab1'"),
    "opened_first": (own("opened_first", "not_after", "opened", "closed"),
                     "closed = '1901-01-01'"),
    "changed_before": (own("changed_before", "not_in_future", "updated_at"),
                       "updated_at = now() + interval '1 day'"),
    "high_in_america": (
        own("high_in_america", "condition", when="zone = 'America'", then="altitude < 15000"),
        "altitude = 20000, zone = 'America'",
    ),
    "zone_listed": (
        own("zone_listed", "references", "zone", relation="public.zones", column="zone"),
        "zone = 'Lost'",
    ),
    "code_unique": (own("code_unique", "unique", "code"), "code = 'TWIN'"),
}  # fmt: skip
ALSO = {
    "zone_known": {"zone_listed"},
    "zone_listed": {"zone_known"},
    "changed_before": {"stamp_not_ahead"},
}
"""What a defect breaks beside its own check: a zone that is in no list is in no table either."""

PLACE = "name, latitude, longitude"
METRICS = {
    "altitude_nulls": ({"metric": "nullValues", "mustBeLessThan": PLANTED, "severity": "warning"},
                       "altitude = NULL"),
    "longitude_odd": ({"metric": "missingValues", "mustBe": 0, "severity": "warning",
                       "arguments": {"missingValues": [999]}}, "longitude = 999"),
    "name_form": ({"metric": "invalidValues", "mustBe": 0, "severity": "warning",
                   "arguments": {"pattern": "^[^@]*$"}}, "name = 'a@b'"),
    "place_twice": ({"metric": "duplicateValues", "mustBe": 0, "severity": "warning",
                     "arguments": {"properties": PLACE.split(", ")}},
                    f"({PLACE}) = (SELECT {PLACE} FROM airports WHERE id = 1)"),  # noqa: S608
    "far_below": ({"type": "sql", "mustBe": 0, "severity": "warning",
                   "query": "SELECT COUNT_IF(altitude < -5000) FROM ${object}"},
                  "altitude = -6000"),
}  # fmt: skip
ON_COLUMN = {"altitude_nulls": "altitude", "longitude_odd": "longitude", "name_form": "name"}
WITHOUT_ROWS = {"far_below"}
"""What gives a figure of the batch, and counts no rows that fail."""


@pytest.fixture(scope="module")
def planted(make_workplace, tmp_path_factory):
    """The load of the spoiled airports, the place, and the ids by their defect."""
    folder = tmp_path_factory.mktemp("planted")
    write_contract(folder, "airports", COLUMNS, {"load": "full"})
    path = folder / "airports.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["schema"][0]["quality"] = [check for check, _ in DEFECTS.values()] + [
        {"id": name, "type": "library", **METRICS[name][0]}
        for name in METRICS
        if name not in ON_COLUMN
    ]
    for column in document["schema"][0]["properties"]:
        column["quality"] = [
            {"id": identifier, "type": "library", **METRICS[identifier][0]}
            for identifier, name in ON_COLUMN.items()
            if name == column["name"]
        ]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    place = make_workplace(folder)
    ids = spoiled_airports(place)
    return load_table("airports"), place, ids


def spoiled_airports(place):
    """Fill the source with the airports of the flights; per defect the ids of the rows with it."""
    real = airports()
    kinds = {"INTEGER": "integer", "DOUBLE": "double precision", "TIMESTAMP": "timestamp"}
    columns = ", ".join(f"{name} {kinds.get(kind, kind)}" for name, kind in COLUMNS.items())
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        connection.execute(f"CREATE TABLE airports ({columns}, PRIMARY KEY (id))")
        connection.execute("CREATE TABLE zones (zone text)")
        connection.execute("INSERT INTO zones VALUES ('America'), ('Pacific'), ('Asia'), ('none')")
        zones = real.tzone.fillna("none").str.partition("/")[0]
        rows = zip(
            range(1, len(real) + 1), real.faa, real.name, real.lat, real.lon, real.alt,
            zones.where(zones.isin(["America", "Pacific", "Asia"]), "none"), strict=False,
        )  # fmt: skip
        connection.cursor().executemany(
            "INSERT INTO airports VALUES (%s, %s, %s, %s, %s, %s, %s, '1950-06-01', '2013-01-01', "
            "'2013-01-01')",
            [tuple(v.item() if hasattr(v, "item") else v for v in row) for row in rows],
        )
        ids = defaultdict(set)
        every = [(name, planting) for name, (_, planting) in (DEFECTS | METRICS).items()]
        for number, (name, assignment) in enumerate(every):
            for each in range(PLANTED):
                ids[name].add(100 + number * 50 + each)
            connection.execute(
                f"UPDATE airports SET {assignment} WHERE id = ANY(%s)",  # noqa: S608
                (sorted(ids[name]),),
            )
    return ids


def test_each_check_refuses_the_rows_with_its_defect_for_its_reason(planted):
    report, place, ids = planted
    rows = place.table("governance.quarantine").collect()

    found = {
        json.loads(row.record_key)["id"]: {reason["check"] for reason in row.reasons}
        for row in rows
    }

    assert len(rows) == PLANTED * len(DEFECTS)
    assert found == {key: {name, *ALSO.get(name, ())} for name in DEFECTS for key in ids[name]}
    assert report.staged.refused == PLANTED * len(DEFECTS)


def test_a_defect_of_every_rule_and_metric_is_planted_here_or_as_a_shift():
    own_rules = {check["implementation"]["rule"] for check, _ in DEFECTS.values()}
    metrics = {KINDS_OF_METRICS.get(told.get("metric"), "sql") for told, _ in METRICS.values()}
    by_batch = {"volume", "drift", "completeness", "row_count"}

    assert own_rules | metrics | by_batch == {*RULES}


def test_findings_count_exactly_what_was_planted(planted):
    report, _, _ = planted
    failed = {each.check: each.failed for each in report.verdict.findings if each.failed}

    wanted = Counter(dict.fromkeys({*DEFECTS, *METRICS} - WITHOUT_ROWS, PLANTED))
    for also in ALSO.values():
        wanted.update(dict.fromkeys(also, PLANTED))
    assert failed == wanted
    by_check = {each.check: each for each in report.verdict.findings}
    assert by_check["all_rows_read"].metric == 0
    assert [by_check[name].metric for name in METRICS] == [PLANTED] * len(METRICS)
    assert {str(by_check[name].outcome) for name in METRICS} == {"failed"}


def test_no_other_row_is_touched(planted):
    _, place, ids = planted
    refused = {key for name in DEFECTS for key in ids[name]}
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        source = {
            row[0]: row[1:]
            for row in connection.execute("SELECT id, code, name, latitude, altitude FROM airports")
        }

    loaded = {
        row.id: (row.code, row["name"], row.latitude, row.altitude)
        for row in place.table("states.airports").where("is_current").collect()
    }

    assert loaded == {key: values for key, values in source.items() if key not in refused}


def test_a_twin_of_an_open_version_of_another_key_is_refused_by_the_next_load(planted):
    _, place, _ = planted
    place.execute(
        "UPDATE airports SET code = (SELECT code FROM airports WHERE id = 1) WHERE id = 2"
    )

    report = load_table("airports")

    quarantine = place.table("governance.quarantine")
    twins = quarantine.where(F.col("batch_id") == report.batch_id).collect()
    assert [(json.loads(row.record_key), [r["check"] for r in row.reasons]) for row in twins] == [
        ({"id": 2}, ["code_unique"])
    ]
    kept = place.table("states.airports").where("id = 2 AND is_current").collect()
    assert len(kept) == 1


def test_a_metric_of_severity_error_stops_the_batch_and_the_watermark(planted, tmp_path):
    _, place, _ = planted
    path = place.settings.contracts_directory / "airports.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["schema"][0]["quality"].append(
        {"id": "rows", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 2_000}
    )
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    before = place.snapshots("states.airports")
    place.execute("UPDATE airports SET altitude = 1 WHERE id = 3")

    with pytest.raises(QualityGateError, match=r"rows is 1,458, must be more than 2,000"):
        load_table("airports")

    assert place.snapshots("states.airports") == before
