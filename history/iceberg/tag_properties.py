"""Security tags among the properties of a table: kept in step, without a commit for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

from history.iceberg import branches
from history.iceberg.table_properties import sql_string, strandline_properties

TAG = "strandline.tag."
"""How the names of all tags begin."""


def keep_tags(spark: SparkSession, table: str, tags: Mapping[str, str]) -> bool:
    """Make the table's tags these; one commit of metadata where they differ, none where not.

    Returns:
        Whether they differed.

    Raises:
        EnvironmentUnfitError: Spark's configuration hides one of the table's properties.
    """
    found = {
        name: value
        for name, value in strandline_properties(spark, table).items()
        if name.startswith(TAG)
    }
    if found == dict(tags):
        return False
    changed = {name: value for name, value in tags.items() if found.get(name) != value}
    if changed:
        pairs = ", ".join(
            f"{sql_string(name)} = {sql_string(value)}" for name, value in changed.items()
        )
        branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ({pairs})")
    obsolete = [name for name in found if name not in tags]
    if obsolete:
        names = ", ".join(sql_string(name) for name in obsolete)
        branches.alter(spark, f"ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ({names})")
    return True
