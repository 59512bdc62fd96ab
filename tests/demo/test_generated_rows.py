from __future__ import annotations

import hashlib

import psycopg
import pytest

from demo.demo_source_database import (
    GENERATED_CHANGED,
    GENERATED_UNTIL,
    Filled,
    change_new_source_table,
    create,
    fill_new_source_table,
)
from demo.flights_dataset import naive_utc

FINGERPRINT = """
SELECT count(*), sum(hashtextextended(t::text, 0)) FROM source_schema.new_source_table AS t
"""
BEFORE = "CREATE TABLE source_schema.earlier AS SELECT * FROM source_schema.new_source_table"


@pytest.fixture(scope="module")
def filled(database):
    """The table before its change."""
    dsn = database()
    create(dsn)
    assert fill_new_source_table(dsn) == Filled(inserted=20_000, corrected=0)
    return dsn


@pytest.fixture(scope="module")
def changed(database):
    """The table after its change, with `earlier` as it was before, and what the change did."""
    dsn = database()
    create(dsn)
    fill_new_source_table(dsn)
    with psycopg.connect(dsn.get_secret_value()) as connection:
        connection.execute(BEFORE)
    return dsn, change_new_source_table(dsn)


def test_rows_come_in_from_january_to_april(filled, ask):
    months = ask(
        filled,
        """
        SELECT extract(month FROM created_date)::int, count(*)
        FROM source_schema.new_source_table GROUP BY 1 ORDER BY 1
        """,
    )

    assert [month for month, _ in months] == [1, 2, 3, 4]
    assert all(count > 4_600 for _, count in months)


def test_no_row_is_of_the_future(filled, changed, ask):
    query = """
    SELECT max(greatest(created_date, updated_date)) FROM source_schema.new_source_table
    """

    assert ask(filled, query)[0][0] < naive_utc(GENERATED_UNTIL)
    latest = ask(changed[0], query)[0][0]
    assert naive_utc(GENERATED_UNTIL) < latest < naive_utc(GENERATED_CHANGED)


def test_the_defects_are_there_in_the_stated_shares(filled, ask):
    assert ask(
        filled,
        """
        SELECT
            count(*) FILTER (WHERE btrim(column1) = ''),
            count(*) FILTER (WHERE status NOT IN ('ACTIVE', 'PENDING', 'INACTIVE')),
            count(*) FILTER (WHERE column3 < 0),
            count(*) FILTER (WHERE column3 > 999999.99),
            count(*) FILTER (WHERE updated_date < created_date)
        FROM source_schema.new_source_table
        """,
    ) == [(80, 160, 80, 40, 100)]


def test_between_two_and_three_rows_in_a_hundred_are_defective(filled, ask):
    ((share,),) = ask(
        filled,
        """
        SELECT avg((
            btrim(column1) = ''
            OR status NOT IN ('ACTIVE', 'PENDING', 'INACTIVE')
            OR column3 NOT BETWEEN 0 AND 999999.99
            OR updated_date < created_date
        )::int)::float FROM source_schema.new_source_table
        """,
    )

    assert 0.02 <= share <= 0.03


def test_every_status_occurs_and_most_rows_are_active(filled, ask):
    counts = dict(
        ask(filled, "SELECT status, count(*) FROM source_schema.new_source_table GROUP BY 1")
    )

    assert set(counts) == {"ACTIVE", "PENDING", "INACTIVE", "ARCHIVED"}
    assert counts["ACTIVE"] > 15_000
    assert min(counts["PENDING"], counts["INACTIVE"]) > 1_000


def test_names_are_many_and_the_canaries_among_them_can_be_told(filled, ask):
    canaries = ask(
        filled,
        """
        SELECT id, column2 FROM source_schema.new_source_table
        WHERE column2 LIKE 'CANARY-%' ORDER BY id
        """,
    )
    ((names,),) = ask(
        filled,
        """
        SELECT count(DISTINCT column2) FROM source_schema.new_source_table
        WHERE column2 NOT LIKE 'CANARY-%'
        """,
    )

    assert len(canaries) == 200
    for row_id, canary in canaries:
        digest = hashlib.md5(str(row_id).encode(), usedforsecurity=False).hexdigest()
        assert canary == f"CANARY-{digest}"
    assert names > 400


def test_what_is_missing_is_missing_without_being_wrong(filled, ask):
    assert ask(
        filled,
        """
        SELECT
            count(*) FILTER (WHERE column2 IS NULL),
            count(*) FILTER (WHERE column3 IS NULL),
            count(*) FILTER (WHERE updated_date IS NULL),
            count(*) FILTER (WHERE (updated_date IS NULL) <> (version_number = 1)),
            count(*) FILTER (WHERE (updated_date IS NULL) <> (updated_by IS NULL))
        FROM source_schema.new_source_table
        """,
    ) == [(200, 40, 2_000, 0, 0)]


@pytest.mark.parametrize("state", ["filled", "changed"])
def test_checksums_are_those_of_the_row(state, request, ask):
    made = request.getfixturevalue(state)
    rows = ask(
        made if state == "filled" else made[0],
        """
        SELECT id, column1, column2, column3, checksum FROM source_schema.new_source_table
        WHERE mod(id, 50) = 17 OR id = 11
        """,
    )

    assert len(rows) > 390
    for *values, checksum in rows:
        text = "|".join(str(value) for value in values if value is not None)
        assert checksum == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_rows_are_made_every_time(filled, changed, ask):
    earlier = FINGERPRINT.replace("new_source_table", "earlier")

    assert ask(filled, FINGERPRINT) == ask(changed[0], earlier)


def test_filling_again_changes_nothing(filled, ask):
    before = ask(filled, FINGERPRINT)

    assert fill_new_source_table(filled) == Filled(0, 0)
    assert ask(filled, FINGERPRINT) == before


def test_changing_again_changes_nothing(changed, ask):
    dsn, _ = changed
    before = ask(dsn, FINGERPRINT)

    assert change_new_source_table(dsn) == Filled(0, 0)
    assert fill_new_source_table(dsn) == Filled(0, 0)
    assert ask(dsn, FINGERPRINT) == before


def test_the_change_touches_two_rows_in_a_hundred_and_adds_some(changed, ask):
    dsn, done = changed
    touched = ask(
        dsn,
        """
        SELECT
            count(*),
            count(*) FILTER (WHERE t.updated_date >= '2024-05-01'),
            count(*) FILTER (WHERE t.version_number = e.version_number + 1),
            count(*) FILTER (WHERE t.created_date = e.created_date),
            count(*) FILTER (WHERE t.column2 IS NOT DISTINCT FROM e.column2)
        FROM source_schema.new_source_table AS t
        JOIN source_schema.earlier AS e ON e.id = t.id
        WHERE t IS DISTINCT FROM e
        """,
    )

    assert done == Filled(inserted=331, corrected=420)
    assert touched == [(420,) * 5]
    assert ask(dsn, "SELECT count(*), min(id) FROM source_schema.new_source_table") == [(20_331, 1)]


def test_everything_that_came_or_changed_lies_past_what_was_there(changed, ask):
    dsn, _ = changed
    assert ask(
        dsn,
        """
        SELECT
            (SELECT max(coalesce(updated_date, created_date)) FROM source_schema.earlier)
            < min(coalesce(t.updated_date, t.created_date))
        FROM source_schema.new_source_table AS t
        LEFT JOIN source_schema.earlier AS e ON e.id = t.id
        WHERE t IS DISTINCT FROM e
        """,
    ) == [(True,)]


def test_some_rows_turn_inactive_and_pending_ones_active_and_amounts_change(changed, ask):
    dsn, _ = changed
    turns = {
        tuple(turn): count
        for *turn, count in ask(
            dsn,
            """
            SELECT e.status, t.status, t.column3 IS DISTINCT FROM e.column3, count(*)
            FROM source_schema.new_source_table AS t
            JOIN source_schema.earlier AS e ON e.id = t.id
            WHERE t IS DISTINCT FROM e
            GROUP BY 1, 2, 3
            """,
        )
    }

    assert turns["ACTIVE", "ACTIVE", True] > 200
    assert turns["ACTIVE", "INACTIVE", False] > 30
    assert turns["PENDING", "ACTIVE", False] > 30
    assert ("PENDING", "PENDING", False) not in turns


def test_some_blank_names_are_corrected(changed, ask):
    dsn, _ = changed
    assert ask(
        dsn,
        """
        SELECT count(*) FROM source_schema.new_source_table AS t
        JOIN source_schema.earlier AS e ON e.id = t.id
        WHERE btrim(e.column1) = '' AND btrim(t.column1) <> ''
        """,
    ) == [(20,)]
