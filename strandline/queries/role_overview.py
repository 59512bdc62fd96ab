"""What a role sees of a table as it is now: columns, rows, the state of its view, some rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.model import ColumnRight, Contract
from history.reading.role_views import role_view, roles_with_views
from history.spark.column_quoting_and_comparison import named
from strandline.queries.format_row_values import printable, readable
from strandline.queries.open_lakehouse import Lakehouse
from strandline.queries.versions_of_key import ENCRYPTED
from tasks.access.decrypt_versions import rows_of_role, seen_by_role
from tasks.compiler.compile_role_rights import RoleRights


@dataclass(frozen=True, slots=True)
class RoleOverview:
    """What one role sees of one table.

    Attributes:
        contract: The contract's name.
        table: The table.
        role: The role's name.
        description: What the contract says of it.
        columns: What it sees of each column that the table has, and why.
        not_in_contract: Columns of the table that the contract does not know: nobody sees them.
        rows: Which rows it sees, in words.
        visible: How many it sees.
        total: Of how many.
        decrypt: Columns that it may have decrypted.
        view: The name of its view; None: the catalog has none of this role.
        examples: Some rows as it sees them.
    """

    contract: str
    table: str
    role: str
    description: str
    columns: tuple[ColumnRight, ...]
    not_in_contract: tuple[str, ...]
    rows: str
    visible: int
    total: int
    decrypt: tuple[str, ...]
    view: str | None
    examples: tuple[Mapping[str, object], ...] = ()


def overview_of(
    lake: Lakehouse, contract: Contract, rights: RoleRights, *, rows: int
) -> RoleOverview:
    """What the role sees; `rows`: how many example rows to read."""
    table = lake.target(contract)
    versions = lake.versions(contract)
    known = {each.column for each in rights.columns}
    visible = rows_of_role(versions, rights)
    view = role_view(table, rights.role)
    return RoleOverview(
        contract=contract.name,
        table=table,
        role=rights.role,
        description=rights.description,
        columns=tuple(each for each in rights.columns if each.column in versions.columns),
        not_in_contract=tuple(name for name in versions.columns if name not in known),
        rows=rights.rows,
        visible=visible.count() if rights.expressions else 0,
        total=versions.count(),
        decrypt=tuple(rights.decrypt),
        view=view if rights.role in roles_with_views(lake.spark, table) else None,
        examples=_examples(visible, rights, rows),
    )


def _examples(
    visible: DataFrame, rights: RoleRights, limit: int
) -> tuple[Mapping[str, object], ...]:
    if not limit or not rights.expressions:
        return ()
    return rows_as_shown(seen_by_role(visible, rights), limit)


def rows_as_shown(frame: DataFrame, limit: int) -> tuple[Mapping[str, object], ...]:
    """The first rows of a frame in plain values; a token is shown as the word `encrypted`."""
    fields = frame.schema.fields
    shown = [_shown(each).alias(each.name) for each in fields]
    return tuple(
        {each.name: printable(row[each.name], each.dataType) for each in fields}
        for row in frame.select(*shown).limit(limit).collect()
    )


def _shown(field: T.StructField) -> Column:
    column = named(field.name)
    if isinstance(field.dataType, T.BinaryType):
        return F.when(column.isNotNull(), F.lit(ENCRYPTED))
    return readable(column, field.dataType)
