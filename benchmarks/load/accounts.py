"""The source table, its changes, and a digest that an equal table has too.

Every value is a function of the key, the number of rows and the change, so that each run loads the
same rows, except for the instants of the changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from benchmarks.load.case import Case

__all__ = ["SPARK_DIGEST", "Accounts", "Changed", "Standing"]

_MAKE: LiteralString = """
CREATE SCHEMA IF NOT EXISTS bench;
DROP TABLE IF EXISTS bench.accounts;
-- The rounds vacuum by themselves, so that no vacuum runs during a load.
CREATE TABLE bench.accounts (
    id bigint NOT NULL,
    name varchar(60) NOT NULL,
    city varchar(40),
    email varchar(120) NOT NULL,
    balance numeric(12, 2) NOT NULL,
    rate numeric(9, 4),
    born_on date NOT NULL,
    active boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
) WITH (autovacuum_enabled = off);
"""

_FILL: LiteralString = """
INSERT INTO bench.accounts
SELECT
    id,
    'account holder ' || id,
    CASE WHEN id %% 50 > 0 THEN 'city ' || lpad((id * 7919 %% 1000)::text, 4, '0') END,
    'household-' || id / 2 || '@example.org',
    (id * 48271 %% 99999989)::numeric / 100,
    CASE WHEN id %% 20 > 0 THEN (id * 16807 %% 99991)::numeric / 10000 END,
    date '1940-01-01' + (id %% 25000)::int,
    id %% 10 > 0,
    timestamp '2020-01-01' + interval '1 second' * (id * 94608000 / %(rows)s),
    timestamp '2020-01-01' + interval '1 second' * (id * 94608000 / %(rows)s + id * 7919 %% 31536000)
FROM generate_series(1, %(rows)s::bigint) AS id
"""  # noqa: E501 - a line a column

_INDEX: LiteralString = """
ALTER TABLE bench.accounts ADD PRIMARY KEY (id);
CREATE INDEX ON bench.accounts (updated_at);
"""

_UPDATE: LiteralString = """
UPDATE bench.accounts
SET
    balance = balance + 1.25,
    city = 'city ' || lpad(((id * 7919 + %(number)s) %% 1000)::text, 4, '0'),
    email = CASE WHEN id %% 4 = 1 THEN 'moved-' || id || '-' || %(number)s || '@example.org'
        ELSE email END,
    -- Each at its own instant: a next load reads the greatest one again.
    updated_at = clock_timestamp() AT TIME ZONE 'UTC'
FROM generate_series(%(first)s::bigint, %(last)s, %(stride)s)
    WITH ORDINALITY AS chosen (key, place)
WHERE id = key AND place %% 10 >= %(spared)s
"""

_DELETE: LiteralString = """
DELETE FROM bench.accounts
USING generate_series(%(first)s::bigint, %(last)s, %(stride)s)
    WITH ORDINALITY AS chosen (key, place)
WHERE id = key AND place %% 10 = 0
"""

_INSERT: LiteralString = """
INSERT INTO bench.accounts
SELECT
    %(rows)s + key, 'account holder ' || %(rows)s + key, 'city 0000', 'new-' || key
    || '@example.org', 100, 0.5, date '1990-01-01', true,
    clock_timestamp() AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE 'UTC'
FROM generate_series(%(first)s::bigint, %(last)s, %(stride)s)
    WITH ORDINALITY AS chosen (key, place)
WHERE place %% 10 = 1
"""

_SOURCE_DIGEST: LiteralString = """
SELECT
    count(*)::text,
    count(DISTINCT email)::text,
    sum(('x' || substr(md5(concat_ws(
        '|', id::text, name, coalesce(city, '~'), balance::text, coalesce(rate::text, '~'),
        born_on::text, active::int::text,
        (extract(epoch FROM created_at) * 1000000)::bigint::text,
        (extract(epoch FROM updated_at) * 1000000)::bigint::text
    )), 1, 15))::bit(60)::bigint)::text
FROM bench.accounts
"""

SPARK_DIGEST: tuple[str, ...] = (
    "cast(count(*) AS string)",
    "cast(count(DISTINCT email) AS string)",
    """cast(sum(cast(conv(substr(md5(concat_ws(
        '|', cast(id AS string), name, coalesce(city, '~'), cast(balance AS string),
        coalesce(cast(rate AS string), '~'), cast(born_on AS string),
        if(active, '1', '0'),
        cast(unix_micros(created_at) AS string), cast(unix_micros(updated_at) AS string)
    )), 1, 15), 16, 10) AS decimal(20, 0))) AS string)""",
)
"""The digest of `Accounts.standing`, as expressions of Spark over the open versions."""

Standing = tuple[str, ...]
"""Rows, distinct e-mail addresses, a digest of all other columns.

The lake has pseudonyms of the addresses, as many as there are addresses. A row that moves gets an
address of its own in place of a shared one, so the count shows a row that was not updated.
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """What one round did to the source, in rows."""

    updated: int
    deleted: int = 0
    inserted: int = 0


class Accounts:
    """The table `bench.accounts` of a PostgreSQL, with no other writer.

    Args:
        dsn: Connection string of libpq.
    """

    def __init__(self, dsn: SecretStr) -> None:
        self._connection = psycopg.connect(dsn.get_secret_value(), autocommit=True)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def fill(self, rows: int) -> None:
        """Recreate it with the keys 1 to `rows`."""
        self._connection.execute(_MAKE)
        self._connection.execute(_FILL, {"rows": rows})
        self._connection.execute(_INDEX)
        self._settle()

    def change(self, case: Case, number: int) -> Changed:
        """Change keys that are spread evenly over all, in one transaction.

        For a full load one in ten of them is deleted and as many keys are inserted.

        Args:
            case: What is loaded, and how much of it changes.
            number: The round's, from 0, continued over the cases of one table.
        """
        # One in ten is deleted; the position of the inserted one is not updated.
        spared = 2 if case.deletes else 0
        arguments = {
            "rows": case.rows,
            "number": number,
            "spared": spared,
            **case.chosen(number),
        }
        with self._connection.transaction():
            updated = self._connection.execute(_UPDATE, arguments).rowcount
            changed = Changed(updated)
            if case.deletes:
                deleted = self._connection.execute(_DELETE, arguments).rowcount
                inserted = self._connection.execute(_INSERT, arguments).rowcount
                changed = Changed(updated, deleted, inserted)
        self._settle()
        return changed

    def standing(self) -> Standing:
        """The digest of the table, equal to `SPARK_DIGEST` over an equal table."""
        row = self._connection.execute(_SOURCE_DIGEST).fetchone()
        return tuple(map(str, row or ()))

    def now(self) -> str:
        """The source's clock, as its changes have it."""
        row = self._connection.execute(
            "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text"
        ).fetchone()
        return str((row or ("",))[0])

    def counted(self) -> tuple[int, int]:
        """How many rows it has, and how many distinct names."""
        query = "SELECT count(*), count(DISTINCT name) FROM bench.accounts"
        rows, names = self._connection.execute(query).fetchone() or (0, 0)
        return rows, names

    def _settle(self) -> None:
        """Vacuum, analyze and checkpoint now, so that neither happens during a load."""
        self._connection.execute("VACUUM ANALYZE bench.accounts")
        self._connection.execute("CHECKPOINT")
