"""Relations of PostgreSQL that are no plain tables: loaded, or refused with the reason."""

from __future__ import annotations

import pytest

from contracts.errors import SchemaDriftError, SourceAccessError
from flows.load_table import load_table
from strandline.command_line import main
from tests.flows.failing_source import set_source
from tests.flows.state_contracts import write_contract

PASSWORD = "only-here"  # noqa: S105 - of a role of this test's own server
COLUMNS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
MIXED = {"id": "INTEGER", "Weight (kg)": "INTEGER", "select": "VARCHAR(9)", "d'Été\"s": "INTEGER"}
MADE = {"id": "INTEGER", "price": "NUMERIC(9,2)", "gross": "NUMERIC(9,2)", "label": "VARCHAR(20)"}
STAMP = {"updated_at": "TIMESTAMP"}
WHOLE, CLOSE = {"load": "full"}, {"absent": "close"}
NEW = {"load": "incremental", "watermark": ["updated_at"]}
BY_PART = {**NEW, "partition_column": "id"}

TABLES = """
CREATE TABLE people (id int PRIMARY KEY, v varchar(20), updated_at timestamp NOT NULL);
INSERT INTO people SELECT id, 'a', '2024-01-01' FROM generate_series(1, 4) AS id;
CREATE VIEW elders AS SELECT p.id, upper(p.v) AS v, p.updated_at FROM people AS p WHERE p.id < 3;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM people WHERE id > 2 WITH NO DATA;

CREATE TABLE parts (id int PRIMARY KEY, v varchar(20), updated_at timestamp NOT NULL)
    PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts VALUES (1, 'a', '2024-01-01'), (2, 'a', '2024-01-01'), (11, 'a', '2024-01-01');

CREATE TABLE secured (id int PRIMARY KEY, v varchar(20), updated_at timestamp NOT NULL);
INSERT INTO secured VALUES (1, 'a', '2024-01-01'), (2, 'a', '2024-01-01');
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_only ON secured USING (id = 1);
CREATE VIEW by_owner AS SELECT * FROM secured;
CREATE VIEW by_reader WITH (security_invoker) AS SELECT * FROM secured;

CREATE TABLE made (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id int UNIQUE NOT NULL,
    price numeric(9, 2) NOT NULL, gross numeric(9, 2) GENERATED ALWAYS AS (price * 1.2) STORED,
    label varchar(20) GENERATED ALWAYS AS ('No. ' || id) VIRTUAL, updated_at timestamp NOT NULL
);
INSERT INTO made (id, price, updated_at) VALUES (1, 10, '2024-01-01'), (2, 20, '2024-01-01');

CREATE SCHEMA "Shop Floor";
CREATE TABLE "Shop Floor"."Order.Lines" (
    id int PRIMARY KEY, "Weight (kg)" int, "select" varchar(9), "d'Été""s" int, "ID" int,
    updated_at timestamp NOT NULL
);
INSERT INTO "Shop Floor"."Order.Lines" VALUES (1, 5, 'all', 7, 9, '2024-01-01');

CREATE TABLE parent (id int NOT NULL, v varchar(20), updated_at timestamp NOT NULL);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1, 'a', '2024-01-01');
INSERT INTO child VALUES (2, 'a', '2024-01-01');
"""


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """A workplace that reads as a role of its own, to which nothing belongs."""
    folder = tmp_path_factory.mktemp("relations")
    for name in ("elders", "kept", "parent", "secured", "by_reader"):
        write_contract(folder, name, COLUMNS, WHOLE, CLOSE)
    write_contract(folder, "parts", COLUMNS, {**WHOLE, "partition_column": "id"}, CLOSE)
    write_contract(folder, "new_parts", COLUMNS, {**BY_PART, "table": "parts"})
    write_contract(folder, "by_owner", COLUMNS, NEW)
    write_contract(folder, "made", {**MADE, **STAMP}, NEW)
    lines = {"schema": "Shop Floor", "table": "Order.Lines", "partition_column": "id"}
    write_contract(folder, "lines", {**MIXED, **STAMP}, {**NEW, **lines})
    place = make_workplace(folder)
    place.execute(TABLES)
    reader = f"reader_{place.settings.lakehouse.catalog}"
    place.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'")
    for schema in ("public", '"Shop Floor"'):
        place.execute(f"GRANT USAGE ON SCHEMA {schema} TO {reader}")
        place.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}")
    set_source(place, user=reader, password=PASSWORD)
    yield place
    place.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


@pytest.fixture(autouse=True)
def in_slices(monkeypatch):
    """Relations as small as these are read in slices."""
    monkeypatch.setattr("tasks.extract.ROWS_A_SLICE", 1)


def opened(place, name, *columns):
    """The open versions, by key."""
    rows = place.table(f"states.{name}").where("is_current").orderBy("id")
    quoted = ["`" + column.replace("`", "``") + "`" for column in ("id", *columns)]
    return [tuple(row) for row in rows.select(*quoted).collect()]


def test_a_view_is_loaded_as_a_table_is(place):
    load_table("elders")
    place.execute("UPDATE people SET v = 'b' WHERE id = 2; DELETE FROM people WHERE id = 1")
    load_table("elders")

    assert opened(place, "elders", "v") == [(2, "B")]


def test_a_materialized_view_is_loaded_as_it_was_refreshed_and_refused_before(place):
    with pytest.raises(SchemaDriftError, match="REFRESH"):
        load_table("kept")
    place.execute("REFRESH MATERIALIZED VIEW kept")
    load_table("kept")

    assert opened(place, "kept") == [(3,), (4,)]


def test_the_rows_of_a_detached_partition_are_gone_until_it_is_attached_again(place):
    load_table("parts")
    load_table("new_parts")
    place.execute("ALTER TABLE parts DETACH PARTITION parts_high")
    gone = load_table("parts").report.closed
    load_table("new_parts")
    without = [opened(place, name) for name in ("parts", "new_parts")]
    place.execute("ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (10) TO (20)")
    load_table("parts")

    assert gone == 1
    assert without == [[(1,), (2,)], [(1,), (2,), (11,)]]
    assert opened(place, "parts") == [(1,), (2,), (11,)]


@pytest.mark.parametrize(("others", "low"), [([], 20), (["parts"], 30)], ids=["alone", "two"])
def test_old_rows_that_come_with_a_partition_are_found_by_a_full_read(place, others, low):
    load_table("new_parts")
    place.execute(f"CREATE TABLE parts_{low} (LIKE parts)")
    place.execute(f"INSERT INTO parts_{low} VALUES ({low}, 'old', '2023-01-01')")  # noqa: S608
    place.execute(f"ALTER TABLE parts ATTACH PARTITION parts_{low} "
                  f"FOR VALUES FROM ({low}) TO ({low + 10})")  # fmt: skip
    load_table("new_parts")
    by_watermark = opened(place, "new_parts")
    assert main(["run", "new_parts", *others, "--full"]) == 0

    assert low not in [key for (key,) in by_watermark]
    assert opened(place, "new_parts")[-1] == (low,)


@pytest.mark.parametrize("name", ["secured", "by_reader"])
def test_rows_that_a_policy_hides_are_a_refusal_until_the_reader_is_exempt(place, name):
    with pytest.raises(SourceAccessError, match="BYPASSRLS"):
        load_table(name)
    reader = f"reader_{place.settings.lakehouse.catalog}"
    place.execute(f"ALTER ROLE {reader} BYPASSRLS")
    try:
        load_table(name)
    finally:
        place.execute(f"ALTER ROLE {reader} NOBYPASSRLS")

    assert opened(place, name) == [(1,), (2,)]


def test_a_view_shows_what_its_owner_sees_whatever_the_policies_of_its_table(place):
    load_table("by_owner")
    place.execute("UPDATE secured SET v = 'b', updated_at = '2024-01-02' WHERE id = 2")
    load_table("by_owner")

    assert opened(place, "by_owner", "v") == [(1, "a"), (2, "b")]


def test_columns_that_the_database_computes_are_read_as_others(place):
    load_table("made")
    place.execute("UPDATE made SET price = 30, updated_at = '2024-01-02' WHERE id = 2")
    load_table("made")

    found = [tuple(map(str, row)) for row in opened(place, "made", "gross", "label")]
    assert found == [("1", "12.00", "No. 1"), ("2", "36.00", "No. 2")]


def test_names_of_any_letters_and_case_are_read_as_they_are(place):
    load_table("lines")
    change = 'UPDATE "Shop Floor"."Order.Lines" SET "Weight (kg)" = 6, updated_at = \'2024-01-02\''
    place.execute(change)
    load_table("lines")

    assert opened(place, "lines", *list(MIXED)[1:]) == [(1, 6, "all", 7)]


def test_a_table_that_others_inherit_from_is_read_with_their_rows(place):
    load_table("parent")

    assert opened(place, "parent") == [(1,), (2,)]
