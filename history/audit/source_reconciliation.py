"""What a full read must leave behind: the open versions are the source's rows, counted and summed.

It is asked of the branch itself, before it is published, by numbers that the source's rows gave
when they were read: neither the plan nor what was written has a say in them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.model.expected_open_versions import ExpectedOpenVersions
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import count_of, named, same

_BITS = 0xFFFFFFFF


def value_digest(value: Column) -> Column:
    """A number made of a value; sums of it are the same in any order, and fit a bigint."""
    return F.xxhash64(value).bitwiseAND(F.lit(_BITS))


def differences_from_source(
    versions: DataFrame, expected: ExpectedOpenVersions, settings: HistorySettings
) -> Mapping[str, int]:
    """By rule, how far the open ones of the versions are from what was read; 0 where they agree.

    `open_is_source`: by how many rows there are more or fewer. `open_says_source`: 1 where the
    numbers agree and the values do not.
    """
    opened = versions.where(named(settings.is_current))
    if expected.apart is not None:
        keys = expected.apart.select(*[named(name) for name in settings.key])
        opened = opened.alias("o").join(keys.alias("a"), same("o", "a", settings.key), "left_anti")
    digest = F.lit(0) if expected.column is None else value_digest(named(expected.column))
    sums = F.coalesce(F.sum(digest), F.lit(0)).alias("digest")
    found = opened.agg(count_of(F.lit(True)).alias("rows"), sums).collect()[0]
    rows = abs(int(found.rows) - expected.rows)
    says = expected.column is not None and int(found.digest) != expected.digest
    return {"open_is_source": rows, "open_says_source": int(says and not rows)}
