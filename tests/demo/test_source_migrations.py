"""The source's tables are made once, whoever comes first, and elsewhere by a script."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from contracts.errors import SettingsError
from demo.__main__ import main
from demo.source_migrations import ddl_script, migrate, migrations

LINEAGE = "CREATE TABLE source_schema.data_lineage (lineage_id bigint)"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'source_schema' ORDER BY 1"
SPECIFIED = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid), pg_get_expr(c.relpartbound, c.oid)
FROM pg_class AS c
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum > 0
LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE c.relnamespace = 'source_schema'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I')
    AND (c.relname LIKE 'new_source%' OR c.relname LIKE 'p\\_%' OR c.relname LIKE 'idx\\_c%'
        OR c.relname LIKE 'idx\\_updated%' OR c.relname LIKE 'existing%')
ORDER BY 1, a.attnum
"""


def migrated(dsn, known=None):
    with psycopg.connect(dsn.get_secret_value()) as connection:
        return [each.number for each in migrate(connection, known)]


def run(dsn, statements):
    with psycopg.connect(dsn.get_secret_value()) as connection:
        connection.execute(statements.encode())


def test_each_migration_is_applied_once(database, ask):
    dsn = database()
    numbers = [each.number for each in migrations()]

    assert migrated(dsn, migrations()[:2]) == [1, 2]
    assert migrated(dsn) == numbers[2:]
    assert migrated(dsn) == []
    assert numbers == list(range(1, len(numbers) + 1))
    assert ask(dsn, "SELECT number, name FROM source_schema.applied_migrations ORDER BY 1") == [
        (each.number, each.name) for each in migrations()
    ]


@pytest.mark.parametrize(("rows", "stays"), [(0, False), (1, True)], ids=["empty", "filled"])
def test_a_database_of_an_earlier_release_loses_the_lineage_that_nothing_filled(
    database, ask, rows, stays
):
    dsn = database()
    for each in migrations()[:2]:
        run(dsn, each.statements)
    run(dsn, LINEAGE)
    run(dsn, f"INSERT INTO source_schema.data_lineage SELECT generate_series(1, {rows})")

    migrated(dsn)

    assert ("data_lineage" in [name for (name,) in ask(dsn, TABLES)]) is stays


def test_of_many_that_migrate_at_once_each_ends_with_the_whole_and_one_made_it(database):
    dsn = database()
    with ThreadPoolExecutor(5) as threads:
        ends = list(threads.map(lambda _: migrated(dsn), range(5)))

    assert sorted(ends) == [[], [], [], [], [each.number for each in migrations()]]


def test_a_database_with_other_migrations_is_refused_and_left_as_it_is(database, ask):
    dsn = database()
    known = migrations()
    changed = replace(known[0], statements=known[0].statements + "-- later\n")
    later = replace(known[-1], number=known[-1].number + 1, statements="SELECT 1")
    migrated(dsn, (*known[:2], later))
    before = ask(dsn, TABLES)

    with pytest.raises(SettingsError, match=f"number {later.number} in another form"):
        migrated(dsn, known)
    with pytest.raises(SettingsError, match="number 1 in another form"):
        migrated(dsn, (changed, *known[1:], later))
    assert ask(dsn, TABLES) == before


def test_the_script_for_another_postgresql_makes_what_the_specification_says(database, ask, capsys):
    ours, theirs = database(), database()
    migrated(ours)

    assert main("ddl") == 0
    script = capsys.readouterr().out
    run(theirs, script)
    run(theirs, script)

    assert ask(theirs, SPECIFIED) == ask(ours, SPECIFIED)
    assert len(ask(theirs, SPECIFIED)) > 60
    assert ask(theirs, TABLES) == [
        ("existing_table_1",), ("new_source_table",), ("p_2024_01",), ("p_2024_02",),
        ("p_2024_03",), ("p_future",),
    ]  # fmt: skip


def test_a_dialect_without_a_script_is_told(capsys):
    assert main("ddl", "oracle") == 64
    assert "mariadb" in capsys.readouterr().err
    assert "CREATE TABLE" in ddl_script("mariadb")
