"""What a full read must leave behind: the open versions are the source's rows, counted and summed.

It is asked of the branch itself, before it is published, by numbers that the source's rows gave
when they were read: neither the plan nor what was written has a say in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from history.columns import count_of, named, same
from history.settings import HistorySettings

_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenState:
    """What the rows of a full read were that must be open versions now.

    Attributes:
        rows: How many of them there were.
        digest: The sum of `digest_of` their values of `column`.
        column: One that says what their tracked columns say; None: rows are only counted.
        apart: Keys whose rows said nothing (refused, ignored): what was open of them still is.
    """

    rows: int
    digest: int = 0
    column: str | None = None
    apart: DataFrame | None = None


def digest_of(value: Column) -> Column:
    """A number made of a value; sums of it are the same in any order, and fit a bigint."""
    return F.xxhash64(value).bitwiseAND(F.lit(_BITS))


def unlike(
    versions: DataFrame, expected: OpenState, settings: HistorySettings
) -> Mapping[str, int]:
    """By rule, how far the open ones of the versions are from what was read; 0 where they agree.

    `open_is_source`: by how many rows there are more or fewer. `open_says_source`: 1 where the
    numbers agree and the values do not.
    """
    opened = versions.where(named(settings.is_current))
    if expected.apart is not None:
        keys = expected.apart.select(*[named(name) for name in settings.key])
        opened = opened.alias("o").join(keys.alias("a"), same("o", "a", settings.key), "left_anti")
    digest = F.lit(0) if expected.column is None else digest_of(named(expected.column))
    sums = F.coalesce(F.sum(digest), F.lit(0)).alias("digest")
    found = opened.agg(count_of(F.lit(True)).alias("rows"), sums).collect()[0]
    rows = abs(int(found.rows) - expected.rows)
    says = expected.column is not None and int(found.digest) != expected.digest
    return {"open_is_source": rows, "open_says_source": int(says and not rows)}
