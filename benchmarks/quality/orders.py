"""The source table, a row per order, with planted defects, and how many rows break each rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from benchmarks.quality.rules import Rule

__all__ = ["TABLE", "broken_rows", "fill"]

TABLE = "bench.orders"

_MAKE: LiteralString = """
CREATE SCHEMA IF NOT EXISTS bench;
DROP TABLE IF EXISTS bench.orders;
CREATE TABLE bench.orders (
    id bigint NOT NULL,
    customer varchar(80),
    email varchar(120),
    code varchar(12),
    status varchar(12),
    country varchar(2),
    amount numeric(12, 2),
    quantity int,
    rate float8,
    ordered_on date,
    created_at timestamp,
    shipped_at timestamp,
    updated_at timestamp NOT NULL
) WITH (autovacuum_enabled = off);
"""

# The divisors are primes, so that defects meet in one row as often as chance would have it.
_FILL: LiteralString = """
INSERT INTO bench.orders
SELECT
    id,
    CASE WHEN id %% 997 = 0 THEN NULL
         WHEN id %% 1999 = 0 THEN 'a customer with a name that is far too long ' || id
         WHEN id %% 2503 = 0 THEN '   '
         ELSE 'customer number ' || id END,
    CASE WHEN id %% 701 = 0 THEN 'nowhere at all'
         WHEN id %% 887 = 0 THEN NULL
         ELSE 'customer-' || id / 3 || '@example.org' END,
    CASE WHEN id %% 1103 = 0 THEN 'x' || id %% 10000
         ELSE 'AB' || chr(65 + (id %% 26)::int) || '-' || lpad((id * 7919 %% 10000)::text, 4, '0')
         END,
    CASE WHEN id %% 499 = 0 THEN 'lost'
         ELSE (ARRAY['new', 'paid', 'shipped', 'closed'])[1 + id %% 4] END,
    CASE WHEN id %% 1301 = 0 THEN 'XX'
         ELSE (ARRAY['DE', 'FR', 'US', 'GB', 'NL', 'IT', 'ES', 'AT'])[1 + id %% 8] END,
    CASE WHEN id %% 1409 = 0 THEN -5 ELSE (id * 48271 %% 9999989)::numeric / 100 END,
    CASE WHEN id %% 1511 = 0 THEN 0 WHEN id %% 1601 = 0 THEN NULL ELSE 1 + id %% 500 END,
    CASE WHEN id %% 1709 = 0 THEN 'NaN' ELSE (id * 16807 %% 99991)::float8 / 100000 END,
    date '2020-01-01' + (id %% 1800)::int,
    CASE WHEN id %% 2003 = 0 THEN timestamp '2090-01-01'
         ELSE timestamp '2020-01-01' + interval '1 second' * id END,
    CASE WHEN id %% 4 < 2 OR id %% 1801 = 0 THEN NULL
         WHEN id %% 1901 = 0 THEN timestamp '2019-01-01'
         ELSE timestamp '2020-01-02' + interval '1 second' * id END,
    CASE WHEN id %% 2003 = 0 THEN timestamp '2091-01-01'
         WHEN id %% 2207 = 0 THEN timestamp '2019-06-01'
         ELSE timestamp '2020-01-03' + interval '1 second' * id END
FROM generate_series(1, %(rows)s::bigint) AS id
"""


def fill(dsn: SecretStr, rows: int) -> None:
    """Recreate the table with the keys 1 to `rows`, and let nothing of it be written later."""
    with psycopg.connect(dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute(_MAKE)
        connection.execute(_FILL, {"rows": rows})
        connection.execute("ALTER TABLE bench.orders ADD PRIMARY KEY (id)")
        connection.execute("VACUUM ANALYZE bench.orders")
        connection.execute("CHECKPOINT")


def broken_rows(dsn: SecretStr, rules: Iterable[Rule]) -> dict[str, int]:
    """How many rows break each rule, as PostgreSQL counts them."""
    chosen = tuple(rules)
    counts = ", ".join(f"count(*) FILTER (WHERE {rule.sql})" for rule in chosen)
    query = f"SELECT {counts} FROM {TABLE}"  # noqa: S608 - of the rules of this benchmark
    with psycopg.connect(dsn.get_secret_value()) as connection:
        row = connection.execute(query.encode()).fetchone()
    return dict(zip((rule.name for rule in chosen), row or (), strict=True))
