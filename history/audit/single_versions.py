"""The rules of a history in which each key has one event and one version, as a first load has them.

Then nothing has to be sorted: what is written has to be what was read, each row by itself, and no
key may have a second version. Compared are sums of 64-bit hashes, so that two sets of rows that
differ are taken for equal once in 2^64 comparisons, as versions are elsewhere.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.audit.version_columns import is_open, sums_of_halves, with_types_of
from history.model.history_settings import HistorySettings
from history.planning.event_validation import UPSERT
from history.planning.merge_plan import MergePlan
from history.spark.column_quoting_and_comparison import (
    content_digest,
    count_of,
    is_hashed_whole,
    named,
    per,
)

_SPARSE = 32
"""Keys are counted by bits where at least one of so many numbers is a key. The bits of ten million
are 40 MB at most, which are shuffled."""


def can_be_compared(planned: MergePlan, versions: T.StructType) -> bool:
    """Whether all that identifies and opens a version is hashed: some types are not."""
    return is_hashed_whole(_compared(planned.settings, planned.columns), versions)


def broken_rules_of_single_versions(versions: DataFrame, planned: MergePlan) -> dict[str, int]:
    """By rule, how many versions break it.

    Args:
        versions: All versions, with the columns of the table.
        planned: Has the events as its rows (`history.planning.first_load.events_as_planned`).

    Returns:
        `upserts_stand` (versions and events are not the same rows, or a version starts after its
        event), `one_current` (versions beyond a key's first), `flag_agrees` (a version is not
        flagged as open), `only_deletes_leave_gaps` (it has an end).
    """
    settings, keys = planned.settings, [named(name) for name in planned.settings.key]
    names = _compared(settings, planned.columns)
    events = with_types_of(versions.schema, planned.rows.where(F.col("__op") == UPSERT), names)
    read = events.agg(F.count(F.lit(1)).alias("rows"), *_sums(names, events)).collect()[0]
    start, end = named(settings.valid_from), named(settings.valid_to)
    # It starts at its event, or at its stamp or first date, which lie before.
    late = start.isNull() | (start > named(settings.sequence))
    flag, bounds = named(settings.is_current), _bounds(keys, versions.select(*keys).schema)
    found = versions.agg(
        F.count(F.lit(1)).alias("rows"),
        *_sums(names, versions),
        count_of(late).alias("late"),
        count_of(flag.isNull() | ~flag).alias("not_flagged"),
        count_of(~is_open(end, settings)).alias("ended"),
        *bounds,
    ).collect()[0]
    differing = abs(int(found.rows) - int(read.rows))
    if not differing:
        differing = int((found.low, found.high) != (read.low, read.high))
    close = bounds and found.least is not None
    if close and found.greatest - found.least < _SPARSE * found.rows:
        repeated = int(found.rows) - _different_numbers(versions.select(*keys), found.least)
    else:
        repeated = _repeated_keys(versions.select(*keys))
    return {
        "upserts_stand": differing + int(found.late),
        "one_current": repeated,
        "flag_agrees": int(found.not_flagged),
        "only_deletes_leave_gaps": int(found.ended),
    }


def _bounds(keys: list[Column], kinds: T.StructType) -> list[Column]:
    """The least and the greatest key, where keys are whole numbers."""
    if len(keys) > 1 or not isinstance(kinds[0].dataType, T.IntegralType):
        return []
    return [F.min(keys[0]).alias("least"), F.max(keys[0]).alias("greatest")]


def _different_numbers(keys: DataFrame, least: int) -> int:
    """How many numbers there are, each counted once: a bit for each, from the least one on.

    Bits take a seventh of the time that grouping the numbers takes, and a third of sorting them.
    """
    place = named(keys.columns[0]).cast("bigint") - F.lit(least)
    bits = F.bitmap_construct_agg(F.bitmap_bit_position(place))
    counted = keys.groupBy(F.bitmap_bucket_number(place)).agg(F.bitmap_count(bits).alias("keys"))
    return int(counted.agg(F.coalesce(F.sum("keys"), F.lit(0))).collect()[0][0])


def _repeated_keys(keys: DataFrame) -> int:
    """How many rows have the key of a row before."""
    names = keys.columns
    place = F.row_number().over(per(*names).orderBy(*[named(name) for name in names]))
    return keys.select((place > 1).alias("again")).where("again").count()


def _compared(settings: HistorySettings, columns: tuple[str, ...]) -> tuple[str, ...]:
    return (*settings.key, settings.sequence, *settings.compared(columns))


def _sums(names: tuple[str, ...], rows: DataFrame) -> list[Column]:
    return sums_of_halves(content_digest(names, rows.schema)["digest"])
