"""A stand-in for the extension `pg_trgm`, which Prefect needs and the embedded PostgreSQL lacks.

Prefect uses it for one thing: indexes that speed up searching names by a part of them. The
stand-in has the operator class that these indexes name, and no operators in it. PostgreSQL keeps
such an index and never reads it: a search by a part of a name reads the table, to the same result.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.embedded_postgres.unprivileged_account import give_to_account

__all__ = ["stand_in"]

_CONTROL = """\
comment = 'stands in for pg_trgm: its operator class for indexes, without operators'
default_version = 'stand-in'
relocatable = true
"""

# A GIN index calls the class for the keys of a value. `void_in` is a function of PostgreSQL's own
# that ignores its arguments and returns nothing: no keys. The others are never called.
_SCRIPT = """\
CREATE FUNCTION gin_trgm_no_keys(text, internal, internal)
    RETURNS internal LANGUAGE internal IMMUTABLE AS 'void_in';
CREATE FUNCTION gin_trgm_no_query(
    text, internal, int2, internal, internal, internal, internal
) RETURNS internal LANGUAGE internal IMMUTABLE AS 'void_in';
CREATE FUNCTION gin_trgm_no_match(
    internal, int2, text, int4, internal, internal, internal, internal
) RETURNS bool LANGUAGE internal IMMUTABLE AS 'void_in';
CREATE OPERATOR CLASS gin_trgm_ops FOR TYPE text USING gin AS
    FUNCTION 2 gin_trgm_no_keys(text, internal, internal),
    FUNCTION 3 gin_trgm_no_query(text, internal, int2, internal, internal, internal, internal),
    FUNCTION 4 gin_trgm_no_match(
        internal, int2, text, int4, internal, internal, internal, internal
    );
"""


def stand_in(postgres: EmbeddedPostgres, database: str) -> None:
    """Create the extension `pg_trgm` unless the database has it: the real one where available.

    Args:
        postgres: A started server.
        database: One of its databases.
    """
    with psycopg.connect(postgres.dsn_of(database).get_secret_value()) as connection:
        available = connection.execute(
            "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
        ).fetchone()
        if available is None:
            folder = _written(postgres.directory / "extensions")
            path = sql.Literal(f"$system:{folder}")
            connection.execute(sql.SQL("SET extension_control_path TO {}").format(path))
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def _written(folder: Path) -> Path:
    """Write the extension's two files where PostgreSQL looks for them below the folder."""
    target = folder / "extension"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    (target / "pg_trgm.control").write_text(_CONTROL, encoding="utf-8")
    (target / "pg_trgm--stand-in.sql").write_text(_SCRIPT, encoding="utf-8")
    for each in (folder, target, *target.iterdir()):
        give_to_account(each)
    return folder
