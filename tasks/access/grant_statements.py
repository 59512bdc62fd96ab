"""Grants of a table's roles as SQL, for catalogs and engines that have grants.

The catalogs that Strandline writes to (JDBC, Glue, REST, Hive through Iceberg) take no GRANT from
Spark, so this is a script for whoever administers the engine that readers use.
"""

from __future__ import annotations

from collections.abc import Sequence

from history.reading.role_views import role_view
from history.spark.column_quoting_and_comparison import quoted
from tasks.compiler.compile_role_rights import RoleRights


def grant_statements(
    table: str, roles: Sequence[RoleRights], others: Sequence[str]
) -> tuple[str, ...]:
    """What gives each role its view and nothing else, one SQL statement each.

    Args:
        table: The history table, `catalog.namespace.table`.
        roles: The roles; one that sees no column is granted nothing.
        others: Tables beside it that hold its rows: a right on them would go past the views.
    """
    statements = []
    for rights in roles:
        name = quoted(rights.role)
        statements += [
            f"REVOKE ALL PRIVILEGES ON TABLE {each} FROM ROLE {name};" for each in (table, *others)
        ]
        if rights.expressions:
            view = role_view(table, rights.role)
            statements.append(f"GRANT SELECT ON VIEW {view} TO ROLE {name};")
    return tuple(statements)
