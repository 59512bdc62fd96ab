"""CHECK constraints as PostgreSQL prints them, against what they are translated to."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import SQL

from contracts.model.source_relation import CheckConstraint, RelationColumn
from tasks.introspection.translate_checks import TranslatedChecks, translated_checks

TABLE = """
CREATE SCHEMA translated;
CREATE TABLE translated.t (
    a integer, b smallint, big bigint, n numeric(6, 2), r real, f double precision,
    t text, v varchar(5), c char(2), d date, e date, at timestamptz, ok boolean
);
INSERT INTO translated.t (a, b, big, n, r, f, t, v, c, d, e, ok)
SELECT a, b, a, a / 4.0, a / 10.0, a / 10.0, t, left(t, 5), left(t, 2), d, DATE '2024-01-02', ok
FROM unnest(ARRAY[-3, 0, 1, 2, 3, 10, NULL]) AS a
CROSS JOIN unnest(ARRAY[0, 2, NULL]) AS b
CROSS JOIN unnest(ARRAY['', 'A', 'AB', 'A ', 'ab', 'abcdef', 'it''s', NULL]) AS t
CROSS JOIN unnest(ARRAY[DATE '2024-01-01', '2024-01-03', NULL]) AS d
CROSS JOIN unnest(ARRAY[true, NULL]) AS ok;
"""
EXACT = [
    "a > 1", "a >= -3 AND a < 10", "0 <= a", "a = 2", "a <> 2", "a BETWEEN 0 AND 3",
    "a IN (1, 2)", "a > 0.5", "a > b", "b < 2::smallint", "NOT (a > 1)",
    "a IS NULL OR a > 1", "a IS NOT NULL", "a IS NOT NULL OR b IS NULL", "NOT (a IS NULL)",
    "(a > 1 OR b = 2) AND a <> 10", "big > a",
    "n > 0", "n >= 0.25", "n < 0.75 OR n = 2.5", "n > a", "r >= 0", "f < 0.3", "f = 0.1",
    "t = 'AB'", "t <> 'it''s'", "t IN ('AB', 'ab', 'it''s')", "v IN ('AB', 'A')",
    "v = 'AB' OR v = ''", "length(t) <= 2", "char_length(v) BETWEEN 1 AND 3", "length(t) > 1",
    "length(t) = 2", "length(t) <> 2", "c = 'AB'", "c IN ('AB', 'ab')",
    "d <= e", "d = e", "d IS NULL OR d > e", "a::bigint > 1", "a::numeric > 1.5",
    "(t::varchar) = 'AB'",
]  # fmt: skip
LEFT_OUT = {
    *("(a IS NULL) = (b IS NULL)", "a NOT IN (1, 2)"),
    *("a % 2 = 0", "a + 1 > 2", "abs(a) > 1", "t > 'a'", "t ~ '^a'", "t LIKE 'a%'", "c = 'A'"),
    *("length(c) = 1", "c IN ('AB', 'A')", "r > 0.1", "n::integer > 1", "f::integer > 1"),
    *("d > DATE '2024-01-01'", "at::date > d", "at > now()", "ok", "ok IS TRUE", "lower(t) = t"),
    *("t::varchar(1) = 'A'", "t::integer > 1", "a IS DISTINCT FROM 1", "t = 'a\\b'", "1 = 2"),
    *("a = ANY (ARRAY[b, 1])", "a > (2.7)::integer", "octet_length(t) > 1", "a::text = '1'"),
    *("d::timestamp < at", "coalesce(a, 1) > 1", "CASE WHEN a > 1 THEN b > 1 ELSE true END"),
}


@pytest.fixture(scope="module")
def session(postgres):
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute("SET search_path TO ''")
        yield connection
        connection.execute("DROP SCHEMA translated CASCADE")


@pytest.fixture(scope="module")
def columns(session):
    found = session.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'translated.t'::regclass AND attnum > 0 ORDER BY attnum"
    )
    return [RelationColumn(name, kind, "base", nullable=True) for name, kind in found]


def printed(session, condition):
    """The constraint as the catalog has it; NOT VALID, so that rows may break it."""
    session.execute(
        f"ALTER TABLE translated.t ADD CONSTRAINT k CHECK ({condition}) NOT VALID".encode()
    )
    query = "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'k'"
    (text,) = session.execute(query).fetchone()
    session.execute("ALTER TABLE translated.t DROP CONSTRAINT k")
    return text


def as_sql(found: TranslatedChecks) -> str:
    """What was translated, for PostgreSQL again."""
    terms = [f"({text})" for texts in found.conditions.values() for text in texts]
    for name, promise in found.promises.items():
        bounds = {
            ">=": promise.minimum, "<=": promise.maximum,
        }  # fmt: skip
        lengths = {">=": promise.min_length, "<=": promise.max_length}
        terms += [f"{name} {sign} {bound}" for sign, bound in bounds.items() if bound is not None]
        terms += [f"length({name}) {sign} {b}" for sign, b in lengths.items() if b is not None]
        if promise.values is not None:
            listed = ", ".join(
                str(value) if not isinstance(value, str) else "'" + value.replace("'", "''") + "'"
                for value in promise.values
            )
            terms.append(f"{name} IN ({listed})")
    return " AND ".join(f"({term}) IS NOT FALSE" for term in terms)


@pytest.mark.parametrize("condition", EXACT)
def test_what_is_translated_holds_of_the_same_rows(session, columns, condition):
    found = translated_checks([CheckConstraint("k", printed(session, condition))], columns)

    assert found.untranslated == ()
    ours = as_sql(found)
    query = f"SELECT count(*) FILTER (WHERE (({condition}) IS NOT FALSE) <> ({ours})), count(*)"
    different, rows = session.execute(SQL(f"{query} FROM translated.t")).fetchone()
    assert (different, rows) == (0, 1008), ours


@pytest.mark.parametrize("condition", sorted(LEFT_OUT))
def test_what_may_mean_something_else_is_left_out(session, columns, condition):
    found = translated_checks([CheckConstraint("k", printed(session, condition))], columns)

    assert found.untranslated == ("k",)
    assert (found.promises, found.conditions) == ({}, {})


def test_a_part_that_is_not_translated_leaves_the_others(session, columns):
    text = printed(session, "a > 1 AND t ~ 'x' AND (a > b OR t = 'AB')")

    found = translated_checks([CheckConstraint("k", text)], columns)

    assert found.untranslated == ("k",)
    assert found.promises["a"].minimum == 2
    assert found.conditions == {"k": ("(a > b OR t = 'AB')",)}


def test_a_domain_speaks_of_its_value(columns):
    found = translated_checks(
        [CheckConstraint("positive", "(VALUE > 0)", "a"), CheckConstraint("x", "(a > 5)", "b")],
        columns,
    )

    assert {name: promise.minimum for name, promise in found.promises.items()} == {"a": 1}
    assert found.untranslated == ("x",)


def test_promises_of_one_column_are_joined(columns):
    checks = [
        CheckConstraint("one", "(a > 0)"), CheckConstraint("two", "(a >= 5)"),
        CheckConstraint("three", "(a <= 9)"), CheckConstraint("four", "(a < 8)"),
        CheckConstraint("five", "(t = ANY (ARRAY['a'::text, 'b'::text]))"),
        CheckConstraint("six", "(t = ANY (ARRAY['b'::text, 'c'::text]))"),
    ]  # fmt: skip

    found = translated_checks(checks, columns)

    assert (found.promises["a"].minimum, found.promises["a"].maximum) == (5, 7)
    assert found.promises["t"].values == ("b",)


def test_what_is_no_sql_is_left_out(columns):
    assert translated_checks([CheckConstraint("k", "((")], columns).untranslated == ("k",)
