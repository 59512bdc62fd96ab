"""The SQL that reads a bounded sample of the rows that a load reads.

Promise: the same rows of the source give the same sample, whatever order the database returns them
in, and each row has the same chance, whatever its key looks like.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.model.reserved_column_names import UNFIT
from history.spark.column_quoting_and_comparison import named
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

__all__ = ["sample_query", "sampled_here"]

_BITS = 20
_BUCKETS: int = 2**_BITS
"""Rows fall into so many buckets by the hash of what identifies them."""


def sample_query(
    query: str,
    columns: Sequence[str],
    identity: Sequence[str],
    *,
    rows: int,
    sample_rows: int,
    dialect: SqlDialect = POSTGRESQL,
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
        dialect: Of the source. Where it can't hash, all rows are selected, with the columns that
            identify them, for `sampled_here`.
    """
    names = [dialect.quoted(name) for name in identity]
    bucket = dialect.bucket(names, _BITS)
    read = columns if bucket is not None else dict.fromkeys((*columns, *identity))
    selected = ", ".join(dialect.quoted(name) for name in (*read, UNFIT))
    whole = f"SELECT {selected}\nFROM ({query}) batch"
    if rows <= sample_rows or bucket is None:
        return whole
    return f"{whole}\nWHERE {bucket} < {_chosen(rows, sample_rows)}"


def sampled_here(
    rows_read: DataFrame, identity: Sequence[str], *, rows: int, sample_rows: int
) -> DataFrame:
    """About `sample_rows` of all rows, chosen by Spark as `sample_query` has a database choose."""
    if rows <= sample_rows:
        return rows_read
    bucket = F.xxhash64(*[named(name) for name in identity]).bitwiseAND(F.lit(_BUCKETS - 1))
    return rows_read.where(bucket < _chosen(rows, sample_rows))


def _chosen(rows: int, sample_rows: int) -> int:
    return max(_BUCKETS * sample_rows // rows, 1)
