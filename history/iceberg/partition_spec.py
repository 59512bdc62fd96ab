"""Iceberg partition terms: as columns for a new table, as text to compare with those of a table."""

from __future__ import annotations

import re

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from contracts.errors import SettingsError
from history.spark.column_quoting_and_comparison import named, quoted

_TERM = re.compile(r"^(?:(\w+)\()?\s*([^(),]+?)\s*(?:,\s*(\d+))?\s*\)?$")
_DESCRIBED = re.compile(r"^(\w+)\((?:(\d+), )?(.+)\)$")
_TIME_TRANSFORMS = ("years", "months", "days", "hours")


def partition_term(term: str) -> Column:
    """An Iceberg partition term: a column, or years/months/days/hours/bucket of one."""
    function, name, count = _parts(term)
    if function is None:
        return named(name)
    if count is not None:
        return F.partitioning.bucket(int(count), named(name))
    transforms = {
        "years": F.partitioning.years,
        "months": F.partitioning.months,
        "days": F.partitioning.days,
        "hours": F.partitioning.hours,
    }
    return transforms[function](named(name))


def as_sql(term: str) -> str:
    """The term as SQL and Iceberg write it: `bucket(4, id)`, names quoted."""
    function, name, count = _parts(term)
    column = quoted(name)
    if function is None:
        return column
    return f"{function}({column})" if count is None else f"{function}({count}, {column})"


def of_table(spark: SparkSession, table: str) -> tuple[str, ...]:
    """The terms by which new files of the table are partitioned, as `as_sql` writes them."""
    rows = spark.sql(f"DESCRIBE TABLE {table}").collect()
    names = [row.col_name for row in rows]
    if "# Partitioning" in names:
        return tuple(_requoted(row.data_type) for row in rows[names.index("# Partitioning") + 1 :])
    if "# Partition Information" in names:
        # Spark uses this heading where every term is a column.
        return tuple(quoted(name) for name in names[names.index("# Partition Information") + 2 :])
    return ()


def _parts(term: str) -> tuple[str | None, str, str | None]:
    match = _TERM.match(term)
    function, name, count = match.groups() if match else (None, term, None)
    is_valid = function is None or (
        function == "bucket" if count is not None else function in _TIME_TRANSFORMS
    )
    if not is_valid:
        raise SettingsError(
            where=f"partition term {term}",
            expected="a column, or years, months, days, hours or bucket(column, N)",
            found=f"the function {function}",
            next_step="Correct `partitioning`.",
        )
    return function, name, count


def _requoted(shown: str) -> str:
    """A term as DESCRIBE shows it, with the column always quoted."""
    match = _DESCRIBED.match(shown)
    if match is None:
        return _quoted(shown)
    function, count, column = match.groups()
    inner = _quoted(column)
    return f"{function}({inner})" if count is None else f"{function}({count}, {inner})"


def _quoted(name: str) -> str:
    return name if name.startswith("`") else quoted(name)
