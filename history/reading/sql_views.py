"""Views over a history for SQL users: the open versions, and those valid at a moment.

`<table>_current` is in the catalog, if the catalog supports views. A view takes no parameter, so
`<name>_as_of` is a view of one session that reads the session variable `moment`.
"""

from __future__ import annotations

import hashlib

from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.sql import SparkSession

from history.iceberg.java_table import schema_of_table
from history.model.history_settings import HistorySettings
from history.spark.column_quoting_and_comparison import quoted

_QUERY_DIGEST = "strandline.made-of"


def current_view(table: str) -> str:
    """The identifier of the view of open versions."""
    return f"{table}_current"


def as_of_view(table: str) -> str:
    """The name of the session's view of versions at `moment`: the table's name, unqualified."""
    return f"{table.rpartition('.')[2].strip('`')}_as_of"


def create_views(
    spark: SparkSession, table: str, settings: HistorySettings, *, query: str = ""
) -> bool:
    """Create `<table>_current` in the catalog, or replace it when the columns have changed.

    `query` is its query where it reads more than the table, as during a release.

    Columns are named one by one: an Iceberg view over `*` binds them by their position, and is
    wrong or broken once a column of the table is dropped.

    Returns:
        Whether the catalog supports views. If not, nothing was created.
    """
    view = current_view(table)
    columns = ", ".join(quoted(name) for name in schema_of_table(spark, table).fieldNames())
    query = query or f"SELECT {columns} FROM {table} WHERE {quoted(settings.is_current)}"  # noqa: S608
    digest = hashlib.sha256(query.encode()).hexdigest()[:16]
    if _query_digest(spark, view) == digest:
        return True
    return create_view(
        spark,
        f"CREATE OR REPLACE VIEW {view} COMMENT 'The open versions of {table}' "
        f"TBLPROPERTIES ('{_QUERY_DIGEST}' = '{digest}') AS {query}",
    )


def create_view(spark: SparkSession, statement: str) -> bool:
    """Run a statement that creates a view; False where the catalog keeps no views."""
    try:
        spark.sql(statement)
    except UnsupportedOperationException:
        return False
    except AnalysisException as error:
        if error.getCondition() != "MISSING_CATALOG_ABILITY.VIEWS":
            raise
        return False
    return True


def open_as_of(spark: SparkSession, table: str, settings: HistorySettings) -> str:
    """Create `<name>_as_of` in this session, and the variable `moment` that it reads.

    Then `SET VAR moment = TIMESTAMP '...'` and select from the view. Iceberg's catalogs store no
    functions, and Iceberg 1.12's SQL extensions do not parse the parameters of one.

    Returns:
        The view's name.
    """
    type_name = schema_of_table(spark, table)[settings.valid_from].dataType.simpleString()
    start, end = quoted(settings.valid_from), quoted(settings.valid_to)
    view = as_of_view(table)
    spark.sql(f"DECLARE OR REPLACE VARIABLE moment {type_name}")
    spark.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW {quoted(view)} AS SELECT * FROM {table} "  # noqa: S608
        f"WHERE {start} <= session.moment "
        f"AND ({quoted(settings.is_current)} OR session.moment < {end})"
    )
    return view


def _query_digest(spark: SparkSession, view: str) -> str | None:
    """The digest of the view's query; None: no such view, or Strandline did not create it."""
    try:
        row = spark.sql(f"SHOW TBLPROPERTIES {view} ('{_QUERY_DIGEST}')").collect()[0]
    except (AnalysisException, UnsupportedOperationException):
        return None
    return str(row.value)
