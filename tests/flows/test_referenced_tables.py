"""Checks that look values up in another history of ours, and in another database."""

from __future__ import annotations

import json

import pytest
import yaml

from blocks.lookup import block_lookup
from blocks.lookup.local_block_file import write_blocks
from blocks.source_database import SourceDatabase
from contracts.errors import ContractError, SettingsError
from flows.load_table import load_table
from tasks.transforms.checks.quality_score import Outcome
from tests.flows.state_contracts import write_contract

WARDS = {"id": "INTEGER", "name": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
STAYS = {"id": "INTEGER", "ward": "VARCHAR(20)", "country": "VARCHAR(2)", "updated_at": "TIMESTAMP"}


def reference(identifier, of, severity, **arguments):
    return {
        "id": identifier, "type": "custom", "engine": "strandline", "severity": severity,
        "implementation": {"rule": "references", "columns": [of], "arguments": arguments},
    }  # fmt: skip


def with_checks(folder, *checks):
    path = folder / "stays.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["schema"][0]["quality"] = [*checks]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


WARD = reference("ward_known", "ward", "error", history="states.wards", column="name")


@pytest.fixture(scope="module")
def place(make_workplace, postgres, tmp_path_factory):
    """Stays in wards of one database, and countries in another one."""
    folder = tmp_path_factory.mktemp("referring")
    write_contract(folder, "wards", WARDS, {"load": "full"}, {"absent": "close"})
    write_contract(folder, "stays", STAYS, {"load": "full"})
    place = make_workplace(folder)
    place.execute("CREATE TABLE wards (id integer PRIMARY KEY, name text, updated_at timestamp)")
    place.execute(
        "CREATE TABLE stays (id integer PRIMARY KEY, ward text, country text, updated_at timestamp)"
    )
    place.execute("INSERT INTO wards VALUES (1, 'North', '2024-01-01'), (2, 'South', '2024-01-01')")
    place.execute(
        "INSERT INTO stays VALUES (1, 'North', 'AT', '2024-01-01'), "
        "(2, 'West', 'DE', '2024-01-01'), (3, NULL, 'XX', '2024-01-01')"
    )
    registry = f"{place.settings.lakehouse.catalog}_registry"
    postgres.create_database(registry)
    other = SourceDatabase(
        host=postgres.host, port=postgres.port, database=registry, user=postgres.user,
        password=postgres.password,
    )  # fmt: skip
    mine = block_lookup.source("source_db_conn")
    write_blocks(
        place.root / "blocks.yaml",
        (
            ("default", place.settings),
            ("local", place.settings.spark),
            ("local", place.settings.lakehouse),
            ("local", place.settings.key_ring),
            ("source-db-conn", mine),
            ("registry-db", other),
        ),
    )
    import psycopg

    with psycopg.connect(postgres.dsn_of(registry).get_secret_value()) as connection:
        connection.execute("CREATE TABLE countries (code text)")
        connection.execute("INSERT INTO countries VALUES ('AT'), ('DE')")
    return place


def refused(place):
    rows = place.table("governance.quarantine").where("settled_at IS NULL").collect()
    return {json.loads(row.record_key)["id"]: [r["check"] for r in row.reasons] for row in rows}


def test_a_history_that_was_not_loaded_yet_leaves_the_check_unevaluated(place):
    with_checks(place.settings.contracts_directory, WARD)

    report = load_table("stays")

    (found,) = [each for each in report.verdict.findings if each.check == "ward_known"]
    assert found.outcome is Outcome.NOT_EVALUATED
    assert found.note == "states.wards was not loaded yet"
    assert report.staged.refused == 0


def test_values_are_looked_up_in_the_open_versions_and_in_the_other_database(place):
    country = reference(
        "country_known", "country", "error", relation="public.countries", column="code",
        connection="registry_db",
    )  # fmt: skip
    with_checks(place.settings.contracts_directory, WARD, country)
    load_table("wards")

    load_table("stays")

    assert refused(place) == {2: ["ward_known"], 3: ["country_known"]}
    place.execute("UPDATE stays SET ward = 'South' WHERE id IN (1, 2)")
    place.execute("DELETE FROM wards WHERE name = 'South'")
    load_table("wards")
    report = load_table("stays")
    assert report.staged.refused == 3
    assert refused(place)[1] == ["ward_known"]


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"history": "states.warts", "column": "name"}, ContractError, "states.warts"),
        ({"history": "states.wards", "column": "nam"}, ContractError, "a column nam"),
        (
            {"relation": "public.countries", "column": "code", "connection": "no_such_db"},
            SettingsError,
            "no-such-db",
        ),
    ],
)
def test_a_table_that_is_not_there_is_refused_before_anything_is_read(
    place, arguments, error, told
):
    with_checks(
        place.settings.contracts_directory, reference("known", "country", "warning", **arguments)
    )

    with pytest.raises(error, match=told):
        load_table("stays")
