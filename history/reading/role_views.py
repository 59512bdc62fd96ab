"""Secure views: what each role sees of a history, as views in the catalog.

`<table>__<role>` names the columns that the role sees one by one, each as the role sees it, and
filters the rows. A column that the table gains is in none of them until the view is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.sql import SparkSession

from contracts.errors import ContractError
from history.iceberg.history_table import exists
from history.iceberg.java_table import schema_of_table
from history.iceberg.table_properties import sql_string
from history.spark.column_quoting_and_comparison import quoted

_QUERY_DIGEST = "strandline.made-of"
_ROLE_OF = "strandline.role-of"


@dataclass(frozen=True, slots=True)
class SecureView:
    """What one view shows: Spark SQL by column, and a condition on rows; empty: all rows.

    `query` is the whole query where it reads more than the table, as during a release.
    """

    expressions: Mapping[str, str]
    row_filter: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class RefreshedViews:
    """The roles whose views were created or replaced, were as they should be, and were dropped."""

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a view was, or has to be, changed."""
        return bool(self.written or self.dropped)


def role_view(table: str, role: str) -> str:
    """The identifier of a role's view."""
    return f"{table}__{role}"


def roles_with_views(spark: SparkSession, table: str) -> frozenset[str]:
    """The roles that have a view of the table in the catalog; none where it keeps no views."""
    found = _views_of(spark, table)
    return frozenset() if found is None else frozenset(found[0])


def keeps_views(spark: SparkSession, table: str) -> bool:
    """Whether the catalog of a table keeps views."""
    return _views_of(spark, table) is not None


def refresh_role_views(
    spark: SparkSession,
    table: str,
    views: Mapping[str, SecureView],
    announce: Callable[[RefreshedViews], None],
) -> RefreshedViews | None:
    """Make the roles' views these; views of roles that are gone, or see no column, are dropped.

    What a role must no longer see is dropped before anything is created. A view that is as it
    should be is left as it is. `announce` is called with what will be done, before it is done, and
    not at all where there is nothing to do.

    Returns:
        What was done; None: the catalog keeps no views, and nothing was created.

    Raises:
        ContractError: The name of a view belongs to something else, or its condition names a
            column that the table does not have.
    """
    found = _views_of(spark, table)
    if found is None:
        return None
    known, others = found
    types = _types(spark, table)
    queries = {role: _query(table, view, types) for role, view in views.items()}
    digests = {role: _digest(query, types) for role, query in queries.items() if query}
    plan = RefreshedViews(
        written=tuple(role for role, digest in digests.items() if known.get(role) != digest),
        unchanged=tuple(role for role, digest in digests.items() if known.get(role) == digest),
        dropped=tuple(role for role in known if role not in digests),
    )
    for role in plan.written:
        if role in others or (role not in known and exists(spark, role_view(table, role))):
            raise _taken(table, role)
    if plan.changes:
        announce(plan)
    for role in plan.dropped:
        spark.sql(f"DROP VIEW IF EXISTS {role_view(table, role)}")
    for role in plan.written:
        if not _create(spark, table, role, queries[role], digests[role]):
            return None
    return plan


def role_query(spark: SparkSession, table: str, view: SecureView) -> str:
    """The query of a role's view as it is made now; empty: the role sees no column."""
    return _query(table, view, _types(spark, table))


def _types(spark: SparkSession, table: str) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in schema_of_table(spark, table)}


def _query(table: str, view: SecureView, types: Mapping[str, str]) -> str:
    shown = {name: sql for name, sql in view.expressions.items() if name in types}
    if not shown:
        return ""
    if view.query:
        return view.query
    columns = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in shown.items())
    where = f" WHERE {view.row_filter}" if view.row_filter else ""
    return f"SELECT {columns} FROM {table}{where}"  # noqa: S608 - names and literals are quoted


def _digest(query: str, types: Mapping[str, str]) -> str:
    """With the types, since a view has those that its columns had when it was made."""
    text = "\n".join((query, *(f"{name} {kind}" for name, kind in types.items() if name in query)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _create(spark: SparkSession, table: str, role: str, query: str, digest: str) -> bool:
    properties = ", ".join(
        f"{sql_string(name)} = {sql_string(value)}"
        for name, value in {_QUERY_DIGEST: digest, _ROLE_OF: table}.items()
    )
    comment = sql_string(f"What the role {role} sees of {table}")
    try:
        spark.sql(
            f"CREATE OR REPLACE VIEW {role_view(table, role)} COMMENT {comment} "
            f"TBLPROPERTIES ({properties}) AS {query}"
        )
    except UnsupportedOperationException:
        return False
    except AnalysisException as error:
        if error.getCondition() == "UNRESOLVED_COLUMN.WITH_SUGGESTION":
            raise _unknown_column(table, role) from None
        if error.getCondition() != "MISSING_CATALOG_ABILITY.VIEWS":
            raise
        return False
    return True


def _views_of(spark: SparkSession, table: str) -> tuple[dict[str, str], set[str]] | None:
    """The digests of the role views of a table, by role, and what else has such a name.

    None: the catalog keeps no views.
    """
    namespace, _, name = table.rpartition(".")
    beginning = f"{name.strip('`')}__"
    try:
        rows = spark.sql(f"SHOW VIEWS IN {namespace} LIKE '{beginning}*'").collect()
    except UnsupportedOperationException:
        return None
    except AnalysisException as error:
        if error.getCondition() != "MISSING_CATALOG_ABILITY.VIEWS":
            raise
        return None
    ours, others = {}, set()
    for row in rows:
        if row.isTemporary:
            continue
        role = row.viewName.removeprefix(beginning)
        shown = spark.sql(f"SHOW TBLPROPERTIES {namespace}.{quoted(row.viewName)}").collect()
        properties = {each.key: each.value for each in shown}
        if properties.get(_ROLE_OF) == table:
            ours[role] = properties.get(_QUERY_DIGEST, "")
        else:
            others.add(role)
    return ours, others


def _taken(table: str, role: str) -> ContractError:
    return ContractError(
        where=role_view(table, role),
        expected=f"no table or view of that name, which is that of the role {role}",
        found="one that Strandline did not make for this role",
        next_step="Rename the role in the contract, or the other table or view.",
    )


def _unknown_column(table: str, role: str) -> ContractError:
    return ContractError(
        where=role_view(table, role),
        expected="that the table has the columns of the role's row filter",
        found="that it lacks one",
        next_step="Load the table once, so that it gains the columns of its contract.",
    )
