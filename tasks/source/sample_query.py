"""The SQL that reads a bounded sample of the rows that a load reads.

Promise: the same rows of the source give the same sample, whatever order the database returns them
in, and each row has the same chance, whatever its key looks like.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.model.reserved_column_names import UNFIT
from tasks.source.source_query import Dialect

__all__ = ["sample_query"]

_BITS = 20
_BUCKETS = 2**_BITS
"""Rows fall into so many buckets by the hash of what identifies them."""


def sample_query(
    query: str,
    columns: Sequence[str],
    identity: Sequence[str],
    *,
    rows: int,
    sample_rows: int,
    dialect: str = "postgresql",
) -> str:
    """SELECT of some columns of about `sample_rows` of the rows that a query selects.

    A row is chosen by a hash of what identifies it, so the database needs no sort and keeps no
    state. The number of rows is that asked for give or take a few times its square root.

    Args:
        query: Of `SourceQuery.rows` (`tasks.source.source_query`), with the bounds of the load.
        columns: The source columns to read; the result also has `UNFIT`, so that
            `tasks.source.jdbc_reader.source_rows` can read it.
        identity: The source columns that tell one row from the others: what the key is made of,
            and of a log the sequence too. Rows that agree in all of them are chosen together.
        rows: How many rows the query selects, about.
        sample_rows: How many of them to read; no fewer rows than that are all read.
        dialect: Of the source.

    Raises:
        SettingsError: The dialect is unknown.
    """
    sql = Dialect(dialect)
    selected = ", ".join(sql.quoted(name) for name in (*columns, UNFIT))
    whole = f"SELECT {selected}\nFROM ({query}) AS batch"
    if rows <= sample_rows:
        return whole
    chosen = max(_BUCKETS * sample_rows // rows, 1)
    return f"{whole}\nWHERE {_bucket(sql, identity)} < {chosen}"


def _bucket(sql: Dialect, identity: Sequence[str]) -> str:
    """The SQL of a row's bucket; a null counts as a value of its own."""
    names = [sql.quoted(name) for name in identity]
    if sql.name == "postgresql":
        parts = ", ".join(f"COALESCE({name}::text, '')" for name in names)
        # With a collation of its own the hash does not depend on the database's.
        text = f"""concat_ws(',', {parts}) COLLATE "C\""""
        return f"(hashtextextended({text}, 0) & {_BUCKETS - 1})"
    parts = ", ".join(f"COALESCE(CAST({name} AS CHAR), '')" for name in names)
    return f"CONV(SUBSTRING(MD5(CONCAT_WS(',', {parts})), 1, {_BITS // 4}), 16, 10) + 0"
