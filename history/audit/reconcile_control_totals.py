"""Reconciling open versions with a full read: they must be the source's rows, counted and summed.

The check reads the branch itself, before it is published. It compares it with numbers taken from
the source's rows when they were read, which depend on neither the plan nor the written rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.control_totals import ControlTotals
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import count_of, named, same

_BITS = 0xFFFFFFFF


def value_digest(value: Column) -> Column:
    """A number made of a value; sums of it are the same in any order, and fit a bigint."""
    return F.xxhash64(value).bitwiseAND(F.lit(_BITS))


def reconcile(
    versions: DataFrame, expected: ControlTotals, settings: HistorySettings
) -> Mapping[str, int]:
    """By rule, how far the open versions are from the rows that were read; 0 where they agree.

    `open_is_source`: how many more or fewer rows there are. `open_says_source`: 1 where the
    numbers agree and the values do not.
    """
    opened = versions.where(named(settings.is_current))
    if expected.excluded_keys is not None:
        keys = expected.excluded_keys.select(*[named(name) for name in settings.key])
        opened = opened.alias("o").join(keys.alias("a"), same("o", "a", settings.key), "left_anti")
    digest = F.lit(0) if expected.column is None else value_digest(named(expected.column))
    total = F.coalesce(F.sum(digest), F.lit(0)).alias("digest")
    totals = opened.agg(count_of(F.lit(True)).alias("rows"), total).collect()[0]
    row_difference = abs(int(totals.rows) - expected.rows)
    values_differ = expected.column is not None and int(totals.digest) != expected.digest
    return {
        "open_is_source": row_difference,
        "open_says_source": int(values_differ and not row_difference),
    }
