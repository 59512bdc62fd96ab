"""Views that read each key wholly from blue or wholly from green, by a share that one commit moves.

`<table>__blue_green` is a view of one row that has the share of each role. The roles' views name it
once, above the union of both tables, so that a query sees one share for both sides, whenever it is
changed. Spark folds it into the plan as a literal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.reading.role_views import SecureView, keeps_views
from history.reading.sql_views import create_view
from history.release.release_record import EVERYONE, Release, release_of
from history.spark.column_quoting_and_comparison import quoted

BUCKETS = 100
"""Keys are spread over so many buckets by a hash that does not change; a share is some of them."""


def routing_view(table: str) -> str:
    """The view of the shares."""
    return f"{table}__blue_green"


def bucket_sql(key: Sequence[str]) -> str:
    """The bucket of a key, from 0 to 99: the same in both tables, whatever number type it has."""
    texts = ", ".join(f"CAST({quoted(name)} AS STRING)" for name in key)
    return f"pmod(xxhash64({texts}), {BUCKETS})"


def write_shares(spark: SparkSession, release: Release, roles: Sequence[str]) -> bool:
    """Make the shares what the record says, for all roles in one commit.

    Returns:
        Whether the catalog keeps views.
    """
    columns = [f"{release.shares[EVERYONE]} AS {quoted(EVERYONE)}"]
    columns += [f"{release.share_of(role)} AS {quoted(_column(role))}" for role in sorted({*roles})]
    view = routing_view(release.table)
    return create_view(
        spark,
        f"CREATE OR REPLACE VIEW {view} COMMENT 'Percent of the keys that are read from green' "
        f"AS SELECT {', '.join(columns)}",
    )


def drop_shares(spark: SparkSession, table: str) -> None:
    """Drop the view of the shares, once no view reads it."""
    if keeps_views(spark, table):
        spark.sql(f"DROP VIEW IF EXISTS {routing_view(table)}")


def routed_views(
    spark: SparkSession, release: Release, blue: Mapping[str, SecureView]
) -> dict[str, SecureView]:
    """The roles' views during a release: blue's rows by blue's contract, green's by green's.

    A view has the columns that the role sees of blue. Where green's contract shows a column less,
    green's keys have it as null; what it shows more is seen once green is promoted. A role that
    green's contract does not have sees no row of green.
    """
    types = {each.name: each.dataType for each in spark.table(release.table).schema.fields}
    return {
        role: SecureView(
            view.expressions,
            view.row_filter,
            _query(release, _column(role), view, release.roles.get(role), types),
        )
        for role, view in blue.items()
        if any(name in types for name in view.expressions)
    }


def current_view_query(spark: SparkSession, table: str, settings: HistorySettings) -> str:
    """The query of the view of open versions where a release routes it; else empty."""
    release = release_of(spark, table)
    if release is None or not release.routes:
        return ""
    return routed_current_view(spark, release, settings)


def routed_current_view(spark: SparkSession, release: Release, settings: HistorySettings) -> str:
    """The query of the view of open versions during a release."""
    fields = spark.table(release.table).schema.fields
    types = {each.name: each.dataType for each in fields}
    there = {*spark.table(release.green).columns}
    flag = quoted(settings.is_current)
    both = SecureView({name: quoted(name) for name in types}, flag)
    green = SecureView({name: quoted(name) for name in types if name in there}, flag)
    return _query(release, EVERYONE, both, green, types)


def _query(
    release: Release,
    share: str,
    blue: SecureView,
    green: SecureView | None,
    types: Mapping[str, T.DataType],
) -> str:
    shown = [name for name in blue.expressions if name in types]
    bucket = bucket_sql(release.key) if release.same_key else "0"
    sides = [_side("false", bucket, release.table, blue, shown, types)]
    if green is not None:
        sides.append(_side("true", bucket, release.green, green, shown, types))
    columns = ", ".join(quoted(name) for name in shown)
    chosen = f"SELECT {quoted(share)} FROM {routing_view(release.table)}"  # noqa: S608
    return (
        f"SELECT {columns} FROM ({' UNION ALL '.join(sides)}) "  # noqa: S608 - quoted names
        f"WHERE __is_green = (__bucket < ({chosen}))"
    )


def _side(
    is_green: str,
    bucket: str,
    table: str,
    view: SecureView,
    shown: Sequence[str],
    types: Mapping[str, T.DataType],
) -> str:
    columns = [
        f"{view.expressions[name]} AS {quoted(name)}"
        if name in view.expressions
        else f"CAST(NULL AS {types[name].simpleString()}) AS {quoted(name)}"
        for name in shown
    ]
    where = f" WHERE {view.row_filter}" if view.row_filter else ""
    return (
        f"SELECT {is_green} AS __is_green, {bucket} AS __bucket, "  # noqa: S608 - quoted names
        f"{', '.join(columns)} FROM {table}{where}"
    )


def _column(role: str) -> str:
    return f"role_{role}"
