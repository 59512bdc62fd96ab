"""Histories that dbt, SQLMesh and dlt made are taken over as they are, and go on from there."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from contracts.loader import load_contract
from strandline.command_line import main

HERE = Path(__file__).parent
SOURCE = ("--source", "source-db-conn", "--json")
RECORD = ("customer_id", "region", "city", "credit", "updated_at")
PEERS = {
    "dbt_time": (
        ("dbt", HERE / "manifest.json", "customers_by_time"),
        ("analytics_snapshots.customers_by_time", "dbt_valid_from", "dbt_valid_to"),
    ),
    "dbt_check": (
        ("dbt", HERE / "manifest.json", "customers_by_check"),
        ("analytics_snapshots.customers_by_check", "gueltig_ab", "gueltig_bis"),
    ),
    "sqlmesh_time": (
        ("sqlmesh", HERE / "sqlmesh_customers_by_time.sql", "--table", "crm.customers"),
        ("scd.customers_by_time", "valid_from", "valid_to"),
    ),
    "sqlmesh_column": (
        ("sqlmesh", HERE / "sqlmesh_customers_by_column.sql", "--table", "crm.customers"),
        ("scd.customers_by_column", "valid_from", "valid_to"),
    ),
    "dlt": (
        ("dlt", HERE / "customers.schema.yaml", "--table", "crm.customers"),
        ("dlt_crm.customers", "_dlt_valid_from", "_dlt_valid_to"),
    ),
}


def taken_over(capfd, words, name, *more):
    typed = ["import", *map(str, words), *SOURCE, "--name", name, "--target", f"taken.{name}"]
    if words[0] == "dlt":
        typed += ["--history", "dlt_crm.customers"]
    code = main([*typed, *more])
    return code, json.loads(capfd.readouterr().out)


def rows_of(place, query):
    with psycopg.connect(place.dsn.get_secret_value()) as connection:
        connection.execute("SET TimeZone TO 'UTC'")
        return {tuple(map(plain, row)) for row in connection.execute(query)}


def plain(value):
    """A number without its trailing zeros, a time without the zone that both have."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = str(value).removesuffix("+00:00")
    return text.rstrip("0").rstrip(".") if "." in text else text


def history_of(place, name):
    frame = place.table(f"taken.{name}").select(*RECORD, "valid_from", "valid_to")
    rows = [tuple(row) for row in frame.collect()]
    assert len({*rows}) == len(rows)
    return {tuple(map(plain, row)) for row in rows}


AT_NIGHT = pytest.mark.nightly
BY_DAY = [
    pytest.param(name, marks=[AT_NIGHT] if name == "sqlmesh_column" else []) for name in PEERS
]
ONE_BY_DAY = [pytest.param(name, marks=[] if name == "dbt_time" else [AT_NIGHT]) for name in PEERS]


@pytest.mark.parametrize("name", BY_DAY)
def test_each_version_is_as_it_was_in_the_table_of_the_tool(place, capfd, name):
    words, (table, start, end) = PEERS[name]

    code, told = taken_over(capfd, words, name)

    assert code == 0, told
    there = "WHERE geloescht = 'False'" if name == "dbt_check" else ""
    expected = rows_of(
        place,
        f"SELECT {', '.join(RECORD)}, {start},"  # noqa: S608
        f" CASE WHEN {end} < '9000-01-01' THEN {end} END FROM {table} {there}",
    )
    assert history_of(place, name) == expected
    assert (told["versions"], told["refused"], told["joined"]) == (len(expected), 0, 0)
    assert main(["contracts", "check", name]) == 0
    log = place.table("governance.audit_log").where(f"contract = '{name}'").collect()
    reasons = {each.action: each.reason for each in log}
    assert (len(log), set(reasons)) == (2, {"change contract", "publish"})
    assert reasons["publish"].startswith("taken over from")


def test_the_contract_says_what_the_configuration_said(place):
    def written(name):
        return load_contract(place.settings.contracts_directory / f"{name}.yaml")

    by_time, by_check, dlt = written("dbt_time"), written("dbt_check"), written("dlt")

    assert (by_time.key, by_check.key) == (("customer_id",), ("region", "customer_id"))
    assert (by_time.source.sequence, by_check.source.sequence) == (("updated_at",), ())
    assert {str(each.history.absent) for each in (by_time, by_check, dlt)} == {"close"}
    assert {*by_check.history.tracked} == {"city", "email", "credit", "updated_at"}
    assert {each.protection.kind for each in by_time.columns if each.name == "email"} == {"encrypt"}


@pytest.mark.parametrize("name", ONE_BY_DAY)
def test_loads_go_on_where_the_tool_stopped(place, capfd, name):
    before = history_of(place, name)
    if name == "dbt_time":
        place.execute(
            "UPDATE crm.customers SET city = 'Kiel', updated_at = now() WHERE customer_id = 1;"
            "DELETE FROM crm.customers WHERE customer_id = 2;"
            "INSERT INTO crm.customers VALUES ('DE', 7, 'Trier', NULL, 1, now())"
        )

    assert main(["run", name, "--json"]) == 0
    (first,) = json.loads(capfd.readouterr().out)["loads"]
    assert main(["run", name, "--json"]) == 0
    (second,) = json.loads(capfd.readouterr().out)["loads"]

    after = history_of(place, name)
    ended = {row[:6] for row in before if row[0] in ("1", "2") and row[-1] == "None"}
    assert {row[:6] for row in before - after} == ended
    assert before - {row for row in before if row[:6] in ended} <= after
    opened = {row[:4]: row for row in after if row[:6] not in {row[:6] for row in before}}
    assert {*opened} == {("1", "DE", "Kiel", "10.5"), ("7", "DE", "Trier", "1")}
    starts = {row[-2] for row in opened.values()}
    ends = {row[-1] for row in after if row[0] == "1" and row[2] == "Ulm"} & starts
    assert len(ends) == 1
    current = {row[:5] for row in after if row[-1] == "None"}
    assert current == rows_of(place, f"SELECT {', '.join(RECORD)} FROM crm.customers")  # noqa: S608
    assert (first["versions_opened"], first["versions_closed"], second["state"]) == (
        2,
        2,
        "unchanged",
    )


MANY = """
CREATE TABLE dlt_crm.many AS
SELECT timestamptz '2024-01-01 00:00+00' AS _dlt_valid_from, NULL::timestamptz AS _dlt_valid_to,
       'DE' AS region, n::bigint AS customer_id, 'Ulm' AS city, NULL::text AS email,
       n::numeric AS credit, now() AS updated_at, '1' AS _dlt_load_id, n::text AS _dlt_id
FROM generate_series(1, 200) n;
UPDATE dlt_crm.many SET _dlt_valid_to = '2024-02-01 00:00+00' WHERE customer_id = 5;
INSERT INTO dlt_crm.many VALUES
  ('2024-01-15', NULL, 'DE', 3, 'Bonn', NULL, 3, now(), '2', 'overlapping'),
  ('2024-03-02', '2024-03-01', 'DE', 5, 'Bonn', NULL, 3, now(), '2', 'ends before its start'),
  (NULL, NULL, 'DE', 6, 'Bonn', NULL, 3, now(), '2', 'without a start'),
  ('2024-03-01', NULL, 'DE', NULL, 'Bonn', NULL, 3, now(), '2', 'without a key');
INSERT INTO dlt_crm.many SELECT _dlt_valid_from, _dlt_valid_to, region, customer_id, city, email,
  credit, updated_at, '2', 'again' FROM dlt_crm.many WHERE customer_id = 7;
INSERT INTO dlt_crm.many SELECT '2024-02-01', NULL, region, customer_id, city, email, credit,
  updated_at, '2', 'goes on' FROM dlt_crm.many WHERE customer_id = 5 AND _dlt_id = '5';
"""


def test_what_contradicts_itself_is_refused_and_what_says_the_same_is_told(place, capfd):
    place.execute(MANY)

    words = ["dlt", HERE / "customers.schema.yaml", "--table", "crm.customers"]
    typed = ["import", *map(str, words), *SOURCE, "--history", "dlt_crm.many", "--name", "many"]
    assert main([*typed, "--target", "taken.many"]) == 0

    told = json.loads(capfd.readouterr().out)
    # Both that overlap, the one that was never valid, those without a start and a key.
    assert (told["rows"], told["refused"], told["repeated"], told["joined"]) == (206, 5, 1, 1)
    assert told["versions"] == 206 - 5 - 1 - 1
    rows = place.table("governance.quarantine").where("target_table LIKE '%taken.many'")
    reasons = sorted(each.check for row in rows.collect() for each in row.reasons)
    assert reasons == [
        "key_present",
        "sequence_present",
        "version_ends_after_its_start",
        "versions_do_not_overlap",
        "versions_do_not_overlap",
    ]
    assert history_keys(place) == {*map(str, range(1, 201))} - {"3"}


def history_keys(place):
    return {str(row.customer_id) for row in place.table("taken.many").collect()}


DLT = ("dlt", HERE / "customers.schema.yaml", "--table", "crm.customers")
CHECK = ("dbt", HERE / "manifest.json", "customers_by_check")
REFUSED = {
    "no such history": ((*DLT, "--history", "dlt_crm.none"), "NotFoundError"),
    "no such source": ((*DLT[:3], "crm.none", "--history", "dlt_crm.customers"), "NotFoundError"),
    "no such file": (("dbt", HERE / "none.json"), "NotFoundError"),
    "no configuration": (("dbt", HERE / "peer_tables.sql"), "SettingsError"),
    "no history": ((*DLT, "--history", "crm.customers"), "SchemaDriftError"),
    "no key there": ((*CHECK, "--key", "kunde"), "SchemaDriftError"),
    "a key that is none": ((*CHECK, "--key", "region"), "SettingsError"),
    "a column that is gone": (
        (*CHECK, "--table", "analytics_snapshots.customers_legacy", "--key", "customer_id"),
        "SchemaDriftError",
    ),
    "no place of the history": (("dbt", HERE / "dbt_customers_legacy.sql"), "UsageError"),
    "another far end": ((*CHECK, "--open-end", "9998-01-01"), "SettingsError"),
    "a far end that is none": ((*CHECK, "--open-end", "late"), "SettingsError"),
    "no place for a contract": ((*CHECK, "--target", "nowhere"), "UsageError"),
}


@pytest.mark.parametrize(("words", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_taken_over_is_told_and_nothing_is_written(place, capfd, words, kind):
    typed = ["import", *map(str, words), *SOURCE, "--name", "refused"]

    assert main(typed) != 0

    error = json.loads(capfd.readouterr().out)["error"]
    assert error["kind"] == kind
    assert error["next_step"]
    assert not (place.settings.contracts_directory / "refused.yaml").exists()


def test_a_history_that_mostly_contradicts_itself_leaves_neither_table_nor_contract(place, capfd):
    place.execute(
        "CREATE TABLE dlt_crm.wrong AS SELECT * FROM dlt_crm.customers;"
        "UPDATE dlt_crm.wrong SET _dlt_valid_to = _dlt_valid_from - interval '1 day'"
        " WHERE _dlt_valid_to IS NOT NULL"
    )
    typed = ["import", *map(str, DLT), *SOURCE, "--history", "dlt_crm.wrong", "--name", "wrong"]

    assert main([*typed, "--target", "taken.wrong"]) == 65

    error = json.loads(capfd.readouterr().out)["error"]
    assert (error["kind"], "--contract-only" in error["next_step"]) == ("QualityGateError", True)
    assert place.leftovers == []
    assert not (place.settings.contracts_directory / "wrong.yaml").exists()


def test_a_snapshot_of_some_columns_that_keeps_deletes_goes_on_so(place, capfd):
    words = ("dbt", HERE / "dbt_customers_legacy.sql", "--table", "crm.customers")
    more = ("--history", "analytics_snapshots.customers_legacy", "--contract-only")

    code, told = taken_over(capfd, words, "legacy", *more)

    assert (code, told["rows"]) == (0, 12)
    path = place.settings.contracts_directory / "legacy.yaml"
    contract = load_contract(path)
    assert {each.name for each in contract.source.columns} == {"customer_id", "city", "updated_at"}
    assert (str(contract.source.load), str(contract.history.absent)) == ("incremental", "keep")
    assert "Left out: email (text): dbt customers_legacy has no such column" in path.read_text()
    assert main(["contracts", "check", "legacy"]) == 0


def test_a_contract_may_be_written_first_and_edited(place, capfd):
    words = ["import", *map(str, PEERS["dbt_check"][0]), *SOURCE, "--name", "edited"]
    words += ["--target", "taken.edited"]

    assert main([*words, "--contract-only"]) == 0
    path = place.settings.contracts_directory / "edited.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("VARCHAR(80)", "TEXT"), encoding="utf-8")
    capfd.readouterr()
    assert main([*words]) == 64
    assert main([*words, "--as-written"]) == 0

    assert "VARCHAR(80)" in text
    assert place.table("taken.edited").count() == 11
    capfd.readouterr()
    assert main([*words, "--as-written"]) == 78
    assert "a table that was" in json.loads(capfd.readouterr().out)["error"]["found"]
