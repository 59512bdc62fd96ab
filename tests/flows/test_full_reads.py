"""A table that is read as it is now, by whole loads from a real database that is set up oddly."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import MassClosingError, SourceAccessError
from flows.load_table import load_table
from tests.flows.state_contracts import write_contract

PASSWORD = "reads-only"  # noqa: S105 - of a role of this test's own server
ODD = {
    "timezone": "America/New_York",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "0",
    "search_path": "pg_catalog",
    "default_transaction_isolation": "serializable",
}
COLUMNS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory, postgres):
    """A workplace that reads as a role of its own, from a database with odd settings."""
    folder = tmp_path_factory.mktemp("states")
    closes = {"absent": "close"}
    write_contract(folder, "people", COLUMNS, {"load": "full"}, closes)
    write_contract(folder, "crowd", COLUMNS, {"load": "full"}, closes)
    watched = {"load": "incremental", "watermark": ["updated_at"], "partition_column": "id"}
    write_contract(folder, "trips", COLUMNS, watched)
    made = make_workplace(folder)
    name = psycopg.conninfo.conninfo_to_dict(made.dsn.get_secret_value())["dbname"]
    reader = f"reader_{name}"
    source = SourceDatabase(
        host=postgres.host,
        port=postgres.port,
        database=name,
        user=reader,
        password=SecretStr(PASSWORD),
    )
    block_lookup.save_local(
        made.root / "blocks.yaml",
        ("default", made.settings),
        ("local", made.settings.spark),
        ("local", made.settings.lakehouse),
        ("local", made.settings.key_ring),
        ("source-db-conn", source),
    )
    with psycopg.connect(made.dsn.get_secret_value(), autocommit=True) as connection:
        role, database = Identifier(reader), Identifier(name)
        connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, PASSWORD))
        for setting, value in ODD.items():
            connection.execute(
                SQL("ALTER DATABASE {} SET {} = {}").format(database, Identifier(setting), value)
            )
        for table, stamp in (
            ("people", "timestamp"),
            ("crowd", "timestamp"),
            ("trips", "timestamptz"),
        ):
            connection.execute(
                SQL(
                    "CREATE TABLE public.{} (id int PRIMARY KEY, v varchar(20), updated_at {})"
                ).format(Identifier(table), SQL(stamp))
            )
        connection.execute(SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))
    yield SimpleNamespace(made=made, execute=made.execute, table=made.table, reader=reader)
    with psycopg.connect(made.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute(SQL("DROP OWNED BY {}").format(Identifier(reader)))
        connection.execute(SQL("DROP ROLE {}").format(Identifier(reader)))


def versions(place, table):
    """Of each key its versions in their order: value, start, end."""
    told = {}
    for row in place.table(f"states.{table}").orderBy("id", "valid_from").collect():
        told.setdefault(row.id, []).append((row.v, utc(row.valid_from), utc(row.valid_to)))
    return told


def utc(moment):
    return None if moment is None else moment.replace(tzinfo=UTC)


def reads(place, table):
    """The instants of the reads that changed something."""
    rows = place.table(f"states.{table}").select("read_at").distinct().collect()
    return sorted(utc(row.read_at) for row in rows)


JANUARY = datetime(2024, 1, 1, tzinfo=UTC)


def test_what_vanishes_returns_and_what_changes_under_its_stamp_changes(place):
    place.execute(
        "INSERT INTO public.people SELECT id, 'a', '2024-01-01' FROM generate_series(1, 3) AS id"
    )
    load_table("people")
    place.execute("DELETE FROM public.people WHERE id = 2")
    place.execute("UPDATE public.people SET v = 'c' WHERE id = 3")
    second = load_table("people")
    place.execute("INSERT INTO public.people VALUES (2, 'a', '2024-01-01')")
    load_table("people")
    again = load_table("people")

    assert (second.report.opened, second.report.closed, second.report.deleted) == (1, 2, 1)
    assert not again.report.published
    _, read_two, read_three = reads(place, "people")
    assert versions(place, "people") == {
        1: [("a", JANUARY, None)],
        2: [("a", JANUARY, read_two), ("a", read_three, None)],
        3: [("a", JANUARY, read_two), ("c", read_two, None)],
    }


def test_row_security_never_empties_a_table(place):
    before = versions(place, "people")
    place.execute("ALTER TABLE public.people ENABLE ROW LEVEL SECURITY")
    place.execute("CREATE POLICY first_only ON public.people USING (id = 1)")
    with pytest.raises(SourceAccessError, match="row"):
        load_table("people")
    assert versions(place, "people") == before
    place.execute("ALTER TABLE public.people DISABLE ROW LEVEL SECURITY")
    assert not load_table("people").report.published


def test_a_read_that_finds_too_little_closes_nothing_until_a_person_says_so(place):
    fill = "INSERT INTO public.crowd SELECT id, 'a', '2024-01-01' FROM generate_series({}) AS id"
    place.execute(fill.format("1, 50"))
    load_table("crowd")
    place.execute("TRUNCATE public.crowd")
    place.execute(fill.format("1, 30"))
    with pytest.raises(MassClosingError, match="20 open keys"):
        load_table("crowd")
    assert all(found[-1][2] is None for found in versions(place, "crowd").values())
    place.execute(fill.format("31, 35"))
    accepted = load_table("crowd", closes_at_most=15)
    assert accepted.report.closed == 15
    place.execute(fill.format("36, 50"))
    assert load_table("crowd").report.opened == 15


def test_bounds_and_rows_are_asked_in_one_zone_whatever_the_server_says(place):
    place.execute(
        "INSERT INTO public.trips SELECT id, 'a', timestamptz '2024-01-01 00:00Z' "
        "FROM generate_series(1, 10) AS id"
    )
    load_table("trips")
    change = "UPDATE public.trips SET v = 'b', updated_at = timestamptz '2024-01-01 {}Z'"
    place.execute(f"{change.format('01:00')} WHERE id IN (1, 2)")
    place.execute(f"{change.format('08:00')} WHERE id IN (5, 6)")
    second = load_table("trips")

    assert second.report.opened == 4
    found = versions(place, "trips")
    assert found[1] == [
        ("a", JANUARY, JANUARY.replace(hour=1)),
        ("b", JANUARY.replace(hour=1), None),
    ]
    assert found[5][1] == ("b", JANUARY.replace(hour=8), None)
